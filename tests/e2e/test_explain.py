# SPDX-License-Identifier: GPL-2.0
"""The one sentence of explain in every state of a source: it must be right where events were not sampled, where the kernel and the
state differ, and where nothing is attached."""
import os, re, json, signal, subprocess, time
import pytest
from ban_map import BPFTOOL, hexed, key_of, pin, poke_u64, put
from lab import BUILD, Stream, run, wait_for
from test_control import ask, connect

BAD, OTHER, LISTED, GOOD, LATE = "198.51.100.7", "198.51.100.8", "198.51.100.99", "203.0.113.9", "203.0.113.10"
LIMIT_BITS = 192  # bytes before sek_control.limit_bits
LIMITS = """limits:
  - {name: ssh, protocol: tcp-syn, ports: [22], packets: 10/s, ban: {after: 1s, for: 10m}}
  - {name: some, protocol: udp, packets: 20/s, burst: 20}
"""


def words_of(agent, address):
    said = agent.ask("explain", address)
    assert f"answer          {said['answer']}\n" in agent.cli("explain", address).stdout or "ago" in said["answer"] or "another" in said["answer"]
    return said["verdict"], said["stopped_by"], said["answer"]


def test_a_source_that_no_event_tells_of(lab, agent):
    """No drop is sampled here, as beside a flood that takes the whole sample: the kernel's record tells, or it is said that nothing does."""
    one = agent("events: {sample: 1/m}\n" + LIMITS + "  - {name: watch, protocol: udp, ports: [4001], packets: 10/s, burst: 10, action: monitor, per: /24}\n").start()
    poke_u64(one, LIMIT_BITS, -(1 << 32))  # events_per_s, the number behind it, is 1: none
    flood = Stream(lab, [BAD], 400, port=4003)
    try:
        wait_for(lambda: one.ask("limit", "list")["limits"][1]["dropped"] > 100, 10, "the limit's drops")
        assert words_of(one, BAD)[:2] == ("drop", "limit")
    finally:
        flood.stop()
    said = wait_for(lambda: (lambda a: a["reason"] == "none" and a)(one.ask("explain", BAD)), 10, "the end of being over")
    dropped = one.ask("limit", "list")["limits"][1]["dropped"]
    assert said["recent"] == [] and (said["verdict"], said["stopped_by"]) == ("pass", "limit")
    assert f"Stopped in part by the rate limit some: {dropped} of its packets were over it in the last " in said["answer"], (dropped, said)
    assert words_of(one, GOOD) == ("pass", "nobody", "Not stopped by Sekisho: no list, entry, ban or limit holds it, and none of its packets was seen dropped lately.")
    only = Stream(lab, [LATE], 18, port=4001)  # more than watch allows, less than some does
    try:
        wait_for(lambda: one.ask("limit", "list")["limits"][2]["would_drop"] > 5, 10, "what watch would have dropped")
    finally:
        only.stop()
    wait_for(lambda: one.ask("explain", LATE)["reason"] == "none", 10, "the end of being over")
    said = one.ask("explain", LATE)
    assert said["stopped_by"] != "limit" and "Not stopped" in said["answer"] and "watch" in said["answer"] and "only watches" in said["answer"], said
    one.cli("block", "add", OTHER)
    assert lab.probe(OTHER, 5) == 0
    one.cli("block", "del", OTHER)
    assert lab.probe(OTHER, 5) == 5
    verdict, by, answer = words_of(one, OTHER)
    assert (verdict, by) == ("pass", "unknown") and "is not known: not all drops were sampled" in answer


