# SPDX-License-Identifier: GPL-2.0
"""CrowdSec's decisions from its own command line to packets dropped and back, with restarts of either side in between; and a
local API that lies, hangs or forgets. The kernel's answer to real packets is the judge; a control source passes each time."""
import json, os, pathlib, re, signal, time
import pytest
from lab import PATIENCE, run, wait_for
from lapi import BAD, BAD2, BAD6, GOOD, KEY, NET, CrowdSec, Fake, becomes, config, decision, drops, explained, metric, row, show, start


@pytest.fixture
def real(lab, tmp_path):
    one = CrowdSec(lab, tmp_path)
    yield one
    one.stop()


@pytest.fixture
def fake(lab, tmp_path):
    one = Fake(lab, tmp_path)
    yield one
    one.stop()


def test_story_with_the_real_crowdsec(lab, agent, real):
    """Added, dropped, explained, deleted, passed; ranges, IPv6, two decisions for one address, captcha and a country."""
    real.cscli("decisions", "add", "--ip", BAD, "--duration", "4h", "--reason", "manual one")
    one = start(agent)
    becomes(one, BAD, "drop")
    match = explained(one, BAD)["matches"][0]
    assert (match["source"], match["by"], match["reason"]) == ("crowdsec", "cscli", "decision 1: manual one")
    assert 4 * 3600 - 60 < match["expires"] - time.time() <= 4 * 3600 + 2
    assert drops(lab, BAD, BAD2, GOOD) == [True, False, False]
    for words in (["--ip", BAD, "--duration", "1h"], ["--range", NET], ["--ip", BAD6], ["--ip", "::ffff:198.51.100.55"], ["--ip", BAD2, "--type", "captcha"],
                  ["--scope", "Country", "--value", "CN"]):
        real.cscli("decisions", "add", *words)
    wait_for(lambda: row(one)["entries"] == 5, what="the decisions")
    assert drops(lab, BAD, "192.0.2.77", BAD6, "198.51.100.55", BAD2, GOOD) == [True, True, True, True, False, False]
    said = show(one)
    assert (said["state"], said["entries_v4"], said["entries_v6"], said["error"]) == ("ok", 4, 1, None)
    assert (said["ignored"]["type"], said["ignored"]["scope"]) == (1, 1)
    assert {(r["origin"], r["family"], r["decisions"]) for r in said["decisions"]} == {("cscli", "ipv4", 4), ("cscli", "ipv6", 1)}
    assert re.search(r"^cscli +ipv4 +4$", one.cli("feed", "show", "crowdsec").stdout, re.M) and "1 by type" in one.cli("feed", "show", "crowdsec").stdout
    assert explained(one, BAD)["advice"].startswith(f"cscli decisions delete --ip {BAD}")
    assert "manual one" in one.cli("explain", BAD).stdout and "crowdsec" in one.cli("status").stdout
    real.cscli("decisions", "delete", "--id", "1")  # the longer of two: the other one keeps the ban
    wait_for(lambda: row(one)["entries"] == 4, what="one decision less")
    assert drops(lab, BAD, GOOD) == [True, False]
    assert explained(one, BAD)["matches"][0]["expires"] - time.time() <= 3602
    real.cscli("decisions", "delete", "--ip", BAD)
    becomes(one, BAD, "pass")
    real.cscli("decisions", "delete", "--range", NET)
    becomes(one, "192.0.2.77", "pass")
    assert drops(lab, BAD, "192.0.2.77", BAD6, GOOD) == [False, False, True, False]
    bouncers = json.loads(real.cscli("bouncers", "list", "-o", "json"))
    assert [(b["name"], b["type"], b["version"]) for b in bouncers] == [("edge", "sekisho", "0.1.0")] and bouncers[0]["last_pull"]
    assert "/v1/decisions/stream" in real.cscli("metrics")
    wait_for(lambda: show(one)["usage_metrics"]["error"], what="the word on usage metrics")
    assert "1.6.3" in show(one)["usage_metrics"]["error"]  # Debian's version knows none
    assert KEY not in one.said() and KEY not in json.dumps(show(one)) + one.get("/metrics")


