# SPDX-License-Identifier: GPL-2.0
"""Limits with real packets: who is over is held at the rate, who is below loses nothing, and everyone tells the same
story. Every drop has a control source or a control before it that passes."""
import os, pty, re, select, signal, subprocess, time
import pytest
from lab import BUILD, PATIENCE, PORT, Stream, run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
BAD6, NEAR6, GOOD6 = "2001:db8:bad::7", "2001:db8:bad::8", "2001:db8:900d::9"


def limits(*rows):
    return "limits:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


SLOW = "name: slow, packets: 1/m, burst: 10"  # ten packets, and no more during a test


@pytest.fixture
def stream(lab):
    streams = []

    def make(*words, **kw):
        streams.append(Stream(lab, *words, **kw))
        return streams[-1]

    yield make
    for one in streams:
        one.close()


def row(one, name):
    return next(limit for limit in one.ask("limit", "list")["limits"] if limit["name"] == name)


def metric(one, pattern):
    return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", one.get("/metrics"), re.M))


@pytest.mark.alone
def test_a_source_over_is_held_to_the_rate_and_one_below_loses_nothing(lab, agent, stream):
    """What passes is rate x time + burst within 1 %, with the time between the first and the last packet that came. The burst lasts
    a second, so that a sender that is held up does not leave any of its rate unused."""
    one = agent(limits("name: l, packets: 1000/s, burst: 1000")).start()
    lab.add_sources([BAD, GOOD])
    flood, calm = stream([BAD], 10000), stream([GOOD], 900, port=PORT + 2)
    wait_for(lambda: row(one, "l")["dropped"] > 27000, what="three seconds over the limit")
    assert row(one, "l")["over_now"] == 1
    counts, overflow = calm.stop()
    sent, received = counts[GOOD]
    assert sent > 2000 and received == sent and not overflow
    counts, overflow = flood.stop()
    sent, received = counts[BAD]
    assert sent > 3 * received and not overflow
    assert flood.span_s[BAD] > 2
    assert received == pytest.approx(1000 * flood.span_s[BAD] + 1000, rel=0.01)


@pytest.mark.alone
def test_bits_are_held(lab, agent, stream):
    one = agent(limits("name: l, bits: 1M/s, burst: 125k")).start()
    flood = stream([BAD], 10000)
    wait_for(lambda: row(one, "l")["dropped"] > 17000, what="some seconds over the limit")
    counts, overflow = flood.stop()
    assert row(one, "l")["dropped_bytes"] > 0 and not overflow
    frame = 14 + 20 + 8 + 16  # bytes: Ethernet, IPv4, UDP, and what stream.c sends
    assert counts[BAD][1] * frame == pytest.approx(1e6 / 8 * flood.span_s[BAD] + 125000, rel=0.01)


def test_a_seventeenth_name_begins_with_nothing_of_the_limit_whose_number_it_gets(lab, agent):
    """Sixteen numbers are all there are: the slots, counts, events and rates of the limit that goes are not the next one's."""
    others = [f"name: l{i}, packets: 10/s, protocol: udp, ports: [{5000 + i}]" for i in range(1, 16)]
    first = lambda name, more="": f"name: {name}, packets: 1/m, burst: 10, ports: [{PORT}-{PORT + 1}]{more}"
    ban = ", ban: {after: 1s, for: 10m}"
    one = agent(limits(first("old"), *others)).start()
    change = lambda *rows: (one.write(limits(*rows)), one.cli("reload"))
    generation = lambda: one.ask("status")["table"]["generation"]
    assert lab.probe(BAD) == 10 and lab.probe(BAD) == 0
    wait_for(lambda: row(one, "old")["over_now"] == 1 and row(one, "old")["dropped"] == 30, what="old's counts")
    number, before = row(one, "old")["number"], generation()
    change(first("old"), *others[:-1])
    wait_for(lambda: generation() > before, what="the next generation")
    assert lab.probe(BAD) == 0  # a limit that stays forgets nobody
    before = generation()
    change(first("new", ban), *others)
    wait_for(lambda: generation() > before, what="new in force")
    assert row(one, "new")["number"] == number and "takes the place of old" in one.said()
    assert (row(one, "new")["dropped"], row(one, "new")["over_now"], row(one, "new")["bans"]) == (0, 0, 0)
    assert {e["limit"] for e in one.ask("explain", BAD)["recent"]} == {""}
    assert lab.probe(BAD) == 10 and row(one, "new")["bans"] == 0
    wait_for(lambda: row(one, "new")["dropped"] == 10, what="new's own counts")
    assert next(s for s in one.ask("limit", "suggest")["suggestions"] if s["name"] == "new")["sources"] == 0  # from the next window on
    one.stop()
    one.start()
    assert (row(one, "new")["number"], row(one, "new")["dropped"]) == (number, 10)
    before = generation()
    change(first("old"), *others)  # back again, as one that nobody knows
    wait_for(lambda: generation() > before, what="old again")
    assert row(one, "old")["dropped"] == 0 and lab.probe(BAD) == 10


