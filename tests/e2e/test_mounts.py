# SPDX-License-Identifier: GPL-2.0
"""Lists that are files, on a mount that does not answer: their open does not end, nor can who waits for it be killed. Nothing else
may wait with it: not control requests, other feeds, packets, a reload, a stop or the next start."""
import os, pathlib, re, subprocess, sys, time
import pytest
from lab import PATIENCE, run, wait_for

BAD, NEW, LATE, GOOD = "198.51.100.7", "198.51.100.8", "198.51.100.99", "203.0.113.9"


class Mount:
    def __init__(self, folder, mode="644"):
        self.folder, self.answer, self.opens = folder / "mnt", folder / "answer", folder / "opens"
        self.folder.mkdir()
        self.list = self.folder / "list"
        script = pathlib.Path(__file__).with_name("hanging_mount.py")
        self.process = subprocess.Popen(["/usr/bin/python3", script, self.folder, "list", self.answer, self.opens, mode], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def pids(self):
        """Of the processes that have asked for the open so far, as this pid namespace calls them."""
        return [int(line) for line in self.opens.read_text().split()] if self.opens.exists() else []

    def close(self):
        self.process.kill()  # ends the connection: who waits gets an error
        self.process.wait()
        self.process.stdout.close()
        run("umount", "-l", self.folder, check=False)


@pytest.fixture
def mount(tmp_path):
    one = Mount(tmp_path)
    yield one
    one.close()


@pytest.fixture
def key_mount(lab, tmp_path):
    """Its file is a key's, for a server beside it."""
    one = Mount(tmp_path, "600")
    (tmp_path / "want").write_text(LATE)
    script = pathlib.Path(__file__).with_name("key_server.py")
    server = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "/usr/bin/python3", script, tmp_path, "127.0.0.1", "127.0.0.2", "8099"], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    one.requests = tmp_path / "requests"
    yield one
    server.kill()
    server.wait()
    server.stdout.close()
    one.close()


def feed(agent, name):
    return next(f for f in agent.ask("feed", "list")["feeds"] if f["name"] == name)


