# SPDX-License-Identifier: GPL-2.0
"""The keeper beside an engine in an attacker's hands (fake_engine.c): it neither ends nor stalls, what was in force
stays, a never-block rail holds whatever image comes."""
import os, pathlib, shutil, tempfile, time
import pytest
from lab import BUILD, GATEWAY, run, wait_for

BAD, GOOD, NEIGHBOUR = "198.51.100.7", "203.0.113.9", "10.99.0.77"


@pytest.fixture
def hostile(lab, agent):
    """Makes an agent whose maps hold a block of BAD, with another engine beside a copy of sekishod."""
    folders = []

    def make(attack, config=""):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-fake-"))
        folders.append(folder)
        folder.chmod(0o755)
        for source, name in (("sekishod", "sekishod"), ("sekisho-fetch", "sekisho-fetch"), ("e2e/fake_engine", "sekisho-engine")):
            shutil.copy(BUILD / source, folder / name)
        one = agent(config).start()
        one.cli("block", "add", BAD)
        one.stop(9)
        assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
        (one.dir / "state/attack").write_text(attack)
        words = one.words()
        one.words = lambda: [folder / "sekishod", *words[1:]]
        one.start(wait=False)
        wait_for(lambda: "program id" in said(one), 10, "the adoption")
        return one

    yield make
    for folder in folders:
        shutil.rmtree(folder)


def said(one):
    return one.said()[one.mark:]


def reloads(one):
    """Does the keeper answer a SIGHUP? How long did it take?"""
    before, start = said(one).count("reload: done"), time.monotonic()
    one.process.send_signal(1)
    wait_for(lambda: said(one).count("reload: done") > before, 5, "a reload; log: " + said(one)[-2000:])
    return time.monotonic() - start


def holds(lab, one):
    assert one.process.poll() is None, said(one)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    reloads(one)
    assert len(os.listdir(f"/proc/{one.process.pid}/fd")) < 80


@pytest.mark.parametrize("attack", ["die", "ready"])
def test_one_that_dies_at_once_is_started_ever_more_slowly(lab, hostile, attack):
    """Whatever it says of itself before: `ready` has told the keeper that all is well."""
    one = hostile(attack)
    wait_for(lambda: said(one).count("engine: ended (status 1)") >= 5, 10, "five deaths")
    deaths, readies = said(one).count("engine: ended (status 1)"), said(one).count("fake: ready: 0")
    assert deaths - 1 <= readies <= deaths + 1 if attack == "ready" else readies == 0  # the next may just have begun
    waits = [int(line.split("started again in ")[1].split()[0]) for line in said(one).splitlines() if "engine: ended" in line]
    assert waits[:5] == [50, 100, 200, 400, 800]
    holds(lab, one)


@pytest.mark.parametrize("attack", ["short", "long", "magic", "wrong count"])
def test_what_is_no_message_ends_the_engine(lab, hostile, attack):
    one = hostile(attack)
    wait_for(lambda: said(one).count("sent what is no message") >= 2, 10, "word of it, twice")
    assert "engine: ended (signal 9)" in said(one)
    holds(lab, one)


def test_every_bad_image_is_refused_and_the_rails_hold_under_a_good_one(lab, hostile):
    one = hostile("swap")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one))
    answers = {line.split(": ")[1]: line.split(": ")[2] for line in said(one).splitlines() if line.startswith("fake: ") and line != "fake: over"}
    assert answers.pop("blocks everything").startswith("0")
    assert len(answers) == 10 and all(answer.startswith("-") for answer in answers.values()), answers
    # Everything is blocked now; the host still talks with its gateway.
    assert [lab.probe(a) for a in (GATEWAY, BAD, GOOD, NEIGHBOUR, "2001:db8::9")] == [20, 0, 0, 0, 0]
    lab.ip(lab.edge, "route", "replace", "default", "via", NEIGHBOUR)
    wait_for(lambda: lab.probe(NEIGHBOUR) == 20, 2, "the new gateway's protection")
    reloads(one)


def test_no_bad_entry_goes_in(lab, hostile):
    one = hostile("entries")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one))
    answers = [line.split(": ")[2] for line in said(one).splitlines() if line.startswith("fake: ") and line != "fake: over"]
    assert len(answers) == 12 and all(answer.startswith("-") for answer in answers), said(one)
    assert lab.probe(GATEWAY) == 20
    holds(lab, one)