def test_restarts_of_either_side(lab, agent, real, tmp_path):
    """What either side missed is found by comparing; what is in force stays meanwhile."""
    rows = tmp_path / "import.csv"
    rows.write_text("duration,scope,value,reason\n" + "".join(f"24h,Ip,198.18.{i >> 8}.{i & 255},imported\n" for i in range(600)) + f"24h,Ip,{BAD},imported\n")
    real.cscli("decisions", "import", "-i", rows)
    one = start(agent)
    wait_for(lambda: row(one)["entries"] == 601, what="the import")
    assert drops(lab, BAD, GOOD) == [True, False]
    real.stop(hard=True)
    wait_for(lambda: row(one)["state"] == "retrying", what="the failure")
    assert drops(lab, BAD, GOOD) == [True, False]
    said = show(one)
    assert said["failing_since"] and "connect" in said["error"].lower() and said["entries"] == 601
    assert metric(one, "sekisho_crowdsec_up") == 0 and metric(one, 'sekisho_crowdsec_decisions{origin="cscli-import",family="ipv4"}') == 601
    one.stop()
    assert drops(lab, BAD, GOOD) == [True, False]
    one.start()
    assert drops(lab, BAD, GOOD) == [True, False] and row(one)["entries"] == 601  # nobody to ask
    real.start()
    real.cscli("decisions", "delete", "--ip", BAD)
    real.cscli("decisions", "add", "--ip", BAD2)
    becomes(one, BAD, "pass")
    becomes(one, BAD2, "drop")
    assert (row(one)["state"], row(one)["entries"]) == ("ok", 601)
    one.stop()
    real.cscli("decisions", "delete", "--ip", BAD2)
    real.cscli("decisions", "add", "--ip", BAD)
    assert drops(lab, BAD, BAD2) == [False, True]
    one.start()
    becomes(one, BAD2, "pass")
    becomes(one, BAD, "drop")
    assert drops(lab, BAD, BAD2, GOOD) == [True, False, False]
    one.write("")
    one.cli("reload")
    becomes(one, BAD, "pass")  # no longer in the config: what it decided is lifted
    assert one.ask("status")["entries"]["used"] == 0


def engine_of(agent):
    return next((int(pid) for pid, name, _ in agent.children() if name == "sekisho-engine"), 0)


def test_kills_of_everyone_in_the_middle(lab, agent, real):
    """SIGKILL of engine, agent and crowdsec around each step; a ban that ends while nobody can be asked; then all is as CrowdSec says."""
    real.cscli("decisions", "add", "--ip", BAD, "--duration", "24h")
    one = start(agent)
    becomes(one, BAD, "drop")
    old = engine_of(one)
    os.kill(old, signal.SIGKILL)
    real.cscli("decisions", "add", "--ip", BAD2, "--duration", "24h")
    real.cscli("decisions", "add", "--ip", BAD2, "--duration", "12h")
    assert drops(lab, BAD, GOOD) == [True, False]  # whoever is there to ask
    wait_for(lambda: engine_of(one) not in (0, old), what="another engine")
    becomes(one, BAD2, "drop")
    wait_for(lambda: row(one)["entries"] == 3, what="all decisions")
    real.cscli("decisions", "add", "--ip", BAD6, "--duration", "12s")
    becomes(one, BAD6, "drop")
    real.stop(hard=True)
    one.stop(signal.SIGKILL)
    assert drops(lab, BAD, BAD2, BAD6, GOOD) == [True, True, True, False]
    wait_for(lambda: drops(lab, BAD6) == [False], 12, "the ban's end, with nobody alive")  # longer than its life
    assert drops(lab, BAD, BAD2) == [True, True]
    real.start()
    assert real.cscli("decisions", "list", "-o", "raw").count(BAD2) >= 1
    listed = json.loads(real.cscli("decisions", "list", "--ip", BAD2, "-o", "json"))
    numbers = sorted(d["id"] for alert in listed for d in alert["decisions"])
    real.cscli("decisions", "delete", "--id", str(numbers[-1]))
    real.cscli("decisions", "delete", "--ip", BAD)
    one.start()
    becomes(one, BAD, "pass")  # it was deleted while the agent was dead
    wait_for(lambda: row(one)["entries"] == 1, what="the reconciliation")
    assert drops(lab, BAD, BAD2, BAD6, GOOD) == [False, True, False, False]  # of two decisions one is left
    os.kill(engine_of(one), signal.SIGKILL)
    real.cscli("decisions", "delete", "--ip", BAD2)
    becomes(one, BAD2, "pass")
    assert drops(lab, BAD2, GOOD) == [False, False]


