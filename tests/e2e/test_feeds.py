# SPDX-License-Identifier: GPL-2.0
"""Feeds through the whole agent: a real HTTP server and its bad days, the guards, held updates. The kernel's answer to
real packets is the judge; a control source passes each time."""
import json, os, pathlib, re, shutil, subprocess, time
import pytest
from lab import run, wait_for

BAD, NEW, GOOD = "198.51.100.7", "198.51.100.99", "203.0.113.9"
URL = "http://127.0.0.1:8099/list"
MANY = [f"192.0.2.{i}" for i in range(200)]


class Server:
    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        self.process = None
        self.say("ok", BAD)

    def say(self, mode, *lines):
        (self.folder / "mode").write_text(mode)
        if lines:
            (self.folder / "list").write_text("\n".join(lines) + "\n")

    def start(self, namespace=None, *place):
        script = pathlib.Path(__file__).with_name("feed_server.py")
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace or self.lab.edge}", "/usr/bin/python3", script, self.folder, *(place or ("8099",))],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def requests(self):
        path = self.folder / "requests"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def server(lab, tmp_path):
    one = Server(lab, tmp_path).start()
    yield one
    one.stop()


def url_feed(extra=""):
    return f"feeds:\n  - {{name: web, url: \"{URL}\", format: plain, action: block, interval: 12h{extra}}}\n"


def path_feed(agent, lines, extra="", write=True):
    path = agent.dir / "own.txt"
    path.write_text("\n".join(lines) + "\n")
    if write:
        agent.write(f"feeds:\n  - {{name: own, path: \"{path}\", format: plain, action: block, interval: 12h{extra}}}\n")


def feed(agent, name):
    return next(f for f in agent.ask("feed", "list")["feeds"] if f["name"] == name)


def settled(agent, name):
    """The feed's list has come and its table is in force."""
    wait_for(lambda: feed(agent, name)["state"] == "ok", what=f"the list of {name}")
    wait_for(lambda: agent.ask("status")["table"]["prefixes_v4"] > 0, what="the table")


def metric(agent, name, label):
    found = re.search(rf'^{name}{{{label}}} (\S+)$', agent.get("/metrics"), re.M)
    assert found, f"{name}{{{label}}} is missing"
    return float(found.group(1))


def drops(lab, *sources):
    return [lab.probe(source) == 0 for source in sources]


def test_url_feed_good_days(lab, agent, server):
    one = agent(url_feed()).start()
    settled(one, "web")
    one.cli("feed", "update", "web")
    assert server.requests() == ["ok /list none", "ok /list match"]  # 304: nothing was sent again
    assert drops(lab, BAD, NEW, GOOD) == [True, False, False]
    server.say("gzip", BAD, NEW)
    one.cli("feed", "update", "web")
    assert drops(lab, BAD, NEW, GOOD) == [True, True, False]
    server.say("redirect", NEW)
    one.cli("feed", "update", "web")
    assert server.requests()[-1] == "redirect /moved none"
    assert drops(lab, BAD, NEW, GOOD) == [False, True, False]
    assert metric(one, "sekisho_feed_up", 'feed="web"') == 1
    assert abs(metric(one, "sekisho_feed_last_success_timestamp_seconds", 'feed="web"') - time.time()) < 60
    assert 0 < metric(one, "sekisho_feed_fetch_duration_seconds", 'feed="web"') < 30
    assert metric(one, "sekisho_feed_update_failures_total", 'feed="web"') == 0


def test_changed_options_are_in_force_with_the_reload(lab, agent, server):
    """What the server says has not changed, but it is read otherwise."""
    server.say("ok", f"{BAD},{NEW}")
    one = agent(url_feed().replace("plain", "csv, column: 1")).start()
    settled(one, "web")
    assert drops(lab, BAD, NEW, GOOD) == [True, False, False]
    one.write(url_feed().replace("plain", "csv, column: 2"))
    one.cli("reload")
    wait_for(lambda: drops(lab, BAD, NEW) == [False, True], what="the other column")
    assert server.requests() == ["ok /list none", "ok /list none"]
    assert drops(lab, GOOD) == [False]