def test_a_source_is_told_of_alike_through_its_ban(lab, agent):
    """In the ban, on trial, after it; at no moment do the sentence, the verdict and the ban's state tell different things."""
    one = agent(LIMITS).start()
    put(one, [BAD + "/32"], for_s=5, trial_s=4)
    wait_for(lambda: one.ask("explain", BAD)["bans"], 10, "the ban")
    seen, end = [], time.monotonic() + 40
    while (not seen or seen[-1][1] != "ended") and time.monotonic() < end:
        said = one.ask("explain", BAD)
        state = said["bans"][0]["state"]
        seen.append((said["verdict"], state))
        assert (said["verdict"] == "drop") == (state == "live") == said["answer"].startswith("Stopped by a rate limit: ssh banned it "), said
        assert (said["verdict"] == "drop") == bool(said["matches"]) and said["differs"] is None, said
        assert said["stopped_by"] == "limit" and (state == "live" or "The rate limit ssh had banned it until " in said["answer"]), said
        assert (state == "probation") == ("the next offence is a repeat" in said["answer"]), said
    assert sorted(set(seen), key=seen.index) == [("drop", "live"), ("pass", "probation"), ("pass", "ended")]
    put(one, [OTHER + "/32"], random=2)
    number = wait_for(lambda: (lambda a: a["bans"] and a["bans"][0]["id"])(one.ask("explain", OTHER)), 10, "the other ban")
    one.cli("review", "reject", number, "--allow", "1h")
    verdict, by, answer = words_of(one, OTHER)
    assert (verdict, by) == ("pass", "limit") and re.search(r"had banned it until \d+s ago: rejected by .* Now it is allowed by review\.$", answer), answer
    one.cli("allow", "add", GOOD)
    assert words_of(one, GOOD) == ("pass", "nobody", "Not stopped: it is allowed by manual.")
    one.cli("allow", "del", OTHER, "--origin", "review")
    verdict, by, answer = words_of(one, OTHER)
    assert (verdict, by) == ("pass", "limit") and re.search(r"had banned it until \d+s ago: rejected by ", answer) and "repeat" not in answer


def test_a_watched_source_that_was_banned(lab, agent):
    """A list that only watches it does not hide who stopped it a moment ago."""
    one = agent()
    (one.dir / "list").write_text(f"{BAD}\n{OTHER}\n")
    one.write("events: {sample: 100/s}\n" + LIMITS + f"feeds:\n  - {{name: seen, path: \"{one.dir}/list\", format: plain, action: monitor}}\n")
    one.start()
    wait_for(lambda: one.ask("explain", OTHER)["verdict"] == "monitor", 10, "the list")
    put(one, [BAD + "/32"], for_s=2, trial_s=600)
    wait_for(lambda: one.ask("explain", BAD)["bans"], 10, "the ban")
    wait_for(lambda: one.ask("explain", BAD)["verdict"] == "monitor", 10, "its end")
    verdict, by, answer = words_of(one, BAD)
    assert (verdict, by) == ("monitor", "limit")
    assert answer.startswith("Not stopped now. The rate limit ssh had banned it until ") and answer.endswith(" Now seen would, but for monitor."), answer
    assert words_of(one, OTHER) == ("monitor", "nobody", "Not stopped: seen would, but for monitor.")


def test_a_ban_that_monitor_or_an_allow_stands_over(lab, agent):
    """It is told by what it dropped before, and never as one that the kernel does not find."""
    one = agent(LIMITS).start()
    put(one, [BAD + "/32"], random=1)
    put(one, [OTHER + "/32"], random=2)
    wait_for(lambda: one.ask("explain", BAD)["bans"] and one.ask("explain", OTHER)["bans"], 10, "the bans")
    assert lab.probe(BAD, 5) == 0
    one.cli("mode", "monitor")
    assert lab.probe(OTHER, 5) == 5
    was = r"Stopped by a rate limit until \d+s ago: ssh banned it \d+s ago, and 5 of its packets were dropped\. Now "
    verdict, by, answer = words_of(one, BAD)
    assert (verdict, by) == ("monitor", "limit") and re.fullmatch(was + r"limit:ssh would, but for monitor\.", answer), answer
    assert words_of(one, OTHER) == ("monitor", "nobody", "Not stopped: limit:ssh would, but for monitor.")
    one.cli("mode", "enforce")
    one.cli("allow", "add", BAD)
    one.cli("allow", "add", OTHER)
    verdict, by, answer = words_of(one, BAD)
    assert (verdict, by) == ("pass", "limit") and re.fullmatch(was + r"it is allowed by manual\.", answer), answer
    assert words_of(one, OTHER) == ("pass", "nobody", "Not stopped: it is allowed by manual.")


def test_one_that_is_banned_again_makes_nothing_unknown_of_others(lab, agent):
    """Its record begins anew with each ban: nothing of another source is lost with that."""
    one = agent("events: {sample: 1/m}\nlimits:\n  - {name: some, protocol: udp, packets: 20/s, burst: 20, ban: {after: 1s, for: 1s}}\n").start()
    flood = Stream(lab, [BAD], 400, port=4003)
    try:
        wait_for(lambda: len(one.ask("review", "list")["bans"]) >= 2, 20, "two bans of one source")
        wait_for(lambda: one.ask("explain", BAD)["reason"] == "limit", 10, "its third offence, in a record of its own")
    finally:
        flood.stop()
    assert words_of(one, GOOD)[:2] == ("pass", "nobody"), one.ask("explain", GOOD)