def test_expiry_allow_and_rails(lab, agent, fake):
    """Each ends by itself in the kernel, with nobody to ask; an allow wins; the host's own addresses are refused and counted."""
    fake.say([decision(1, BAD, "10s"), decision(2, BAD2), decision(3, "203.0.113.0/24"), decision(4, "10.99.0.1"), decision(5, "10.99.0.254"), decision(6, "127.0.0.1"),
              decision(7, "0.0.0.0/0"), decision(8, "128.0.0.0/2"), decision(9, "10.0.0.0/8"), decision(10, "fd99::1"), decision(11, "0.0.0.0/1")])
    one = start(agent, ", max-coverage: 100%", f"allow: [{GOOD}]\n")
    becomes(one, BAD, "drop")
    begin = time.monotonic()
    fake.stop()
    assert drops(lab, BAD, BAD2, "203.0.113.10", GOOD, "10.99.0.2") == [True, True, True, False, False]
    assert (row(one)["entries"], show(one)["ignored"]["protected"], show(one)["ignored"]["value"]) == (3, 7, 1)
    assert metric(one, 'sekisho_crowdsec_ignored_decisions{why="protected"}') == 7
    becomes(one, BAD, "pass")
    assert time.monotonic() - begin < 10 + 2 * PATIENCE
    assert drops(lab, BAD, BAD2) == [False, True]
    wait_for(lambda: row(one)["entries"] == 2, what="the row's end")


BAD_ANSWERS = [
    ({"mode": "status", "code": 504, "raw": "<html>504 Gateway Time-out</html>"}, "HTTP 504"), ({"mode": "status", "code": 403, "raw": '{"message":"access forbidden"}'}, "key is not known"),
    ({"mode": "status", "code": 500}, "HTTP 500"), ({"mode": "status", "code": 204}, "HTTP 204"), ({"mode": "status", "code": 201, "raw": '{"new":[]}'}, "HTTP 201"),
    ({"mode": "redirect"}, "redirect refused"), ({"mode": "redirect-away"}, "redirect refused"), ({"mode": "cut"}, "cut short"),
    ({"mode": "raw", "raw": "<html>Please log in</html>"}, "not valid JSON"), ({"mode": "raw", "raw": ""}, "JSON"), ({"mode": "raw", "raw": "null"}, "no stream"),
    ({"mode": "raw", "raw": '{"status":"ok"}'}, "no stream"), ({"mode": "raw", "raw": '{"new":["'}, "not valid JSON"), ({"mode": "raw", "raw": '{"new":7}'}, "are lists"),
    ({"mode": "raw", "raw": "[" * 100}, "nested"), ({"mode": "raw", "raw": '{"new":[{"id":1e999999,"value":"\\ud800"}],'}, "not valid JSON"),
    ({"mode": "many", "n": 30}, "more than max-decisions 20"), ({"mode": "many", "n": 10000000}, "more than max-decisions 20"), ({"mode": "endless"}, "more than \\d+ bytes"),
    ({"mode": "ok", "new": [decision(i, f"{i}.0.0.0/8") for i in range(20, 30)]}, "more of the routable space"), ({"mode": "raw", "raw": '{"new":[' + '{"id":1,"value":"' + "9" * 30000000}, "more than \\d+ bytes|not valid JSON"),
    ({"mode": "raw", "raw": '{"new":[]}{"new":[]}'}, "not valid JSON"), ({"mode": "raw", "raw": '{"new":[{"id":1,"value":"\x00"}]}'}, "not valid JSON"),
    ({"mode": "bytes", "raw": "fffe7b00"}, "not valid JSON"), ({"mode": "bytes", "raw": "1f8b0800", "encoding": "gzip"}, "encoded in a way"),
    ({"mode": "headers"}, "header"), ({"mode": "gone"}, "connect")]