def test_a_server_that_wants_to_be_left_alone(lab, agent, server):
    """Retry-After: no command, reload or start asks before its time, and people are told until when."""
    server.say("busy")
    one = agent(url_feed() + "  - {name: other, url: \"http://127.0.0.1:8098/none\", format: plain}\n").start()
    wait_for(lambda: feed(one, "web")["state"] == "failing", what="the refusal")
    server.say("ok", BAD)
    end = feed(one, "web")["not_before"]
    assert server.requests() == ["busy /list none"] and 7000 < end - time.time() <= 7200
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(end))
    for _ in range(3):
        done = one.cli("feed", "update", "web", check=False)
        assert done.returncode == 1 and f"feed web: its server wants no request before {until}, in " in done.stderr and "503" in done.stderr, done.stderr
    done = one.cli("feed", "update", check=False)
    assert done.returncode == 1 and f"web: HTTP 503; its server wants no request before {until} (Retry-After)" in done.stderr
    assert "feed other: " in done.stderr and feed(one, "other")["not_before"] is None  # it was asked again
    tries = metric(one, "sekisho_feed_update_failures_total", 'feed="other"')
    one.write(url_feed() + "  - {name: other, url: \"http://127.0.0.1:8098/none\", format: plain, max-entries: 7}\n")
    one.cli("reload")
    wait_for(lambda: metric(one, "sekisho_feed_update_failures_total", 'feed="other"') > tries, what="the other's request")
    one.stop()
    one.start()
    wait_for(lambda: metric(one, "sekisho_feed_update_failures_total", 'feed="other"') > tries + 1, what="the other's request after the start")
    assert feed(one, "web")["next_try"] >= end and feed(one, "web")["not_before"] == end and server.requests() == ["busy /list none"]
    one.write(url_feed().replace("/list", "/list?moved"))  # another place: its server said nothing
    one.cli("reload")
    wait_for(lambda: feed(one, "web")["state"] == "ok" and drops(lab, BAD, GOOD) == [True, False], what="the list")
    assert server.requests() == ["busy /list none", "ok /list?moved none"] and feed(one, "web")["not_before"] is None


@pytest.fixture
def publishers(lab, tmp_path):
    """Hosts whose publishers say how often one may ask, and one that does not: one server, at an address that a feed may lead to."""
    address, one = "11.22.33.44", Server(lab, tmp_path)
    lab.ip(lab.attacker, "addr", "add", address + "/32", "dev", "atk0")
    lab.ip(lab.edge, "route", "add", address, "dev", lab.iface)
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost\n{address} www.spamhaus.org www.dan.me.uk api.abuseipdb.com lists.example.org\n")
    run("mount", "--bind", tmp_path / "hosts", "/etc/hosts")  # in the test run's own mount namespace
    one.again = lambda: one.start(lab.attacker, "80", address)
    try:
        yield one.again()
    finally:
        one.stop()
        run("umount", "/etc/hosts")


def test_a_failure_at_a_publisher_who_wants_rarer_requests(lab, agent, publishers):
    """After an answer that is no list its terms are kept, by a start too, until a person asks; where no answer came they are not."""
    terms = {"spamhaus": ("www.spamhaus.org", 3600), "dan": ("www.dan.me.uk", 1800), "abuse": ("api.abuseipdb.com", 17280), "other": ("lists.example.org", None)}
    config = "feeds:\n" + "".join(f"  - {{name: {name}, url: \"http://{host}/{name}\", format: plain, interval: 12h}}\n" for name, (host, _) in terms.items())

    def waits(most=66):
        """Seconds to the next try of each are what its terms say, and not over a fifth more; where there are none at most @most."""
        for name, (_, wait_s) in terms.items():
            said = one.ask("feed", "show", name)
            left_s = said["next_try"] - time.time()
            assert (wait_s - 60 <= left_s <= 1.2 * wait_s + 2) if wait_s else left_s <= most, (name, left_s)
            assert bool(said["next_why"]) == bool(wait_s) and said["not_before"] is None, said

    publishers.say("500")
    one = agent(config).start()
    wait_for(lambda: all(feed(one, name)["state"] == "failing" for name in terms), what="the refusals")
    asked = [f"500 /{name} none" for name in sorted(terms)]
    assert sorted(publishers.requests()) == asked
    waits()
    text = re.sub(r"\s+", " ", one.cli("feed", "show", "dan").stdout)
    assert "because its publisher wants 30m between requests, and the last one failed; sekisho feed update dan asks now all the same" in text
    one.stop()
    one.start()  # nobody has a list: all but those are asked at once
    wait_for(lambda: len(publishers.requests()) == 5, what="the other's request")
    assert publishers.requests()[4:] == ["500 /other none"]
    assert "HTTP 500" in one.cli("feed", "update", "dan", check=False).stderr and publishers.requests()[5:] == ["500 /dan none"]
    waits(132)
    publishers.stop()
    for name in terms:
        assert re.search("refused", one.cli("feed", "update", name, check=False).stderr)
    assert [feed(one, name)["next_try"] - time.time() < 600 for name in terms] == [True] * 4
    assert [one.ask("feed", "show", name)["next_why"] for name in terms] == [None] * 4
    publishers.again()
    publishers.say("ok", BAD)
    one.cli("feed", "update")
    assert drops(lab, BAD, GOOD) == [True, False]