def test_a_burst_passes_and_the_rest_does_not(lab, agent):
    one = agent(limits(SLOW)).start()
    assert [lab.probe(BAD), lab.probe(BAD), lab.probe(GOOD, 10)] == [10, 0, 10]
    assert (row(one, "slow")["dropped"], row(one, "slow")["would_drop"]) == (30, 0)


def test_monitor_drops_nothing_and_counts(lab, agent):
    one = agent(limits(SLOW + ", action: monitor")).start()
    assert lab.probe(BAD) == 20
    assert (row(one, "slow")["dropped"], row(one, "slow")["would_drop"]) == (0, 10)
    assert metric(one, 'sekisho_limit_would_drop_packets_total{limit="slow"}') == 10
    assert metric(one, r'sekisho_would_drop_packets_total{.*reason="limit"}') == 10
    assert one.ask("status")["packets"]["dropped"] == 0


def test_monitor_mode_holds_for_limits(lab, agent):
    one = agent("mode: monitor\n" + limits(SLOW)).start()
    assert lab.probe(BAD) == 20
    assert (row(one, "slow")["dropped"], row(one, "slow")["would_drop"]) == (0, 10)


def test_allow_wins(lab, agent):
    one = agent(f"allow: [{GOOD}/32]\n" + limits(SLOW)).start()
    one.cli("allow", "add", BAD)
    assert [lab.probe(BAD), lab.probe(GOOD), lab.probe("192.0.2.7")] == [20, 20, 10]
    one.cli("allow", "del", BAD)
    assert lab.probe(BAD) == 10


def test_a_list_wins_over_a_limit(lab, agent):
    one = agent(limits(SLOW)).start()
    one.cli("block", "add", BAD)
    assert lab.probe(BAD) == 0
    assert row(one, "slow")["dropped"] == 0
    assert one.ask("explain", BAD)["reason"] == "block"


KINDS = [
    (f"protocol: udp, ports: [{PORT}]", 10), (f"ports: [1-{PORT}]", 10), ("protocol: udp", 10), ("protocol: any", 10),
    (f"ports: [{PORT + 1}-65535]", 20), ("protocol: tcp", 20), ("protocol: tcp-syn", 20), ("protocol: icmp", 20),
]
SOURCES = [
    ("", (BAD, "198.51.100.8", GOOD), (10, 10, 10)),
    ("per: /24", (BAD, "198.51.100.8", GOOD), (10, 0, 10)),
    ("", (BAD6, NEAR6, GOOD6), (10, 0, 10)),
    ("per: /128", (BAD6, NEAR6, GOOD6), (10, 10, 10)),
    ("per: /33", (BAD6, "2001:db8:10d::9", GOOD6), (10, 0, 10)),
    ("per: [/24, /33]", (BAD, "198.51.100.8", BAD6, "2001:db8:10d::9"), (10, 0, 10, 0)),
]


def reload_with(one, text):
    generation = one.ask("status")["table"]["generation"]
    one.write(text)
    one.cli("reload")
    wait_for(lambda: one.ask("status")["table"]["generation"] > generation, what="the next table")


@pytest.mark.parametrize("rows", [[(words, (BAD,), (arrive,)) for words, arrive in KINDS], SOURCES], ids=["kinds", "sources"])
def test_which_packets_and_what_is_one_source(lab, agent, rows):
    """One agent for all: a limit of another name is another limit, and nobody is over it."""
    one = agent().start()
    for i, (words, sources, arrive) in enumerate(rows):
        reload_with(one, limits(SLOW.replace("slow", f"slow{i}") + (", " + words if words else "")))
        assert [lab.probe(source) for source in sources] == list(arrive), words