def test_bad_answers_change_nothing(lab, agent, fake):
    good = [decision(i, f"192.0.2.{i}") for i in range(1, 11)]
    fake.say(good + [decision(11, BAD)])
    one = start(agent, ", max-decisions: 20")
    becomes(one, BAD, "drop")
    for verb, said in (("accept", "nothing is held"), ("remove", "part of the config")):  # `feed list` names it: it is told what it is
        out = one.cli("feed", verb, "crowdsec", check=False)
        assert out.returncode == 1 and said in out.stderr
    for mode, said in BAD_ANSWERS:
        fake.stop() if mode["mode"] == "gone" else fake.say(**{"new": [], **mode})
        failures = show(one)["failures_total"]
        out = one.cli("feed", "update", "crowdsec", check=False)
        assert out.returncode == 1 and re.search(said, out.stderr, re.I), (mode, out.stderr)
        assert (row(one)["state"], row(one)["entries"]) == ("retrying", 11), mode
        assert [explained(one, address)["verdict"] for address in (BAD, GOOD)] == ["drop", "pass"], mode
        assert show(one)["failures_total"] > failures
    assert drops(lab, BAD, GOOD) == [True, False]
    assert metric(one, "sekisho_crowdsec_up") == 0 and metric(one, "sekisho_crowdsec_failures_total") >= len(BAD_ANSWERS)
    assert not [r for r in fake.requests() if r["path"].startswith("/moved")]
    fake.start()
    fake.say([decision(12, BAD2)] + good)
    one.cli("feed", "update", "crowdsec")
    assert drops(lab, BAD, BAD2, GOOD) == [False, True, False]
    assert row(one)["error"] is None and "startup=true" in fake.pulls()[-1]["path"] and metric(one, "sekisho_crowdsec_up") == 1
    assert KEY not in one.said()


def test_odd_decisions_are_counted_and_the_others_taken(lab, agent, fake):
    odd = [decision(i, BAD2, d) for i, d in ((2, "-1h"), (3, "1e9h"), (4, "NaN"), (5, "1000000000h"), (6, ""), (7, "0s"))]
    odd += [decision(8, BAD2, type="captcha"), decision(9, BAD2, scope="AS"), decision(10, "not an address"), decision(0, BAD2), decision(-4, BAD2), {"id": 11}, {}, 7, None, ["x"],
            decision("12", BAD2), decision(13, BAD2, type=None), decision(14, ["198.51.100.99"])]
    odd += [decision(30 + i, "CN", scope=scope) for i, scope in enumerate(("Country", "Username", "session", "x" * 5000, "", 7))] + [decision(1, BAD2), decision(1, "203.0.113.200")]
    ages = decision(20, "203.0.113.100", "2562047h47m16s")  # the longest that Go can say: 292 years
    fake.say([decision(1, BAD, scenario="\x1b[31m" + "long" * 100, origin="o\n" * 50), ages] + odd)
    one = start(agent)
    becomes(one, BAD, "drop")
    assert drops(lab, "203.0.113.100", BAD2, GOOD) == [True, False, False]
    said = show(one)
    assert said["entries"] == 2 and said["state"] == "ok"
    assert said["ignored"] == {"type": 2, "scope": 9, "value": 2, "duration": 4, "ended": 2, "id": 5, "protected": 0}
    assert re.search(r"^not enforced +9 by scope$", one.cli("feed", "show", "crowdsec").stdout, re.M)
    assert explained(one, "203.0.113.100")["matches"][0]["expires"] - time.time() > 291 * 365 * 86400
    assert "\x1b" not in one.cli("explain", BAD).stdout + one.get("/metrics")