@pytest.mark.parametrize("mode, said", [("html", "HTML"), ("500", "500"), ("busy", "503"), ("empty", "empty|no entr|no prefix"),
                                         ("comments", "no entr|no prefix|empty"), ("cut", "."), ("gone", "connect|refused")])
def test_url_feed_bad_days_keep_the_last_good_list(lab, agent, server, mode, said):
    one = agent(url_feed()).start()
    settled(one, "web")
    good = feed(one, "web")
    server.say(mode, NEW)
    if mode == "gone":
        server.stop()
    out = one.cli("feed", "update", "web", check=False)
    assert out.returncode == 1 and re.search(said, out.stderr, re.I), out.stderr
    now = feed(one, "web")
    assert (now["state"], now["entries"], now["last_success"]) == ("retrying", 1, good["last_success"])
    assert re.search(said, now["error"], re.I) and now["alarm"] is None  # one failure is not stale
    wait_s = now["next_try"] - time.time()
    assert (7100 < wait_s < 8700) if mode == "busy" else (40 < wait_s < 70)  # Retry-After; else the first backoff
    assert drops(lab, BAD, NEW, GOOD) == [True, False, False]
    assert metric(one, "sekisho_feed_up", 'feed="web"') == 0
    assert metric(one, "sekisho_feed_update_failures_total", 'feed="web"') == 1
    if mode not in ("gone", "busy"):
        server.say("ok", NEW)
        one.cli("feed", "update", "web")
        assert (feed(one, "web")["state"], metric(one, "sekisho_feed_up", 'feed="web"')) == ("ok", 1)
        assert drops(lab, BAD, NEW) == [False, True]


def test_start_without_network_uses_the_last_good_list(lab, agent, server):
    one = agent("on-exit: detach\n" + url_feed()).start()
    settled(one, "web")
    one.stop()
    server.stop()
    assert drops(lab, BAD) == [False]  # detached: nothing is left in the kernel
    one.start()
    assert drops(lab, BAD, GOOD) == [True, False]  # at `ready`, at once
    assert (feed(one, "web")["entries"], len(server.requests())) == (1, 1)  # and it is not asked again before its time


def test_a_slow_server_stops_nobody(lab, agent, server):
    server.say("hang")
    one = agent(url_feed()).start()
    wait_for(lambda: server.requests(), what="the request")
    begin = time.monotonic()
    one.cli("block", "add", BAD)
    assert feed(one, "web")["state"] == "pending"
    assert time.monotonic() - begin < 10  # the server takes a minute
    assert drops(lab, BAD, GOOD) == [True, False]


def test_held_update_survives_a_restart_and_is_accepted(lab, agent):
    one = agent()
    path_feed(one, MANY + [BAD])
    one.start()
    settled(one, "own")
    path_feed(one, [NEW], write=False)
    out = one.cli("feed", "update", "own", check=False)
    assert out.returncode == 1 and "held" in out.stderr and "feed accept own" in out.stderr
    for _ in range(2):  # before and after a restart
        assert (feed(one, "own")["state"], feed(one, "own")["entries"]) == ("held", 201)
        held = one.ask("feed", "show", "own")["held"]
        assert (held["added"], held["added_first"], held["removed"], len(held["removed_first"])) == (1, [NEW], 201, 10)
        assert "max-change 50 %" in held["why"] and "201 to 1" in held["why"]
        assert "would remove" in one.cli("feed", "show", "own").stdout
        assert metric(one, "sekisho_feed_held", 'feed="own"') == 1 and metric(one, "sekisho_feed_up", 'feed="own"') == 0
        assert drops(lab, BAD, NEW, GOOD) == [True, False, False]
        one.stop()
        one.start()
        wait_for(lambda: feed(one, "own")["next_try"] > time.time() + 60, what="the file read again")
    one.cli("feed", "accept", "own")
    assert drops(lab, BAD, NEW, GOOD) == [False, True, False]  # in force when it returns
    assert (feed(one, "own")["state"], feed(one, "own")["entries"]) == ("ok", 1)
    assert metric(one, "sekisho_feed_held", 'feed="own"') == 0
    out = one.cli("feed", "accept", "own", check=False)
    assert out.returncode == 1 and "nothing is held" in out.stderr
    one.stop()
    one.start()
    assert drops(lab, BAD, NEW) == [False, True]