def test_the_last_moment_of_a_ban(agent):
    """The program's clock is up to two ticks behind: a ban that still drops is not said to be over."""
    one = agent(LIMITS).start()
    for i in range(1, 4):
        source, state = f"198.51.100.{i}", None
        put(one, [source + "/32"], for_s=1, trial_s=600, random=i)
        with connect(one) as sock:
            while state != "probation":  # thousands of times
                said = ask(sock, verb="explain", address=source)["data"]
                state = said["bans"][0]["state"] if said["bans"] else "live"
                assert (said["verdict"] == "drop") == (state == "live") == said["answer"].startswith("Stopped by a rate limit: ssh banned it "), said


def test_a_ban_that_the_kernel_does_not_hold(lab, agent):
    """The state has it for ten minutes to come, the kernel lets pass: nothing is said to have ended ten minutes ago."""
    one = agent(LIMITS).start()
    for i in range(1, 20):  # a scan may come in between, and then it is lost
        source = f"198.51.100.{i}"
        put(one, [source + "/32"], random=i)
        wait_for(lambda: one.ask("explain", source)["bans"], 10, "the ban")
        run(BPFTOOL, "map", "delete", "pinned", pin(one, "bans"), "key", *hexed(key_of(source + "/32")))
        said = one.ask("explain", source)
        if said["bans"][0]["state"] == "live":
            break
    assert said["verdict"] == "pass" and said["answer"].startswith("Not stopped now, though the rate limit ssh banned it "), said
    assert re.search("for another (9m 5|10m)", said["answer"]) and "the kernel does not find that ban" in said["answer"]


def test_a_list_and_a_limit_and_nothing_attached(lab, agent):
    one = agent()
    (one.dir / "list").write_text(LISTED + "\n")
    one.write("events: {sample: 100/s}\n" + LIMITS + f"feeds:\n  - {{name: bad, path: \"{one.dir}/list\", format: plain}}\n")
    one.start()
    wait_for(lambda: one.ask("explain", LISTED)["reason"] == "feed", 10, "the list")
    put(one, [BAD + "/32"])
    one.cli("block", "add", OTHER)
    wait_for(lambda: one.ask("explain", BAD)["bans"], 10, "the ban")
    flood = Stream(lab, [LISTED, GOOD], 400)
    try:  # both are too fast; the list comes first
        wait_for(lambda: one.ask("limit", "list")["limits"][1]["dropped"] > 50, 10, "the limit's drops")
        assert words_of(one, LISTED)[:2] == ("drop", "list") and words_of(one, GOOD)[:2] == ("drop", "limit")
    finally:
        flood.stop()
    gateway = one.ask("explain", "10.99.0.254")
    assert (gateway["verdict"], gateway["stopped_by"], gateway["attached"]) == ("pass", "nobody", True)
    assert gateway["answer"] == "Not stopped: it is protected (default gateway) and never dropped."
    one.cli("detach")
    assert lab.probe(OTHER) == 20 and lab.probe(LISTED) == 20
    for address, would in ((BAD, "Stopped by a rate limit: ssh banned it"), (OTHER, "Stopped by a block entry: 198.51.100.8"), (LISTED, "Stopped by a list: bad")):
        said = one.ask("explain", address)
        assert (said["verdict"], said["reason"], said["stopped_by"], said["attached"], said["differs"]) == ("pass", "none", "nobody", False, None)
        assert said["answer"].startswith("Not stopped: nothing is attached, so Sekisho sees no packet. Attached it would be: " + would), said
    assert words_of(one, LATE) == ("pass", "nobody", "Not stopped: nothing is attached, so Sekisho sees no packet.")
    one.cli("reload")
    assert wait_for(lambda: one.ask("explain", OTHER)["attached"], 10, "the program on the interface") and words_of(one, OTHER)[:2] == ("drop", "entry")


NOT_KNOWN = "Not stopped now: no list, entry, ban or limit holds it. Whether any of its packets was dropped in the last 15 minutes is not known: not all drops were sampled."
INNOCENT = ("pass", "nobody", "Not stopped by Sekisho: no list, entry, ban or limit holds it, and none of its packets was seen dropped lately.")
UNKNOWN = ("pass", "unknown", NOT_KNOWN)


def drop_unsampled(lab, agent):
    """What a flood beyond the sample leaves: drops that no event tells of, and a record of who was over the limit."""
    poke_u64(agent, LIMIT_BITS, -(1 << 32))
    flood = Stream(lab, [BAD], 400, port=4003)
    try:
        wait_for(lambda: agent.ask("limit", "list")["limits"][0]["dropped"] > 20, 10, "the limit's drops")
    finally:
        flood.stop()