def test_deltas_gaps_and_numbers_given_away_anew(lab, agent, fake):
    """Deltas go by number: repeated deletes, a delete of another's number, one in both parts; no gap when a ban is renewed."""
    many = [decision(i, f"192.0.2.{i}") for i in range(100, 130)]
    fake.say(many + [decision(1, BAD), decision(2, BAD)])
    one = start(agent)
    wait_for(lambda: row(one)["entries"] == 32, what="all")
    assert fake.pulls("true") and all(r["key"] == KEY and r["agent"] == "sekisho/0.1.0" and "dedup=false" in r["path"] for r in fake.pulls())
    fake.say(many + [decision(2, BAD)], deleted=[decision(1, BAD, "-5s")])
    wait_for(lambda: row(one)["entries"] == 31, what="one less")
    assert drops(lab, BAD, GOOD) == [True, False]
    # The same delete again, one of another's number 2, one of what was never taken: nothing goes, and what is new came.
    fake.say(many, deleted=[decision(1, BAD, "-6s"), decision(2, BAD2, "-5s"), decision(100, "192.0.2.100", "-1s", type="captcha")], fresh=[decision(4, "192.0.2.200")])
    wait_for(lambda: row(one)["entries"] == 32, what="one more")
    assert drops(lab, BAD, "192.0.2.100", GOOD) == [True, True, False]
    fake.say(many, deleted=[decision(2, BAD, "-5s"), decision(3, BAD, "-5s")], fresh=[decision(3, BAD)])
    wait_for(lambda: explained(one, BAD)["matches"][0]["reason"].startswith("decision 3:"), what="the ban renewed")
    assert drops(lab, BAD, GOOD) == [True, False] and len(explained(one, BAD)["matches"]) == 1
    fake.say(many, fresh=[decision(20, "20.0.0.0/8"), decision(21, "21.0.0.0/8")])
    wait_for(lambda: row(one)["entries"] == 34, what="two large networks")
    fake.say(many, fresh=[decision(i, f"{i}.0.0.0/8") for i in (22, 23, 24, 25)])  # each answer is small enough, all are not
    wait_for(lambda: row(one)["error"], what="the refusal")
    assert "max-coverage" in row(one)["error"] and explained(one, "22.0.0.1")["verdict"] == "pass" and explained(one, "21.0.0.1")["verdict"] == "drop"
    fake.say(many[:20] + [decision(3, BAD2)])  # forgotten silently; 3 is another's now, as after a reinstall
    one.cli("feed", "update", "crowdsec")
    assert (drops(lab, BAD, BAD2, GOOD), row(one)["entries"]) == ([False, True, False], 21)


def test_a_short_snapshot_is_believed_at_the_second_word(lab, agent, fake):
    """A server whose database fails half way answers 200 with few decisions or none: nothing is lifted at the first."""
    many = [decision(i, f"192.0.2.{i}") for i in range(1, 41)] + [decision(50, BAD)]
    fake.say(many)
    one = start(agent, ", usage-metrics: off")
    wait_for(lambda: row(one)["entries"] == 41, what="all")
    fake.say([decision(60, BAD2)])
    out = one.cli("feed", "update", "crowdsec", check=False)
    assert out.returncode == 1 and "41 of 41 decisions are missing" in out.stderr
    assert drops(lab, BAD, BAD2, GOOD) == [True, True, False]  # what is new is taken
    fake.say(many)
    wait_for(lambda: row(one)["error"] is None, what="the next answer")
    assert (drops(lab, BAD, BAD2, GOOD), row(one)["entries"]) == ([True, False, False], 41)
    fake.say([])
    assert one.cli("feed", "update", "crowdsec", check=False).returncode == 1  # the first word
    wait_for(lambda: row(one)["entries"] == 0, what="the second word")
    assert drops(lab, BAD, GOOD) == [False, False]


