# SPDX-License-Identifier: GPL-2.0
"""What is said of CrowdSec's decisions: that they are stale, name what they had better not, meet known-good lists; what they
dropped, to people, to Prometheus and to CrowdSec. The kernel's answer to real packets is the judge."""
import json, re, time
import pytest
from lab import EDGE, EDGE6, GATEWAY, early_in_a_second, run, wait_for
from lapi import BAD, BAD2, BAD6, GOOD, KEY, NET, Fake, becomes, config, decision, drops, metric, row, show, start


@pytest.fixture
def fake(lab, tmp_path):
    one = Fake(lab, tmp_path)
    yield one
    one.stop()


def posts(fake):
    return [r for r in fake.requests() if r["method"] == "POST"]


def window_of(post):
    component, = json.loads(post["body"])["remediation_components"]
    window, = component["metrics"]
    return component, window


def dropped(posts):
    """{(origin, family, unit): sum} of all windows."""
    sums = {}
    for _, window in map(window_of, posts):
        for item in window["items"]:
            if item["name"] == "dropped":
                key = (item["labels"]["origin"], item["labels"]["ip_type"], item["unit"])
                sums[key] = sums.get(key, 0) + item["value"]
    return sums


MANUAL = "203.0.113.50"


def test_usage_metrics_are_pushed(lab, agent, fake):
    """What CrowdSec's decisions dropped, by who decided, and no packet of anybody else's entry; to a server that checks each body."""
    fake.say([decision(1, BAD), decision(2, BAD6, origin="CAPI"), decision(3, BAD2, origin="lists", scenario="firehol_x")], post_code=500)
    one = start(agent, ", usage-metrics: 1s")
    becomes(one, BAD, "drop")
    one.cli("block", "add", MANUAL)
    assert drops(lab, BAD, BAD, BAD6, BAD2, MANUAL, GOOD) == [True, True, True, True, True, False]  # while no push is taken: it must be in the first one that is
    wait_for(lambda: show(one)["usage_metrics"]["error"] == "HTTP 500", what="the push that fails")
    failed = len(posts(fake))
    fake.say(fake.mode["new"])
    wait_for(lambda: show(one)["usage_metrics"]["last_push"], what="a push")
    want = {("cscli", "ipv4"): 8, ("CAPI", "ipv6"): 4, ("lists:firehol_x", "ipv4"): 4}
    taken = lambda: posts(fake)[failed:]
    wait_for(lambda: sum(n for (_, _, unit), n in dropped(taken()).items() if unit == "packet") >= 16, what="the numbers")
    assert {(by, family): n for (by, family, unit), n in dropped(taken()).items() if unit == "packet"} == want
    frame = {"ipv4": 14 + 20 + 8 + 7, "ipv6": 14 + 40 + 8 + 7}
    assert {(by, family): n for (by, family, unit), n in dropped(taken()).items() if unit == "byte"} == {key: n * frame[key[1]] for key, n in want.items()}
    assert all((r["path"], r["key"], r["type"], r["faults"]) == ("/v1/usage-metrics", KEY, "application/json", []) for r in posts(fake))
    component, window = window_of(taken()[-1])
    assert (component["type"], component["version"], component["feature_flags"], set(component["os"])) == ("sekisho", "0.1.0", [], {"name", "family", "version"})
    assert 1 <= window["meta"]["window_size_seconds"] < 60 and abs(window["meta"]["utc_now_timestamp"] - time.time()) < 30
    active = {(i["labels"]["origin"], i["labels"]["ip_type"]): i["value"] for i in window["items"] if i["name"] == "active_decisions"}
    assert active == {("cscli", "ipv4"): 1, ("CAPI", "ipv6"): 1, ("lists:firehol_x", "ipv4"): 1}
    assert sum(i["value"] for post in taken() for i in window_of(post)[1]["items"] if i["name"] == "processed") >= 24
    n = len(posts(fake))
    wait_for(lambda: len(posts(fake)) >= n + 2, what="the next windows")
    assert dropped(posts(fake)[-1:]) == {}  # deltas, not totals
    assert drops(lab, BAD) == [True]
    wait_for(lambda: dropped(taken()).get(("cscli", "ipv4", "packet")) == 12, what="what came later")