def first_passed(agent, addresses, *words):
    """What is told of each in the very moment in which the kernel lets it pass: they are asked thousands of times, while @words run."""
    told, end = {}, time.monotonic() + 40
    command = subprocess.Popen([str(BUILD / "sekisho"), "-s", str(agent.dir / "run/sekisho.sock"), *words])
    with connect(agent) as sock:
        while len(told) < len(addresses) and time.monotonic() < end:
            for address in set(addresses) - set(told):
                said = ask(sock, verb="explain", address=address)["data"]
                if said["verdict"] != "drop":
                    told[address] = (said["verdict"], said["stopped_by"], said["answer"])
    assert command.wait(40) == 0
    return [told.get(address) for address in addresses]


def with_lists(agent, limit="20/s", **lists):
    """An agent of these lists, each (action, lines); write() and reload again by @change."""
    def config(limit, lists):
        feeds = "".join(f"  - {{name: {name}, path: \"{one.dir}/{name}\", format: plain, action: {action}}}\n" for name, (action, _) in lists.items())
        return f"events: {{sample: 1/m}}\nlimits:\n  - {{name: some, protocol: udp, packets: {limit}, burst: 20}}\n" + ("feeds:\n" + feeds if feeds else "")

    def change(limit=limit, **lists):
        for name, (_, lines) in lists.items():
            (one.dir / name).write_text("".join(line + "\n" for line in lines))
        one.write(config(limit, lists))
        before = one.ask("status")["table"]["generation"] if one.process else 0
        if one.process:
            one.cli("reload")
            one.cli("feed", "update")
            wait_for(lambda: one.ask("status")["table"]["generation"] > before, 10, "the next table")

    one = agent()
    change(limit, **lists)
    return one.start(), change


def test_a_list_that_changes_makes_unknown_what_it_lost(lab, agent):
    """Beyond the sample: not at its first load, nor where it grows; and where prefixes go, only of these."""
    held = ["198.51.100.64/26", "198.51.100.128/26", "2001:db8:5::/48"]
    one, _ = with_lists(agent, bad=("block", held))
    update = lambda lines: ((one.dir / "bad").write_text("".join(line + "\n" for line in lines)), one.cli("feed", "update"))
    reason = lambda address: one.ask("explain", address)["reason"]
    wait_for(lambda: reason("198.51.100.64") == "feed", 10, "the list")
    drop_unsampled(lab, one)
    wait_for(lambda: reason(BAD) == "none", 10, "the end of being over")
    assert words_of(one, GOOD) == INNOCENT and words_of(one, BAD)[1] == "limit"
    update(held + ["198.51.100.192/26"])
    wait_for(lambda: reason("198.51.100.192") == "feed", 10, "the longer list")
    assert words_of(one, GOOD) == INNOCENT
    (one.dir / "bad").write_text("198.51.100.128/26\n198.51.100.192/27\n")
    assert first_passed(one, ["198.51.100.64"], "feed", "update") == [UNKNOWN]
    for address in ("198.51.100.64", "198.51.100.127", "198.51.100.224", "2001:db8:5::1"):
        assert words_of(one, address) == UNKNOWN, address
    for address in (GOOD, "198.51.100.63", "2001:db8:6::1"):
        assert words_of(one, address) == INNOCENT, address
    assert words_of(one, "198.51.100.192")[:2] == ("drop", "list")  # of a prefix that is gone, in a narrower one
    update(held)
    wait_for(lambda: reason("198.51.100.64") == "feed", 10, "the first list")
    assert words_of(one, "198.51.100.127")[:2] == ("drop", "list") and words_of(one, "198.51.100.192") == UNKNOWN


def test_an_entry_that_goes_makes_unknown_what_it_held(lab, agent):
    """Deleted, flushed or ended; from the very moment on at which the kernel lets pass."""
    one, _ = with_lists(agent)
    drop_unsampled(lab, one)
    one.cli("block", "add", OTHER)
    one.cli("allow", "add", LATE)
    one.cli("block", "add", "192.0.2.0/28", "--origin", "mail")
    one.cli("block", "add", "192.0.2.16/28", "--origin", "mail")
    assert words_of(one, GOOD) == INNOCENT
    one.cli("block", "del", OTHER)
    one.cli("block", "flush", "--origin", "mail")
    one.cli("allow", "add", "192.0.2.32/28")
    assert words_of(one, OTHER) == words_of(one, "192.0.2.15") == words_of(one, "192.0.2.16") == UNKNOWN
    assert words_of(one, GOOD) == words_of(one, "198.51.100.9") == words_of(one, "192.0.2.48") == INNOCENT
    begin, ending = time.monotonic(), [f"192.0.2.{64 + i}" for i in range(6)]
    for i, address in enumerate(ending):  # all over a second: rows are deleted at its end
        wait_for(lambda: time.monotonic() > begin + i / 6, 2, "its turn")
        one.cli("block", "add", address, "--for", "2s")
    assert first_passed(one, ending, "status") == [UNKNOWN] * 6
    wait_for(lambda: not one.ask("block", "list")["entries"], 10, "the rows' end")
    assert words_of(one, "192.0.2.64") == UNKNOWN and words_of(one, GOOD) == INNOCENT