@pytest.mark.parametrize("spoil, said", [(lambda key: key.chmod(0o644), "chmod 600"), (lambda key: key.unlink(), "No such file"), (lambda key: key.write_text(""), "empty"),
                                         (lambda key: os.chown(key, 65534, 65534), "chown root")])
def test_key_file(lab, agent, fake, spoil, said):
    fake.say([decision(1, BAD)])
    one = agent()
    text = config(one)
    key = one.dir / "lapi.key"
    spoil(key)
    one.write(text)
    one.start()
    wait_for(lambda: row(one)["error"], what="the error")
    assert said in row(one)["error"] and "lapi.key" in row(one)["error"] and row(one)["state"] == "failing" and not fake.requests()
    key.unlink(missing_ok=True)
    config(one)
    one.cli("feed", "update", "crowdsec")  # read anew each time
    assert drops(lab, BAD, GOOD) == [True, False]


def test_the_key_is_seen_nowhere(lab, agent, fake):
    """Neither in a command line or environment, nor in the engine's memory, while a fetcher has it."""
    fake.say([decision(1, BAD)])
    one = start(agent)
    becomes(one, BAD, "drop")
    fake.say([], mode="hang")
    fake.asked_again(1)
    fetcher = wait_for(lambda: [p for p in one.children() if "sekisho-fetch" in p[1]], what="the fetcher")[0]
    engine = next(p for p in one.children() if "sekisho-engine" in p[1])
    for pid in (fetcher[0], engine[0], str(one.process.pid)):
        for file in ("cmdline", "environ"):
            assert KEY.encode() not in pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
    assert KEY.encode() in memory(fetcher[0])  # the search finds what is there
    connector = run("ps", "--ppid", fetcher[0], "-o", "pid=").stdout.strip()
    assert KEY.encode() not in memory(connector)
    assert KEY.encode() not in memory(engine[0])
    assert drops(lab, BAD, GOOD) == [True, False]  # and a server that hangs stops nobody
    begin = time.monotonic()
    one.cli("block", "add", BAD2)
    assert time.monotonic() - begin < 2 * PATIENCE  # it hangs for a minute


def memory(pid):
    parts = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, rights = line.split()[:2]
            first, last = (int(x, 16) for x in span.split("-"))
            if rights.startswith("rw") and last - first < 64 << 20:
                try:
                    mem.seek(first)
                    parts.append(mem.read(last - first))
                except OSError:
                    pass
    return b"".join(parts)


def test_many_decisions_stop_nobody(lab, agent, fake):
    """A community blocklist's worth at once: commands are answered meanwhile, and all of it is in force, then gone, in time."""
    fake.say([], mode="many", n=50000)
    one = start(agent)
    waits = []
    while row(one)["entries"] < 50000:
        begin = time.monotonic()
        one.cli("block", "add", BAD)
        waits.append(time.monotonic() - begin)
        assert len(waits) < 1000
    assert drops(lab, BAD, GOOD) == [True, False]
    assert explained(one, "20.0.195.79")["verdict"] == "drop" and explained(one, "20.0.195.80")["verdict"] == "pass"
    assert sorted(waits)[len(waits) // 2] < 0.5 and max(waits) < 3, waits
    one.stop()
    one.start()
    assert explained(one, "20.0.195.79")["verdict"] == "drop"