def test_ipv6_source_prefix(lab, agent):
    agent("ipv6-source-prefix: 128\n" + limits(SLOW)).start()
    assert [lab.probe(BAD6), lab.probe(NEAR6)] == [10, 10]


def test_two_limits_and_the_stricter_first(lab, agent):
    one = agent(limits("name: wide, packets: 1/m, burst: 15", SLOW)).start()
    assert lab.probe(BAD) == 10
    assert (row(one, "wide")["dropped"], row(one, "slow")["dropped"]) == (0, 10)


def test_a_reload_keeps_what_limits_hold(lab, agent):
    one = agent(limits(SLOW)).start()
    assert lab.probe(BAD) == 10
    number = row(one, "slow")["number"]
    reload_with(one, limits("name: first, protocol: tcp, packets: 5/s", SLOW, "name: last, protocol: icmp, packets: 5/s"))
    assert lab.probe(BAD) == 0
    assert lab.probe(GOOD) == 10  # the limit is there for newcomers
    assert row(one, "slow")["number"] == number
    assert row(one, "slow")["dropped"] == 40
    reload_with(one, limits(SLOW.replace("slow", "other")))  # another limit: another number, and nobody is over it
    assert lab.probe(BAD) == 10
    assert row(one, "other")["number"] != number


PART, RESTART = "192.0.2.7", "restart"
CHANGES = {  # settings one after the other; what arrives of 20 from a source over the first, from one that had sent four, and from a newcomer
    "a smaller burst": (["1/m, burst: 10", "1/m, burst: 5"], (0, 1, 5)),
    "a higher rate": (["1/m, burst: 10", RESTART, "2/m, burst: 10"], (0, 6, 10)),
    "a larger burst": (["1/m, burst: 10", "1/m, burst: 12"], (2, 8, 12)),
    "a lower rate": (["2/m, burst: 10", "1/m, burst: 10"], (0, 6, 10)),
    "changed twice quickly": (["1/m, burst: 10", "2/m, burst: 10", "1/m, burst: 8"], (0, 4, 8)),
    "changed and back": (["1/m, burst: 10", "2/m, burst: 10", RESTART, "1/m, burst: 10"], (0, 6, 10)),
}