def test_usage_above_the_sample_is_shared_out(lab, agent, fake):
    """Of 600 packets ten a second are events: the sum is the kernel's own, to the packet, whoever is said to have dropped them."""
    fake.say([decision(1, BAD), decision(2, BAD2, origin="CAPI")])
    one = start(agent, ", usage-metrics: 1s", "events: {sample: 10/s}\n")
    becomes(one, BAD, "drop")
    wait_for(lambda: posts(fake), what="the first push")
    for source in (BAD2, BAD):  # a second each, as its first ten packets are the sample
        early_in_a_second(0.1)
        assert lab.probe(source, n=300) == 0
    assert lab.probe(GOOD, n=100) == 100
    packets = lambda: {by: n for (by, _, unit), n in dropped(posts(fake)).items() if unit == "packet"}
    wait_for(lambda: sum(packets().values()) >= 600, what="the numbers")
    assert sum(packets().values()) == 600 and packets()["cscli"] > 0 and packets()["CAPI"] > 0
    assert sum(n for (_, _, unit), n in dropped(posts(fake)).items() if unit == "byte") > 600 * 42


def test_a_server_without_usage_metrics_is_told_of_once(lab, agent, fake):
    """As Debian's 1.4.6: 404. One line, an hour's rest, and the decisions come all the same."""
    fake.say([decision(1, BAD)], post_code=404)
    one = start(agent, ", usage-metrics: 1s")
    wait_for(lambda: show(one)["usage_metrics"]["error"], what="the word on usage metrics")
    assert "1.6.3" in show(one)["usage_metrics"]["error"]
    fake.asked_again(2)
    one.cli("reload")  # asks once more, and says no more
    wait_for(lambda: len(posts(fake)) == 2, what="the push after a reload")
    fake.asked_again(2)
    assert len(posts(fake)) == 2 and one.said().count("usage metrics were not pushed") == 1
    assert (row(one)["state"], row(one)["error"]) == ("ok", None) and drops(lab, BAD, GOOD) == [True, False]


def quality(agent, name="crowdsec"):
    return next(q for q in agent.ask("feed", "quality")["lists"] if q["name"] == name)


def test_it_is_credited_as_any_other_list(lab, agent, fake):
    """Hits, unique hits, entries hit, churn and the matrix; a list that holds the same address is credited beside it; all of it outlives the agent."""
    both, only_own = "198.51.100.8", "203.0.113.60"
    fake.say([decision(1, BAD), decision(2, both), decision(3, both, origin="CAPI"), decision(4, NET)])
    one = agent()
    (one.dir / "own.txt").write_text(f"{both}\n{only_own}\n192.0.2.0/25\n")
    one.write(config(one) + f'feeds:\n  - {{name: own, path: "{one.dir}/own.txt", format: plain}}\n')
    one.start()
    becomes(one, BAD, "drop")
    wait_for(lambda: one.ask("feed", "quality")["overlaps"], what="the matrix")
    one.cli("block", "add", MANUAL)
    assert drops(lab, BAD, both, both, only_own, MANUAL, GOOD) == [True, True, True, True, True, False]
    mine = wait_for(lambda: quality(one)["hits"] >= 12 and quality(one), what="the hits")
    assert (mine["hits"], mine["unique_hits"], mine["hit_entries"], mine["entries"], mine["action"]) == (12, 4, 2, 4, "block")
    own = quality(one, "own")
    assert (own["hits"], own["unique_hits"]) == (12, 4)  # four alone, eight beside the decisions
    shares = {(o["list"], o["also_in"]): (o["share_v4"], o["addresses_v4"]) for o in one.ask("feed", "quality")["overlaps"]}
    assert shares["crowdsec", "own"] == (pytest.approx(129 / 258), 129) and shares["own", "crowdsec"] == (pytest.approx(129 / 130), 129)
    assert "crowdsec" in one.cli("feed", "quality").stdout and re.search(r"only this list +4", one.cli("feed", "show", "crowdsec").stdout)
    assert [metric(one, f'sekisho_feed_{name}{{feed="crowdsec"}}') for name in ("dropped_packets_total", "unique_packets_total", "hit_entries")] == [12, 4, 2]
    assert metric(one, 'sekisho_feed_dropped_bytes_total{feed="crowdsec"}') == 12 * 49
    fake.say([decision(1, BAD), decision(2, both), decision(5, BAD2)])
    one.cli("feed", "update", "crowdsec")
    assert (quality(one)["added"], quality(one)["removed"], quality(one)["updates"]) == (1, 2, 1)
    one.stop()
    one.start()
    assert (quality(one)["hits"], quality(one)["unique_hits"]) == (12, 4)
    one.cli("mode", "monitor")
    assert drops(lab, BAD) == [False]
    wait_for(lambda: quality(one)["hits"] == 16, what="the would-drops")
    assert metric(one, 'sekisho_feed_would_drop_packets_total{feed="crowdsec"}') == 4