def test_no_bad_ban_goes_in(lab, hostile):
    one = hostile("bans")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one))
    answers = {line.split(": ")[1]: line.split(": ")[2] for line in said(one).splitlines() if line.startswith("fake: ") and line != "fake: over"}
    assert [answers.pop(good)[0] for good in ("what is not there away", "a good one")] == ["0", "0"]
    assert len(answers) == 11 and all(answer.startswith("-") for answer in answers.values()), said(one)
    assert lab.probe(GATEWAY) == 20
    holds(lab, one)


def test_no_file_but_a_feeds_is_written_or_read(lab, hostile):
    one = hostile("feeds", "feeds: [{name: main, path: /nowhere.list, format: plain}]\n")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one)[-2000:])
    answers = [line.removeprefix("fake: ") for line in said(one).splitlines() if line.startswith("fake: ") and line != "fake: over"]
    good = [line for line in answers if line.startswith(("a good one: ", "away: "))]
    assert [line.split(": ")[1][:1] for line in good] == ["0", "0"] and all(": -" in line for line in answers if line not in good), answers
    assert len(answers) == 32 and os.listdir(one.dir / "feeds.d") == [] and not list(one.dir.parent.glob("evil*"))
    assert "name: main" in one.config.read_text()


def test_crowdsec_is_asked_what_the_config_says(lab, hostile, tmp_path):
    key = tmp_path / "key"
    key.write_text("s3cret")
    key.chmod(0o600)
    one = hostile("crowdsec", f"crowdsec: {{url: \"http://127.0.0.1:1\", key-file: \"{key}\"}}\n")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one))
    answers = {line.split(": ")[1]: line.split(": ")[2] for line in said(one).splitlines() if line.startswith("fake: ") and line != "fake: over"}
    assert answers.pop("a good one").startswith("0")
    assert len(answers) == 7 and all(answer.startswith("-") for answer in answers.values()), answers
    assert "s3cret" not in said(one)
    holds(lab, one)


@pytest.mark.parametrize("attack", ["types", "descriptors"])
def test_messages_that_are_well_formed_but_mad(lab, hostile, attack):
    one = hostile(attack)
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack; log: " + said(one)[-2000:])
    holds(lab, one)


def test_a_flood_of_wishes_fills_no_log(lab, hostile):
    one = hostile("wishes")
    wait_for(lambda: "fake: over" in said(one), 20, "the end of the attack")
    assert said(one).count("fake: wish: 0") == 3001  # each was granted
    ours = [line for line in said(one).splitlines() if line.startswith("sekishod: ")]
    assert 200 <= len(ours) < 300, len(ours)
    time.sleep(1.5)  # a line is left again by then
    (one.dir / "state/attack").write_text("wishes")
    os.kill(next(int(pid) for pid, comm, *_ in one.children() if comm == "sekisho-engine"), 9)
    wait_for(lambda: "lines were left out: too many in a short time" in said(one), 10, "word of what was left out")
    wait_for(lambda: said(one).count("fake: over") == 2, 20, "the end of the second attack")
    holds(lab, one)


def rss_kb(pid):
    return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1])


@pytest.mark.alone
def test_a_flood_that_reads_no_answer_stalls_itself_alone(lab, hostile):
    one = hostile("flood")
    holds(lab, one)
    before = rss_kb(one.process.pid)
    assert reloads(one) < 2
    holds(lab, one)
    assert rss_kb(one.process.pid) < before + 4096
    assert "engine: ended" not in said(one)  # it waits: its answers did not pile up
    one.stop()
    assert one.process.returncode == 0


def test_one_that_never_reads_is_started_again(lab, hostile):
    one = hostile("deaf")
    for _ in range(600):  # each reload is told to the engine
        reloads(one)
        if "does not take its messages" in said(one):
            break
    assert "does not take its messages" in said(one)
    wait_for(lambda: "engine: ended (signal 9)" in said(one), 5, "its end")
    holds(lab, one)


@pytest.mark.alone
def test_very_many_entries_in_one_request_stall_nothing(lab, hostile):
    one = hostile("many")
    wait_for(lambda: "fake: sent" in said(one), 20, "the request")
    took = reloads(one)
    assert "fake: many" not in said(one), "the entries were in before the reload: nothing was shown"
    assert took < 1
    lab.ip(lab.edge, "route", "replace", "default", "via", NEIGHBOUR)
    wait_for(lambda: "fake: many: 0" in said(one), 30, "the entries")
    holds(lab, one)