def test_held_update_goes_when_a_good_one_comes(lab, agent):
    one = agent()
    path_feed(one, MANY + [BAD])
    one.start()
    settled(one, "own")
    path_feed(one, MANY + [f"203.0.113.{i}" for i in range(120)], write=False)  # grows by more than half
    assert one.cli("feed", "update", "own", check=False).returncode == 1
    path_feed(one, MANY + [NEW], write=False)
    one.cli("feed", "update", "own")
    assert feed(one, "own")["state"] == "ok" and one.ask("feed", "show", "own")["held"] is None
    assert drops(lab, BAD, NEW, GOOD) == [False, True, False]
    assert not list((one.dir / "state/lists").glob("*.held"))


@pytest.mark.parametrize("extra, lines, said", [(", max-entries: 100", MANY, "max-entries"), ("", ["64.0.0.0/3"], "max-coverage"), ("", ["2a00::/8"], "max-coverage"),
                                                 (", max-coverage: 100%, max-change: 0%", ["224.0.0.0/3", "10.0.0.0/8"], None)])
def test_guards(lab, agent, extra, lines, said):
    """Over a guard the last good list stays; what is private or reserved takes no part whatever the guards say."""
    one = agent()
    path_feed(one, [BAD], extra)
    one.start()
    settled(one, "own")
    path_feed(one, [NEW] + lines, write=False)
    out = one.cli("feed", "update", "own", check=False)
    assert drops(lab, GOOD, "10.99.0.2") == [False, False]
    if said:
        assert out.returncode == 1 and said in out.stderr
        assert drops(lab, BAD, NEW) == [True, False]
        assert said in feed(one, "own")["error"]
    else:
        assert out.returncode == 0, out.stderr
        assert drops(lab, BAD, NEW) == [False, True]
        assert one.ask("feed", "show", "own")["left_out_v4"] == 2


def test_private_block_enforces_private_ranges(lab, agent):
    one = agent()
    path_feed(one, ["10.99.0.0/24", "10.1.2.3"], ", private: block")
    one.start()
    settled(one, "own")
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 2, what="the table")
    assert drops(lab, "10.99.0.77", "10.1.2.3", GOOD) == [True, True, False]


def test_a_rotten_list_on_disk_is_fetched_again(lab, agent, server):
    one = agent(url_feed()).start()
    settled(one, "web")
    one.stop()
    path = one.dir / "state/lists/web.list"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    server.say("hang")
    one.start()
    assert "web: the stored list is damaged" in one.said()
    assert drops(lab, BAD, GOOD) == [True, False]  # the table of before stays until the server was asked
    one.stop()
    server.say("ok")
    one.start()
    settled(one, "web")
    assert drops(lab, BAD, GOOD) == [True, False]


def test_a_path_is_read_without_roots_rights(lab, agent):
    """Neither a file that is root's alone nor a link to one: `feed show` would tell its lines to who may only look."""
    one = agent()
    secret, link = one.dir / "secret", one.dir / "link"
    secret.write_text(f"root:$6$hash:19000::::::\n{BAD}\n192.0.2.250\n")
    secret.chmod(0o600)
    link.symlink_to(secret)
    one.write("feeds:\n" + "".join(f'  - {{name: {path.name}, path: "{path}", format: plain, interval: 12h}}\n' for path in (secret, link)))
    one.start()
    for name in ("secret", "link"):
        wait_for(lambda: one.ask("feed", "show", name)["error"], what="the refusal of " + name)
        shown = one.ask("feed", "show", name)
        assert shown["error"] == ("the user sekisho-fetch may not read the file: chmod o+r it and o+x its folders, or chgrp them to sekisho-fetch")
        assert "hash" not in json.dumps(shown)
    assert (lab.probe(BAD), "hash" in one.said()) == (20, False)
    shutil.chown(secret, group="sekisho-fetch")
    secret.chmod(0o640)
    for name in ("secret", "link"):
        one.cli("feed", "update", name)
        assert (one.ask("feed", "show", name)["error"], one.ask("feed", "show", name)["errors"][0]["line"]) == (None, 1)
    assert lab.probe(BAD) == 0
