# SPDX-License-Identifier: GPL-2.0
"""feed quality with real packets: hits, those of one list alone, entries that hit, churn, what lists share; in the command, in feed
show and in the metrics; and all of it over a restart and a kill."""
import os, re, signal
import pytest
from lab import early_in_a_second, wait_for

ALONE, BOTH, OTHER, WATCHED, GOOD, SIX = "198.51.100.7", "198.51.100.8", "198.51.100.9", "192.0.2.5", "203.0.113.9", "2001:db8:1::5"


def lists(agent, **feeds):
    """A config with a list a word: name=(action, lines)."""
    text = "feeds:\n"
    for name, (action, lines) in feeds.items():
        path = agent.dir / f"{name}.txt"
        path.write_text("".join(line + "\n" for line in lines))
        text += f"  - {{name: {name}, path: \"{path}\", format: plain, action: {action}, interval: 12h, max-change: 0%}}\n"
    agent.write(text)
    return agent


def in_force(agent, n):
    wait_for(lambda: agent.ask("status")["table"]["prefixes_v4"] == n, 20, f"{n} prefixes in force")


def quality(agent, name):
    return next(row for row in agent.ask("feed", "quality")["lists"] if row["name"] == name)


def figures(agent):
    return {row["name"]: (row["hits"], row["unique_hits"], row["hit_entries"]) for row in agent.ask("feed", "quality")["lists"]}


def metric(agent, name, feed):
    return float(re.search(rf'^{name}{{feed="{feed}"}} (\S+)$', agent.get("/metrics"), re.M).group(1))


def test_who_is_credited_alone(lab, agent):
    one = lists(agent(), a=("block", ["198.51.100.0/29", BOTH, "2001:db8:1::/48"]), b=("block", [BOTH, OTHER, "192.0.2.128/25"]),
                m=("monitor", [ALONE, WATCHED, GOOD + "/28"]), n=("monitor", [GOOD]), ok=("allow", [OTHER, "192.0.2.77"]))
    one.write("events: {sample: 10k/s}\n" + one.config.read_text().split("9477\"}\n", 1)[1])  # every packet: nothing is left to chance
    one.start()
    in_force(one, 9)
    assert [lab.probe(source) for source in (ALONE, BOTH, OTHER, WATCHED, GOOD, SIX)] == [0, 0, 20, 20, 20, 0]
    # a: ALONE (m only watches), BOTH and SIX; b: BOTH, which a has too; OTHER is allowed. m: ALONE, WATCHED and GOOD; n: GOOD.
    want = {"a": (60, 40, 3), "b": (20, 0, 1), "m": (60, 20, 3), "n": (20, 0, 1), "ok": (0, 0, 0)}
    wait_for(lambda: figures(one) == want, what=f"{want}; it is {figures(one)}")
    row = quality(one, "a")
    assert (row["unique_share"], row["hits_ever"], row["rejected"], row["changed"]) == (pytest.approx(2 / 3), 60, 0, None)
    assert row["hit_share"] == 1 and quality(one, "m")["hit_share"] == 1 and quality(one, "b")["hit_share"] == pytest.approx(1 / 3)
    assert one.ask("feed", "show", "a")["quality"]["unique_hits"] == 40
    assert (metric(one, "sekisho_feed_unique_packets_total", "a"), metric(one, "sekisho_feed_hit_entries", "a"), metric(one, "sekisho_feed_unique_packets_total", "n")) == (40, 3, 0)
    one.stop(signal.SIGTERM)
    one.start()
    assert figures(one) == want  # from the state
    assert lab.probe(ALONE) == 0
    assert figures(one)["a"] == (80, 60, 3) and figures(one)["m"] == (80, 20, 3)


def test_entries_of_a_monitor_list_are_counted_without_events_too(lab, agent):
    """Its sources pass, so that none has drops; one that is allowed has not hit."""
    watched = [f"198.51.100.{i}" for i in range(20, 28)]
    one = lists(agent(), m=("monitor", [*watched, OTHER, "192.0.2.77"]), ok=("allow", [OTHER]))
    one.write("events: {sample: 1/m}\n" + one.config.read_text().split("9477\"}\n", 1)[1])
    one.start()
    in_force(one, 10)
    assert [lab.probe(source) for source in (*watched, OTHER, GOOD)] == [20] * 10
    wait_for(lambda: figures(one)["m"] == (160, 160, 8), 25, f"eight entries, by the summary of the busiest; it is {figures(one)}")