def state_of(pid):
    """R, S, D, Z...; None: there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def waiting(mount, states="SD"):
    """Those whose open has not ended. S: a signal could still end it; D: one was sent, and does not."""
    return [pid for pid in mount.pids() if (state_of(pid) or "Z") in states]


def in_time(agent, *words):
    begin = time.monotonic()
    out = agent.cli(*words)
    assert time.monotonic() - begin < 1 * PATIENCE, words
    return out


def configured(agent, mount, extra=""):
    own = agent.dir / "own.txt"
    own.write_text(BAD + "\n")
    agent.write(f'feeds:\n  - {{name: dead, path: "{mount.list}", format: plain, interval: 12h}}\n'
                f'  - {{name: own, path: "{own}", format: plain, interval: 12h, max-change: 0%}}\n' + extra)
    return own


def test_an_open_that_does_not_end(lab, agent, mount):
    one = agent()
    own = configured(one, mount)
    one.start()
    wait_for(lambda: waiting(mount), what="the open that hangs")
    first = waiting(mount)
    assert first != [one.process.pid]
    wait_for(lambda: feed(one, "own")["state"] == "ok", what="the other list")
    wait_for(lambda: lab.probe(BAD) == 0, what="its table")
    # what only the keeper can do is done at once, and the other feed is read again
    for words in (("block", "add", NEW), ("block", "del", NEW), ("mode", "monitor"), ("mode", "enforce"), ("explain", BAD), ("feed", "show", "dead")):
        in_time(one, *words)
    assert feed(one, "dead")["state"] == "pending"
    own.write_text(NEW + "\n")
    in_time(one, "feed", "update", "own")
    assert (lab.probe(BAD, 5), lab.probe(NEW), lab.probe(GOOD, 5)) == (5, 0, 5)
    # a reload ends the fetcher, which does not die: it is named, and no second one is started
    for _ in range(3):
        in_time(one, "reload")
        said = wait_for(lambda: re.search(r"process (\d+), which was to read it, was killed \d+ s ago and hangs in the kernel", feed(one, "dead")["error"] or ""), what="the words on it")
        assert int(said[1]) in first and waiting(mount, "D") == first == mount.pids()
    assert "is it on a mount that does not answer?" in one.cli("feed", "show", "dead").stdout
    in_time(one, "block", "add", BAD)
    assert (lab.probe(BAD), lab.probe(NEW), lab.probe(GOOD, 5)) == (0, 0, 5)
    # the mount is back: so is the feed
    mount.answer.touch()
    wait_for(lambda: not waiting(mount) and state_of(first[0]) is None, what="the end of the one that hung")
    in_time(one, "feed", "update", "dead")
    assert (feed(one, "dead")["state"], feed(one, "dead")["error"]) == ("ok", None)
    assert (lab.probe(LATE), lab.probe(GOOD, 5)) == (0, 5)


def test_a_key_whose_open_does_not_end(lab, agent, key_mount):
    """Of a feed and of CrowdSec: who reads it is no agent's process yet, and nothing waits with it."""
    one, mount = agent(), key_mount
    own = one.dir / "own.txt"
    own.write_text(NEW + "\n")
    one.write(f'feeds:\n  - {{name: keyed, url: "http://127.0.0.1:8099/list", key-file: "{mount.list}", key-header: Key, format: plain}}\n'
              f'  - {{name: own, path: "{own}", format: plain, max-change: 0%}}\ncrowdsec: {{url: "http://127.0.0.1:8099", key-file: "{mount.list}"}}\n')
    one.start()
    wait_for(lambda: len(waiting(mount)) == 2, what="both opens that hang")
    first = waiting(mount)
    assert one.process.pid not in first
    wait_for(lambda: feed(one, "own")["state"] == "ok" and lab.probe(NEW) == 0, what="the other list")
    for words in (("status",), ("block", "add", BAD), ("block", "del", BAD), ("mode", "monitor"), ("mode", "enforce"), ("feed", "show", "keyed"), ("feed", "show", "crowdsec")):
        in_time(one, *words)
    assert feed(one, "keyed")["state"] == "pending" and not mount.requests.exists()
    own.write_text(GOOD + "\n")
    in_time(one, "feed", "update", "own")
    assert (lab.probe(NEW, 5), lab.probe(GOOD), lab.probe(BAD, 5)) == (5, 0, 5)
    in_time(one, "reload")  # ends both, which do not die: they are named
    said = wait_for(lambda: re.search(r"process (\d+), which was to read it, was killed \d+ s ago and hangs in the kernel: is its key-file on a mount", feed(one, "keyed")["error"] or ""), what="the words on it")
    assert int(said[1]) in first and sorted(waiting(mount, "D")) == sorted(first) == sorted(mount.pids())
    in_time(one, "status")
    # the mount is back: so is the feed, with its key
    mount.answer.touch()
    wait_for(lambda: not waiting(mount) and not any(map(state_of, first)), what="the end of those that hung")
    in_time(one, "feed", "update", "keyed")
    assert (feed(one, "keyed")["state"], feed(one, "keyed")["error"]) == ("ok", None)
    assert f"127.0.0.1 /list {LATE}" in mount.requests.read_text().splitlines()
    assert (lab.probe(BAD), lab.probe(GOOD), lab.probe(NEW, 5)) == (0, 0, 5)


def test_stop_and_start_do_not_wait_for_it(lab, agent, mount):
    one = agent()
    configured(one, mount)
    one.start()
    wait_for(lambda: waiting(mount), what="the open that hangs")
    wait_for(lambda: lab.probe(BAD) == 0, what="the other feed's table")
    begin = time.monotonic()
    one.stop()
    assert one.process.returncode == 0 and time.monotonic() - begin < 3 * PATIENCE
    one.start()  # with the folders that the one before had locked
    assert (lab.probe(BAD), lab.probe(GOOD, 5)) == (0, 5)
    in_time(one, "block", "add", NEW)
    assert lab.probe(NEW) == 0


def test_many_of_them_keep_no_place(lab, agent, mount):
    """More dead files than fetchers may run at once: after a reload each has its process, and a feed beside them is read."""
    one = agent()
    names = [f"dead{i}" for i in range(9)]
    own = configured(one, mount, "".join(f'  - {{name: {name}, path: "{mount.folder}/{"./" * (i + 1)}list", format: plain}}\n' for i, name in enumerate(names)))
    one.start()
    for _ in range(12):
        if len(waiting(mount)) == 10:
            break
        before = len(waiting(mount))
        wait_for(lambda: len(waiting(mount)) > before or len(waiting(mount)) == 10, what="the next opens that hang")
        one.cli("reload")
    assert len(mount.pids()) == len(waiting(mount, "D")) == 10
    wait_for(lambda: all("hangs in the kernel" in (feed(one, name)["error"] or "") for name in names + ["dead"]), what="the words on each")
    own.write_text(NEW + "\n")
    in_time(one, "feed", "update", "own")
    assert (lab.probe(NEW), lab.probe(GOOD, 5)) == (0, 5)