@pytest.mark.parametrize("settings, arrive", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_limit_goes_on_holding(lab, agent, settings, arrive):
    """What a source has used of its burst it has used still: by other settings, at the next start with others, and whether
    or not it sends anything in between."""
    one = agent(limits(f"name: slow, packets: {settings[0]}")).start()
    assert [lab.probe(BAD), lab.probe(PART, 4)] == [10, 4]
    for text, then in zip(settings[1:], settings[2:] + [""]):
        if text == RESTART:
            one.stop()
            one.write(limits(f"name: slow, packets: {then}"))
            one.start()
        else:
            reload_with(one, limits(f"name: slow, packets: {text}"))
    assert one.ask("explain", BAD)["limits"][0]["used"] > 0.8  # as its next packet finds it
    assert [lab.probe(BAD), lab.probe(PART), lab.probe(GOOD)] == list(arrive)


def test_a_removed_limit_holds_nobody(lab, agent):
    one = agent(limits(SLOW)).start()
    assert [lab.probe(BAD), lab.probe(BAD)] == [10, 0]
    reload_with(one, "")
    assert lab.probe(BAD) == 20
    assert "no limits" in one.cli("limit", "list").stdout


def test_all_tell_the_same_story(lab, agent):
    one = agent(limits(SLOW, "name: roomy, packets: 1M/s")).start()
    assert [lab.probe(BAD), lab.probe(GOOD, 5)] == [10, 5]
    assert metric(one, 'sekisho_limit_dropped_packets_total{limit="slow"}') == 10
    assert metric(one, 'sekisho_limit_dropped_packets_total{limit="roomy"}') == 0
    assert metric(one, r'sekisho_packets_total{.*verdict="drop",reason="limit"}') == 10
    status = one.ask("status")
    assert status["packets"]["by_reason"]["limit"]["dropped"] == 10
    assert [(limit["name"], limit["dropped"]) for limit in status["limits"]] == [("slow", 10), ("roomy", 0)]
    bad, good = one.ask("explain", BAD), one.ask("explain", GOOD)
    assert (bad["verdict"], bad["reason"], bad["differs"]) == ("drop", "limit", None)
    assert (good["verdict"], good["reason"]) == ("pass", "none")
    state = {limit["name"]: limit for limit in bad["limits"]}
    assert state["slow"]["over"] and state["slow"]["used"] > 0.95 and state["slow"]["over_s"] == round(state["slow"]["over_s"], 3)
    assert not state["roomy"]["over"] and state["roomy"]["used"] < 0.1
    state = {limit["name"]: limit for limit in good["limits"]}
    assert not state["slow"]["over"] and 0.3 < state["slow"]["used"] < 0.7
    said = one.cli("explain", BAD).stdout
    assert re.search(r"^reason +limit$", said, re.M) and re.search(r"^slow .* yes ", said, re.M), said
    assert one.ask("explain", BAD)["limits"] and row(one, "slow")["dropped"] == 10  # asking charges nobody


def test_limits_go_on_without_the_agent(lab, agent):
    one = agent(limits(SLOW)).start()
    assert lab.probe(BAD) == 10
    engine = int(one.children()[0][0])
    one.stop(signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{engine}"), what="the engine's end")
    assert [lab.probe(BAD), lab.probe(GOOD)] == [0, 10]
    one.start()
    assert [lab.probe(BAD), lab.probe(GOOD)] == [0, 0]
    assert row(one, "slow")["dropped"] == 10 + 20 + 10 + 20 + 20
    one.stop()
    one.start()  # counts go on over restarts
    assert row(one, "slow")["dropped"] == 80


def limiter_pins(one):
    return {path.name for path in one.layout().iterdir()} & {"limit_lines", "bans", "evidence"}


def test_the_limiters_maps_come_with_the_first_limit(lab, agent):
    """Without limits their 13 MiB are not taken; a reload brings them, the next start without limits and bans lets go of them."""
    one = agent().start()
    assert not limiter_pins(one) and lab.probe(BAD) == 20  # nothing is held yet
    listed = one.ask("limit", "list")
    assert listed["limits"] == [] and listed["memory"] == 0
    reload_with(one, limits(SLOW))
    assert limiter_pins(one) == {"limit_lines", "bans", "evidence"}
    assert [lab.probe(BAD), lab.probe(BAD)] == [10, 0]
    listed = one.ask("limit", "list")
    assert listed["limits"][0]["over_now"] == 1 and listed["memory"] == 4 << 20
    one.stop(signal.SIGKILL)
    one.start()  # adopted: the source is still held
    assert lab.probe(BAD) == 0
    reload_with(one, "")
    assert lab.probe(BAD) == 20
    one.stop()
    one.start()
    assert not limiter_pins(one) and lab.probe(BAD) == 20


def test_another_size_of_the_limiter_begins_anew(lab, agent):
    one = agent(limits(SLOW)).start()
    assert [lab.probe(BAD), lab.probe(BAD)] == [10, 0]
    assert one.ask("limit", "list")["memory"] == 4 << 20
    one.stop()
    one.write("limiter-memory: 2M\n" + limits(SLOW))
    one.start()
    assert one.ask("limit", "list")["memory"] == 2 << 20
    assert [lab.probe(BAD), lab.probe(BAD)] == [10, 0]
    one.stop()
    one.start()  # the same size: it is kept
    assert lab.probe(BAD) == 0


def test_suggest_and_try(lab, agent, stream):
    one = agent(limits("name: l, protocol: udp, packets: 10k/s, action: monitor")).start()
    flow = stream([BAD, GOOD, "192.0.2.7"], 200)
    hits = lambda rate: one.ask("limit", "try", "all", "--packets", rate)["would_hit"]
    wait_for(lambda: hits("100/s") >= 3, 15, "three sources over 100/s")
    assert hits("2k/s") == 0  # a sender that was held up catches up
    answer = one.ask("limit", "try", "l", "--packets", "100/s")
    assert (answer["would_hit"], answer["sources"], answer["unit"]) == (3, 3, "packets")
    assert one.ask("limit", "try", "l", "--bits", "1k/s")["would_hit"] == 3
    flow.stop()
    rows = {(r["name"], r["unit"]): r for r in one.ask("limit", "suggest")["suggestions"]}
    assert rows["l", "packets"]["sources"] == 3 and rows["l", "packets"]["now_hits"] == 0
    assert "suggested" in rows["all", "bits"]
    assert one.cli("limit", "try", "none", "--packets", "1/s", check=False).returncode == 1
    assert one.cli("limit", "try", "l", check=False).returncode == 2


def live_top(one, screens=3):
    """What `sekisho top` draws on a terminal, one text a screen; Enter ends it, with exit status 0."""
    ours, its = pty.openpty()
    words = [one.words()[0].parent / "sekisho", "-s", one.dir / "run/sekisho.sock", "top"]
    process = subprocess.Popen([str(w) for w in words], stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm"})
    os.close(its)
    text, end = "", time.monotonic() + 20 * PATIENCE
    while text.count("Enter ends it.") < screens:
        assert time.monotonic() < end and process.poll() is None, text
        if select.select([ours], [], [], 0.2)[0]:
            text += os.read(ours, 65536).decode()
    os.write(ours, b"\n")
    assert process.wait(10 * PATIENCE) == 0
    os.close(ours)
    return text.split("Enter ends it.")[:screens]


@pytest.mark.alone
def test_top(lab, agent, stream):
    one = agent(limits("name: l, packets: 1k/s, burst: 100")).start()
    flow, flood = stream([GOOD], 500), stream([BAD], 4000, port=PORT + 2)
    busiest = lambda by: one.ask("top", "--by", by)["sources"]

    def settled():
        """The rows by packets, once both rates are what they are over seconds."""
        rows = {r["address"]: r for r in busiest("packets")}
        rates = tuple(rows[BAD][key] for key in ("packets_per_s", "drops_per_s")) if list(rows)[:1] == [BAD] and GOOD in rows else (0, 0)
        return rates == (pytest.approx(4000, rel=0.3), pytest.approx(3000, rel=0.3)) and rows

    rows = wait_for(settled, 20, "the rates")
    assert rows[GOOD]["drops"] == 0
    assert [r["address"] for r in busiest("drops")][:1] == [BAD]
    assert BAD in one.cli("top", "--limit", "1").stdout and GOOD not in one.cli("top", "--limit", "1").stdout
    shown = live_top(one)
    assert all(BAD in screen and GOOD in screen for screen in shown), shown
    flow.stop()
    flood.stop()


MANY = limits(*[f"name: l{i}, packets: 100k/s" for i in range(5)])
SMALL = "limiter-memory: 2M\n" + limits("name: a, packets: 30/m, burst: 5")


@pytest.mark.parametrize("text, words, at", [(MANY, "limits: 5 limits can match one packet: each above the first costs it 20 ns, above the fourth 40, about 100 ns together", 4),
                                             (SMALL, 'limit "a": the limiter\'s table of 2 MiB holds 52429 new sources a second at this rate', 5)], ids=["many", "small"])
def test_a_config_that_costs_warns_everywhere_and_is_taken(lab, agent, text, words, at):
    """check-config, -t, the start, a reload and status say it; without cause nobody does."""
    one = agent(text)
    done = run(*one.words(), "-t", check=False)
    line = f":{at}:5: warning: {words}" if at == 5 else f":{at}:3: warning: {words}"
    assert done.returncode == 0 and line in done.stderr, done.stderr
    assert line in run(BUILD / "sekisho", "check-config", one.config).stdout
    one.start()
    assert one.said().count(line) == 1
    told = lambda: [w for w in one.ask("status")["warnings"] if words in w]
    assert len(told()) == 1 and told()[0].startswith(f"{one.config}:{at}: ")
    assert re.search(r"^warning: .*" + re.escape(words[:60]), one.cli("status").stdout, re.M)
    assert lab.probe(GOOD, 4) == 4  # it is in force all the same
    reload_with(one, limits("name: a, packets: 100k/s"))
    assert told() == [] and one.said().count("warning") == 1
    reload_with(one, text)
    assert len(told()) == 1 and one.said().count(line) == 2