def test_the_matrix(agent):
    one = lists(agent(), a=("block", ["198.51.100.0/24", "2001:db8::/48"]), b=("monitor", ["198.51.100.128/25", "192.0.2.0/25", "2001:db8::/47"]),
                c=("block", ["203.0.113.0/24", "10.0.0.0/8"]), d=("none", ["198.51.100.0/24"])).start()
    in_force(one, 4)
    pairs = {(row["list"], row["also_in"]): (row["share_v4"], row["share_v6"], row["addresses_v4"], row["networks_v6"]) for row in one.ask("feed", "quality")["overlaps"]}
    assert pairs == {("a", "b"): (0.5, 1, 128, 65536), ("b", "a"): (0.5, 0.5, 128, 65536)}
    of = lambda name: {row["also_in"]: (row["share_v4"], row["share_v6"]) for row in one.ask("feed", "show", name)["overlaps"]}
    assert (of("a"), of("b"), of("c"), of("d")) == ({"b": (0.5, 1)}, {"a": (0.5, 0.5)}, {}, {})  # each list's own row
    assert ["b", "50", "%", "100", "%"] in [line.split() for line in one.cli("feed", "show", "a").stdout.splitlines()] and "ALSO IN" not in one.cli("feed", "show", "c").stdout
    said = dict(re.findall(r'^sekisho_feed_overlap_ratio\{feed="(\w+)",family="ipv4"\} (\S+)$', one.get("/metrics"), re.M))
    assert {name: float(share) for name, share in said.items()} == {"a": 0.5, "b": 0.5, "c": 0, "d": 0}
    assert 'sekisho_feed_overlap_ratio{feed="a",family="ipv6"} 1\n' in one.get("/metrics")
    said = re.findall(r'^sekisho_feed_overlap_pair_ratio\{feed="(\w+)",other="(\w+)",family="(\w+)"\} (\S+)$', one.get("/metrics"), re.M)
    assert sorted(said) == [("a", "b", "ipv4", "0.5"), ("a", "b", "ipv6", "1"), ("b", "a", "ipv4", "0.5"), ("b", "a", "ipv6", "0.5")]
    text = [line.split() for line in one.cli("feed", "quality").stdout.splitlines()]
    assert ["1", "a", "-", "100", "%", "0", "%", "-"] in text and ["2", "b", "50", "%", "-", "0", "%", "-"] in text and ["3", "c", "0", "%", "0", "%", "-", "-"] in text
    assert ["4", "d", "-", "-", "-", "-"] in text


def test_the_matrix_is_bounded(agent):
    """46 lists that all overlap are 2070 pairs: 70 are left out, among them the 45 of small shares."""
    names = [f"l{i}" for i in range(46)]
    one = lists(agent(), **{name: ("block", [BOTH] + [f"203.0.113.{i}" for i in range(30)] * (name == "l0")) for name in names}).start()
    wait_for(lambda: len(one.ask("feed", "quality")["overlaps"]) == 2000, 20, "all of them in force")
    said = re.findall(r'^sekisho_feed_overlap_pair_ratio\{feed="(\w+)",other="(\w+)",family="ipv4"\} (\S+)$', one.get("/metrics"), re.M)
    assert len(set(said)) == len(said) == 2000
    assert {share for _, _, share in said} == {"1"} and not any(feed == "l0" for feed, _, _ in said)


def test_churn_and_age(lab, agent):
    one = lists(agent(), a=("block", [f"192.0.2.{i}" for i in range(100)])).start()
    in_force(one, 100)
    one.cli("feed", "update", "a")
    assert (quality(one, "a")["updates"], quality(one, "a")["changed"]) == (0, None)  # the same again is no change
    (one.dir / "a.txt").write_text("".join(f"192.0.2.{i}\n" for i in range(10, 105)))
    one.cli("feed", "update", "a")
    row = quality(one, "a")
    assert (row["added"], row["removed"], row["updates"], row["entries"]) == (5, 10, 1, 95) and row["changed"] >= row["since"] > 0
    assert row["churn_per_day"] == pytest.approx(15 / 95)
    assert (metric(one, "sekisho_feed_added_entries_total", "a"), metric(one, "sekisho_feed_removed_entries_total", "a")) == (5, 10)
    assert metric(one, "sekisho_feed_changed_timestamp_seconds", "a") == row["changed"]
    one.stop(signal.SIGTERM)
    one.start()
    assert quality(one, "a")["added"] == 5 and one.ask("feed", "quality", "--days", "1")["lists"][0]["removed"] == 10
    assert one.cli("feed", "quality", "--days", "0", check=False).returncode == 2


def test_entries_are_counted_without_events_too(lab, agent):
    """A source that no event tells of: the one sample of its second and CPU went to another."""
    quiet = [f"198.51.100.{i}" for i in range(20, 28)]
    one = lists(agent(), a=("block", [BOTH, *quiet]))
    one.write("events: {sample: 1/s}\n" + one.config.read_text().split("9477\"}\n", 1)[1])
    one.start()
    in_force(one, 9)
    mine, hits = os.sched_getaffinity(0), 0
    os.sched_setaffinity(0, {min(mine)})
    try:
        for source in quiet:
            early_in_a_second(0.1)
            assert lab.probe(BOTH) == 0 and lab.probe(source, 200) == 0
            hits += 220
            if source not in {row["source"] for row in one.ask("events")["events"]}:
                break
        else:
            pytest.fail("every second was over too soon")
    finally:
        os.sched_setaffinity(0, mine)
    assert lab.probe(GOOD) == 20
    wait_for(lambda: figures(one)["a"] == (hits, hits, 1 + hits // 220), 25, "its entry, by the summary of the busiest")


def test_hits_while_no_agent_runs(lab, agent):
    """Of a list that no event tells of: the one sample of its second and CPU went to another list's source."""
    one = lists(agent(), a=("block", [ALONE]), b=("block", [BOTH]))
    one.write("events: {sample: 1/s}\n" + one.config.read_text().split("9477\"}\n", 1)[1])
    one.start()
    in_force(one, 2)
    one.stop(signal.SIGTERM)
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        early_in_a_second(0.1)
        assert lab.probe(BOTH) == 0 and lab.probe(ALONE, 200) == 0
    finally:
        os.sched_setaffinity(0, mine)
    one.start()
    assert {name: row[:2] for name, row in figures(one).items()} == {"a": (200, 200), "b": (20, 20)}
