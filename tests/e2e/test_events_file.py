# SPDX-License-Identifier: GPL-2.0
"""The file of events: whole lines of JSON, turned at its size, opened anew when it was moved, and a full disk that stalls nobody."""
import json, os, signal, socket, stat, time
import pytest
from lab import EDGE, PATIENCE, run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
CONFIG = "events: {{path: \"{path}\", sample: {sample}{more}}}\n"


def lines(path):
    """Every line of the file is whole and JSON. A write of many is seen in parts, but not for long."""
    text = lambda: path.read_text() if path.exists() else ""
    whole = wait_for(lambda: ("\n" + (now := text())).endswith("\n") and [now], 2, "a whole last line")[0]
    return [json.loads(line) for line in whole.splitlines()]


def shoot(lab, n=50, source=BAD, port=4000):
    with lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_DGRAM) as gun:
        lab.add_sources([source])
        gun.bind((source, 0))
        for _ in range(n):
            gun.sendto(b"x", (EDGE, port))


def unwritten(agent):
    return next(float(line.split()[1]) for line in agent.get("/metrics").splitlines() if line.startswith("sekisho_events_unwritten_total"))


@pytest.fixture
def one(lab, agent):
    def make(path=None, sample="10k/s", more=""):
        one = agent()
        one.path = path or one.dir / "log.d" / "events.json"
        one.write(CONFIG.format(path=one.path, sample=sample, more=more))
        one.start()
        one.cli("block", "add", BAD)
        return one

    return make


def test_drops_are_lines_of_json(lab, one):
    agent = one()
    begin = time.time()
    shoot(lab)
    shoot(lab, source=GOOD)  # what passes is no event
    got = wait_for(lambda: len(lines(agent.path)) >= 50 and lines(agent.path), 5, "50 lines")
    assert len(got) == 50 and [row["number"] for row in got] == list(range(1, 51))
    row = got[-1]
    assert (row["type"], row["source"], row["reason"], row["protocol"], row["dport"], row["interface"]) == ("drop", BAD, "block", "udp", 4000, lab.iface)
    assert begin - 1 < row["time"] < time.time() + 1
    assert agent.ask("events")["events"] == got  # the same as the CLI shows, times too
    status = agent.path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640 and status.st_uid == 0 and stat.S_IMODE(agent.path.parent.stat().st_mode) == 0o750
    assert unwritten(agent) == 0


def test_a_stop_and_a_dead_engine_write_what_waits_and_go_on(lab, one):
    agent = one()
    shoot(lab, 5)
    wait_for(lambda: agent.ask("events")["last"] == 5, 5, "5 events")
    agent.stop()
    assert len(lines(agent.path)) == 5
    agent.start()
    shoot(lab, 3)
    wait_for(lambda: len(lines(agent.path)) == 8, 5, "3 more, behind those that were there")
    engine = next(int(pid) for pid, name, _ in agent.children() if name == "sekisho-engine")
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: agent.cli("status", check=False).returncode == 0 and engine not in [int(c[0]) for c in agent.children()], 10, "another engine")
    shoot(lab, 2)
    wait_for(lambda: len(lines(agent.path)) == 10, 5, "of the next engine")


def test_it_turns_at_its_size(lab, one):
    agent = one(more=", max-size: 64k")
    old = agent.path.with_name("events.json.1")
    turned = lambda: old.exists() and (old.stat().st_ino, old.stat().st_mtime_ns)  # numbers are given again
    for _ in range(4):  # some 290 bytes each
        before = turned()
        shoot(lab, 400)
        wait_for(lambda: turned() != before, 8, "the next turn")
    wait_for(lambda: agent.path.exists() and lines(agent.path) is not None, 5)
    assert lines(old) and sorted(os.listdir(agent.path.parent)) == ["events.json", "events.json.1"]
    assert old.stat().st_size < 2 << 20 and agent.path.stat().st_size < 65536 + (2 << 20)
    assert unwritten(agent) == 0


