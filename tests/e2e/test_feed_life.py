# SPDX-License-Identifier: GPL-2.0
"""A feed's life and what is left of it: removed, it is out of force when the command returns, whoever hangs up; back under its old
name it begins anew. What is held, and a guard that was raised since."""
import json, os, socket, time
import pytest
from lab import wait_for
from test_feeds import BAD, GOOD, NEW, MANY, URL, Server, drops, feed, metric, server, settled, url_feed  # noqa: F401 - server is a fixture


def files(agent):
    return sorted(os.listdir(agent.dir / "state/lists"))


def quality(agent, name):
    return next(row for row in agent.ask("feed", "quality")["lists"] if row["name"] == name)


def added(agent, server, *extra):
    agent.cli("feed", "add", "web", URL, "--format", "plain", *extra)
    settled(agent, "web")


def with_past(lab, agent, server):
    """A feed with drops, a change, a failure and a held update."""
    one = agent("feeds: []\nevents: {sample: 10k/s}\n").start()
    added(one, server, "max-entries=2")
    assert drops(lab, BAD, GOOD) == [True, False]
    server.say("ok", BAD, NEW)
    one.cli("feed", "update", "web")
    server.say("500")
    one.cli("feed", "update", "web", check=False)
    server.say("ok", BAD, NEW, GOOD)
    assert "held" in one.cli("feed", "update", "web", check=False).stderr
    row = wait_for(lambda: quality(one, "web")["hits"] == 20 and quality(one, "web")["hit_entries"] and quality(one, "web"), what="its record")
    assert (row["updates"], row["failures"], feed(one, "web")["state"]) == (1, 2, "held")
    return one


def test_a_name_that_comes_back_begins_anew(lab, agent, server):
    one = with_past(lab, agent, server)
    one.cli("feed", "remove", "web")
    assert (drops(lab, BAD, NEW), files(one)) == ([False, False], [])  # at once
    server.say("hang")
    one.cli("feed", "add", "web", URL, "--format", "plain")
    shown = one.ask("feed", "show", "web")
    assert (shown["state"], shown["entries"], shown["last_success"], shown["error"], shown["held"]) == ("pending", 0, None, None, None)
    row = quality(one, "web")
    assert (row["hits"], row["hits_ever"], row["hit_entries"], row["updates"], row["failures"], row["changed"]) == (0, 0, 0, 0, 0, None)
    assert time.time() - row["since"] < 60 and metric(one, "sekisho_feed_dropped_packets_total", 'feed="web"') == 0
    assert drops(lab, BAD, NEW, GOOD) == [False, False, False]
    server.say("ok", NEW)
    one.cli("feed", "remove", "web")
    added(one, server)
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="its table")
    assert drops(lab, NEW, BAD) == [True, False]
    wait_for(lambda: (quality(one, "web")["hits"], quality(one, "web")["hit_entries"]) == (20, 1), what="its own record")
    assert metric(one, "sekisho_feed_dropped_packets_total", 'feed="web"') == 20
    assert "<3>" not in one.said() and "cannot be read" not in one.said()


def test_removed_though_the_client_hangs_up(lab, agent, server):
    one = with_past(lab, agent, server)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(one.dir / "run/sekisho.sock"))
        sock.sendall(json.dumps({"verb": "feed.remove", "name": "web"}).encode() + b"\n")
    wait_for(lambda: one.ask("feed", "list")["feeds"] == [] and one.ask("status")["table"]["prefixes_v4"] == 0, what="the end of the feed")
    assert (drops(lab, BAD, NEW), files(one)) == ([False, False], [])
    server.say("hang")
    one.cli("feed", "add", "web", URL, "--format", "plain")
    assert (feed(one, "web")["entries"], quality(one, "web")["hits_ever"]) == (0, 0)


def test_removed_in_the_config_while_it_is_written(lab, agent, server):
    """A large list, taken out of the config at several points of its way: nothing of it is left on disk, nor in force."""
    one = agent("feeds: []\n").start()
    server.say("ok", *(f"100.{i >> 8 & 255}.{i & 255}.{i >> 16}" for i in range(150000)))
    for wait_s in (0.1, 0.3):
        one.write(url_feed())
        one.cli("reload")
        wait_for(lambda: len(server.requests()) > 0, what="the request")
        time.sleep(wait_s)  # any point of its way will do
        one.write("feeds: []\n")
        one.cli("reload")
        (server.folder / "requests").unlink()
        wait_for(lambda: not [child for child in one.children() if "fetch" in child[2]], what="the end of the fetcher")
        wait_for(lambda: files(one) == [] and one.ask("status")["table"]["prefixes_v4"] == 0, what="nothing left of it")
    one.write("feeds: []\n")
    one.stop()
    one.start()
    assert files(one) == []


def test_a_raised_guard_lets_the_held_list_in(lab, agent, server):
    """The server says 304 from then on: the list that is held is judged anew."""
    one = agent(url_feed(", max-entries: 2, max-change: 0%")).start()
    settled(one, "web")
    server.say("ok", BAD, NEW, *MANY[:2])
    assert "held" in one.cli("feed", "update", "web", check=False).stderr
    one.write(url_feed(", max-entries: 3, max-change: 0%"))
    one.cli("reload")
    held = one.ask("feed", "show", "web")["held"]
    assert "max-entries 3" in held["why"], held  # still over it, and said with the guard that is
    assert drops(lab, BAD, NEW) == [True, False]
    one.write(url_feed(", max-entries: 4, max-change: 0%"))
    one.cli("reload")
    wait_for(lambda: (feed(one, "web")["state"], feed(one, "web")["entries"]) == ("ok", 4), what="the list taken")
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 4, what="its table")
    assert drops(lab, BAD, NEW, GOOD) == [True, True, False]
    one.cli("feed", "update", "web")
    assert server.requests()[-1] == "ok /list match" and files(one) == ["web.list", "web.since"]


def test_the_audit_says_what_came_of_an_update(agent, server):
    one = agent("feeds: []\n").start()
    for name in ("web", "web2"):
        one.cli("feed", "add", name, URL, "--format", "plain", "max-entries=2")
        settled(one, name)
    results = lambda: [row["result"] for row in one.ask("audit")["entries"] if row["verb"] == "feed.update"]
    one.cli("feed", "update", "web")
    server.say("ok", BAD, NEW, GOOD)
    said = one.cli("feed", "update", "web", check=False)
    assert (said.returncode, results()[1:]) == (1, ["done"]) and f"sekisho: {results()[0]}\n" == said.stderr and "held: " in results()[0]
    server.say("500")
    one.cli("feed", "update", check=False)
    assert results()[0].startswith("2 feeds with an error, first web: ") and results()[0].endswith("HTTP 500"), results()
    server.say("ok", BAD)
    one.cli("feed", "update", "web2")  # the other's error is not its own
    assert results()[0] == "done"