def test_what_else_ends_a_lists_drops(lab, agent):
    """One that only watched held nobody; private ranges are left out, the list watches from now on, or goes with the config; a limit that goes may have been anybody's."""
    bad, ugly = ["198.51.100.64/26", "172.20.0.0/16"], ["198.51.100.128/26"]
    one, change = with_lists(agent, bad=("block, private: block", bad), ugly=("block", ugly), seen=("monitor", ["198.51.100.192/26"]))
    wait_for(lambda: one.ask("explain", "172.20.1.1")["reason"] == "feed", 10, "the lists")
    drop_unsampled(lab, one)
    change(bad=("block", bad), ugly=("block", ugly))
    wait_for(lambda: one.ask("explain", "172.20.1.1")["verdict"] == "pass", 10, "the private range's end")
    assert words_of(one, "172.20.1.1") == UNKNOWN and words_of(one, GOOD) == words_of(one, "198.51.100.192") == INNOCENT
    change(bad=("monitor", bad), ugly=("block", ugly))
    wait_for(lambda: one.ask("explain", "198.51.100.64")["verdict"] == "monitor", 10, "the list that watches")
    change(ugly=("block", ugly))
    wait_for(lambda: one.ask("explain", "198.51.100.64")["verdict"] == "pass", 10, "the list that is gone")
    assert words_of(one, "198.51.100.64") == UNKNOWN and words_of(one, GOOD) == INNOCENT
    assert words_of(one, "198.51.100.128")[:2] == ("drop", "list")
    change()
    wait_for(lambda: one.ask("explain", "198.51.100.128")["verdict"] == "pass", 10, "the other's end")
    assert words_of(one, "198.51.100.128") == UNKNOWN and words_of(one, GOOD) == INNOCENT
    change("30/s")
    wait_for(lambda: words_of(one, GOOD) == UNKNOWN, 10, "another limit")


@pytest.mark.parametrize("n", [16383, 16384])
def test_more_lifted_than_is_remembered(lab, agent, n):
    """16384 prefixes, see lib/lifted.h: one less of a table and each is told apart; with the second entry more any source is unknown."""
    many = [f"100.0.{i >> 7}.{(i & 127) * 2}" for i in range(n)]
    one, change = with_lists(agent, many=("block", many))
    wait_for(lambda: one.ask("explain", many[-1])["reason"] == "feed", 10, "the list")
    drop_unsampled(lab, one)
    change()
    wait_for(lambda: one.ask("explain", many[-1])["verdict"] == "pass", 10, "the list's end")
    assert words_of(one, many[0]) == words_of(one, many[-1]) == UNKNOWN
    if n == 16384:
        assert words_of(one, LATE) == words_of(one, "100.0.0.1") == UNKNOWN
        return
    for last, late in (("192.0.2.1", INNOCENT), ("192.0.2.2", UNKNOWN)):
        assert words_of(one, LATE) == words_of(one, "100.0.0.1") == INNOCENT
        one.cli("block", "add", last)
        one.cli("block", "del", last)
        assert words_of(one, LATE) == late and words_of(one, last) == UNKNOWN


def test_what_an_engine_before_knew(lab, agent):
    """Events and lists of the time before it began are not with it."""
    one, _ = with_lists(agent)
    assert words_of(one, GOOD) == INNOCENT
    os.kill(next(int(child[0]) for child in one.children() if "engine" in child[2]), signal.SIGKILL)
    wait_for(lambda: one.cli("status", check=False).returncode == 0 and words_of(one, GOOD) == UNKNOWN, 10, "the next engine")


def test_what_was_dropped_before_a_detach_is_not_denied(lab, agent):
    """The maps are new, the state is not: what those before them dropped is not with it."""
    one = agent("on-exit: detach\n" + LIMITS).start()
    assert words_of(one, OTHER) == INNOCENT  # control: nothing was there before
    assert lab.probe(OTHER, 60) < 60
    one.stop()
    one.start()
    assert words_of(one, OTHER) == UNKNOWN