def test_moved_away_it_is_made_anew_and_a_reload_moves_it(lab, one):
    agent = one()
    shoot(lab, 3)
    wait_for(lambda: len(lines(agent.path)) == 3, 5)
    agent.path.rename(agent.dir / "moved")  # logrotate without a signal
    wait_for(agent.path.exists, 5, "a new file")
    shoot(lab, 4)
    wait_for(lambda: len(lines(agent.path)) == 4, 5)
    assert len(lines(agent.dir / "moved")) == 3
    agent.path.unlink()
    agent.process.send_signal(signal.SIGHUP)
    wait_for(agent.path.exists, 5, "a reload makes it anew")
    agent.write(CONFIG.format(path=agent.dir / "other.json", sample="10k/s", more=""))
    agent.cli("reload")
    shoot(lab, 5)
    wait_for(lambda: len(lines(agent.dir / "other.json")) == 5, 5)
    assert lines(agent.path) == []
    agent.write("")
    agent.cli("reload")
    shoot(lab, 6)
    wait_for(lambda: agent.ask("events")["last"] == 18, 5)
    time.sleep(1.2)  # a tick in which it would have been written
    assert len(lines(agent.dir / "other.json")) == 5


def test_a_full_disk_stalls_nobody_and_is_told(lab, one, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk)
    try:
        (disk / "filler").write_bytes(b"x" * (200 << 10))
        agent = one(disk / "events.json")
        full = lambda: "No space left" in agent.said()
        end = time.monotonic() + 60 * PATIENCE
        while not full():
            assert time.monotonic() < end
            shoot(lab, 500)
            time.sleep(0.05)
            lines(disk / "events.json")
        worst, end = 0, time.monotonic() + 60 * PATIENCE
        while unwritten(agent) == 0:  # the memory for it is full too
            assert time.monotonic() < end
            shoot(lab, 2000)
            begin = time.monotonic()
            agent.ask("status")
            worst = max(worst, time.monotonic() - begin)
        assert worst < 1 and agent.said().count("No space left") == 1
        assert lab.probe(GOOD) == 20 and lab.probe(BAD) == 0
        before = lines(disk / "events.json")
        run("mount", "-o", "remount,size=16m", disk)
        shoot(lab, 1)
        wait_for(lambda: any(row["type"] == "lost" for row in lines(disk / "events.json")), 10, "the gap in the file")
        wait_for(lambda: "is written again" in agent.said(), 5, "word of it")
        shoot(lab, 40)  # after a flood some go by before there is a sample again
        got = wait_for(lambda: (rows := lines(disk / "events.json")) and rows[-1]["type"] == "drop" and rows[-1]["number"] == agent.ask("events")["last"] and rows, 10, "the last event")
        assert got[:len(before)] == before
        gap = next(i for i, row in enumerate(got) if row["type"] == "lost")
        numbers = [row["number"] for row in got if row["type"] != "lost"]
        missing = numbers[-1] - numbers[0] + 1 - len(numbers)
        assert numbers == sorted(numbers) and missing == sum(row["count"] for row in got if row["type"] == "lost") == unwritten(agent) and gap > len(before)
        agent.stop()
    finally:
        run("umount", "-l", disk)


def test_what_is_not_ours_is_not_written_to(lab, one, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    link = tmp_path / "link.json"
    link.symlink_to(victim)
    agent = one(link)
    shoot(lab, 5)
    wait_for(lambda: agent.ask("events")["last"] == 5, 5)
    assert "no plain file of root's" in agent.said() and lab.probe(GOOD) == 20 and lab.probe(BAD) == 0  # protection all the same
    link.unlink()
    os.mkfifo(link)
    wait_for(lambda: "cannot be opened" in agent.said(), 5, "nor is a pipe written to")
    link.unlink()
    wait_for(lambda: len(lines(link)) >= 5, 5, "what waited in memory")
    assert victim.read_text() == "mine\n" and unwritten(agent) == 0
    wait_for(lambda: "is written again" in agent.said(), 5, "word of it")
    assert agent.said().count("no plain file") == 1
    os.link(link, tmp_path / "second")  # a second name: somebody else's doing
    agent.cli("reload")
    wait_for(lambda: agent.said().count("no plain file") == 2, 5, "the refusal")