@pytest.mark.parametrize("action", ["none", "allow"])
def test_decisions_that_meet_known_good_ranges_are_told(lab, agent, fake, action):
    """A signal, as for a list: counted, an event, a line; dropped all the same unless the list allows."""
    fake.say([decision(1, BAD), decision(2, "198.51.100.0/28"), decision(3, BAD2)])
    one = agent()
    good = one.dir / "good.txt"
    good.write_text("198.51.100.0/28\n203.0.113.0/24\n")
    one.write(config(one) + f'feeds:\n  - {{name: good, path: "{good}", format: plain, action: {action}, known-good: true}}\n')
    one.start()
    wait_for(lambda: show(one)["names"]["known_good"], what="the look at the lists")
    assert show(one)["names"]["known_good"] == [{"feed": "good", "entries": 2}] and feed_events(one) == ["feed-names"]
    assert "2 of its decisions' prefixes meet the known-good list good; " + {"none": "they are dropped all the same", "allow": "what that allows passes"}[action] in one.said()
    assert re.search(r"good +2\n", one.cli("feed", "show", "crowdsec").stdout)
    assert drops(lab, BAD, BAD2, GOOD) == [action == "none", True, False]
    good.write_text("198.51.100.0/24\n")
    one.cli("feed", "update", "good")
    wait_for(lambda: show(one)["names"]["known_good"] == [{"feed": "good", "entries": 3}], what="another look")
    assert feed_events(one) == ["feed-names", "feed-names"]
    fake.say([decision(1, BAD)], fresh=[decision(4, "198.51.100.200", "2s")])
    wait_for(lambda: show(one)["names"]["known_good"] == [{"feed": "good", "entries": 4}], what="the short one")
    fake.say([decision(1, BAD)])
    wait_for(lambda: show(one)["names"]["known_good"] == [{"feed": "good", "entries": 3}], what="its own end")


def feed_events(agent):
    return [event["type"] for event in agent.ask("events")["events"] if event["type"].startswith("feed-") and event["feed"] == "crowdsec"]


def stale_metric(agent):
    return metric(agent, 'sekisho_feed_stale{feed="crowdsec"}')


def test_staleness_rings_and_is_quiet_again(lab, agent, fake):
    """As a feed's: a warning in `status`, an event, a metric, a line in the log, and in `feed list` and `feed show`; decisions stay."""
    fake.say([decision(1, BAD)])
    one = start(agent, ", stale-after: 60s")
    becomes(one, BAD, "drop")
    assert (row(one)["alarm"], show(one)["stale_after"], stale_metric(one)) == (None, 60, 0)
    one.stop()
    fake.stop()
    run("/usr/bin/python3", "-c", f"import sqlite3; db = sqlite3.connect('{one.dir}/state/state.db'); db.execute(\"UPDATE counters SET value = value - 90 WHERE name = 'crowdsec:last_success'\"); db.commit()")
    one.start()
    wait_for(lambda: row(one)["alarm"], what="the alarm")
    assert re.fullmatch(r"no good answer for 1m \d+s, over stale-after 1m", row(one)["alarm"]) and stale_metric(one) == 1
    assert "crowdsec: stale: no good answer for" in one.said() and feed_events(one) == ["feed-stale"]
    assert [line for line in one.ask("status")["warnings"] if line.startswith("crowdsec: no good answer for")]
    assert "no good answer for" in one.cli("status").stdout and re.search(r"alarm +no good answer for", one.cli("feed", "show", "crowdsec").stdout)
    assert drops(lab, BAD, GOOD) == [True, False]
    fake.start()
    one.cli("feed", "update", "crowdsec")
    wait_for(lambda: "no longer stale" in one.said(), what="the end of the alarm")
    assert (row(one)["alarm"], stale_metric(one), feed_events(one)) == (None, 0, ["feed-stale", "feed-fresh"])
    assert not [line for line in one.ask("status")["warnings"] if "crowdsec" in line]


def test_decisions_that_name_what_is_needed_are_refused_and_told(lab, agent, fake):
    """This host, its gateway, a range that holds both: not put in force, named with who decided it, once; a control is."""
    lab.ip(lab.attacker, "addr", "add", f"{GATEWAY}/32", "dev", "atk0")
    fake.say([decision(1, BAD), decision(2, GATEWAY, origin="CAPI"), decision(3, EDGE), decision(4, "10.99.0.0/16")])
    one = start(agent)
    becomes(one, BAD, "drop")
    assert {(r["decision"], r["prefix"], r["by"]) for r in show(one)["refused"]} == {(2, GATEWAY, "CAPI"), (3, EDGE, "cscli"), (4, "10.99.0.0/16", "cscli")}
    assert next(r["why"] for r in show(one)["refused"] if r["decision"] == 2) == "it holds this host's default gateway"
    assert re.search(rf"^{GATEWAY} +2 +CAPI +it holds this host's default gateway$", one.cli("feed", "show", "crowdsec").stdout, re.M)
    assert show(one)["ignored"]["protected"] == 3 and feed_events(one) == ["feed-names"]
    assert f"crowdsec: decision 2 of CAPI, {GATEWAY}, is not put in force: it holds this host's default gateway" in one.said()
    assert drops(lab, BAD, GATEWAY, GOOD) == [True, False, False]
    one.cli("feed", "update", "crowdsec")  # all of them again: nothing new to say
    assert feed_events(one) == ["feed-names"] and one.said().count("decision 2 of CAPI") == 1 and len(show(one)["refused"]) == 3
    fake.say([decision(1, BAD)], fresh=[decision(9, f"{EDGE6}/120")])
    wait_for(lambda: len(show(one)["refused"]) == 4, what="the new one")
    assert feed_events(one) == ["feed-names", "feed-names"] and show(one)["ignored"]["protected"] == 4
    one.cli("feed", "update", "crowdsec")  # CrowdSec has none of them any more
    assert (show(one)["refused"], show(one)["ignored"]["protected"]) == ([], 0)


FAR = "198.51.100.50"


def test_servers_are_not_cut_off(lab, agent, tmp_path):
    """The local API beyond the interface: a list that names it is held, its own decision about itself is refused, and it goes on answering."""
    lab.ip(lab.attacker, "addr", "add", f"{FAR}/32", "dev", "atk0")
    far = Fake(lab, tmp_path, FAR)
    try:
        far.say([decision(1, BAD)])
        one = agent()
        own = one.dir / "own.txt"
        own.write_text("203.0.113.77\n")
        one.write(config(one).replace("127.0.0.1", FAR) + f'feeds:\n  - {{name: own, path: "{own}", format: plain}}\n')
        one.start()
        becomes(one, BAD, "drop")
        own.write_text("203.0.113.77\n198.51.100.48/28\n")
        out = one.cli("feed", "update", "own", check=False)
        assert out.returncode == 1 and f"198.51.100.48/28 holds the server {FAR} that a feed comes from" in out.stderr
        far.say([decision(1, BAD), decision(2, "198.51.100.48/28"), decision(3, BAD2)])
        one.cli("feed", "update", "crowdsec")
        assert [(r["decision"], r["why"]) for r in show(one)["refused"]] == [(2, f"it holds {FAR}, the server of crowdsec")]
        assert drops(lab, BAD, BAD2, "198.51.100.51", GOOD) == [True, True, False, False]
        far.asked_again(2)
        assert row(one)["error"] is None
        one.cli("feed", "accept", "own")  # a person's word counts, and is told
        assert one.ask("feed", "show", "own")["names"]["servers"] == [{"address": FAR, "feed": "crowdsec"}]
        assert drops(lab, "198.51.100.51") == [True]
    finally:
        far.stop()


def test_a_tried_list_is_laid_beside_the_decisions(lab, agent, fake):
    """feed try: what CrowdSec has in force is a row beside the lists, counts for what is dropped already, and ends with the key."""
    fake.say([decision(1, BAD), decision(2, NET), decision(3, BAD6), decision(4, BAD, origin="CAPI")])
    one = start(agent)
    path = one.dir / "tried.txt"
    path.write_text(f"{BAD}\n192.0.2.128/25\n{GOOD}\n2001:db8::/64\n")
    becomes(one, BAD, "drop")
    lab.probe(BAD, 200), lab.probe(GOOD, 200)
    of = lambda said: [row for row in said["overlaps"] if row["name"] == "crowdsec"]
    tried = lambda *words: one.ask("feed", "try", str(path), "--format", "plain", *words)
    beside, = wait_for(lambda: of(tried()), what="the decisions beside a tried list")
    assert (beside["action"], beside["known_good"], beside["entries_inside"], beside["entries_touched"]) == ("block", False, 2, 3)
    assert beside["share_v4"] == pytest.approx(129 / 130) and beside["of_list_v4"] == pytest.approx(129 / 257)
    assert beside["share_v6"] == pytest.approx(2 ** -64) and beside["of_list_v6"] == 1
    assert {seen["address"]: seen["now"] for seen in tried()["seen"]["rows"]} == {BAD: "dropped", GOOD: "passes"}
    assert re.search(r"^crowdsec +block ", one.cli("feed", "try", path, "--format", "plain").stdout, re.M)
    path.write_text(f"{BAD}\n")
    assert (tried()["advice"], tried()["reasons"][0]) == ("no", "crowdsec, in force, holds 100.0 % of it: next to nothing new")
    fake.say([decision(2, NET)], deleted=[decision(1, BAD), decision(3, BAD6), decision(4, BAD, origin="CAPI")])
    becomes(one, BAD, "pass")
    wait_for(lambda: of(tried())[0]["entries_touched"] == 0, what="the decision's end")
    one.write("")
    one.cli("reload")
    assert not of(tried())
