# SPDX-License-Identifier: GPL-2.0
"""Debian's fail2ban with our action: from lines in a log to packets dropped and back, with restarts of either side in between."""
import hashlib, os, pathlib, re, signal, sqlite3, subprocess, time
import pytest
from lab import PATIENCE, run, wait_for

ROOT = pathlib.Path("/usr/local/libexec/sekisho-tests/fail2ban")
ACTION = pathlib.Path(__file__).parents[2] / "scripts/fail2ban-sekisho.py"
BAD, OTHER, GOOD, BAD6 = "198.51.100.7", "198.51.100.8", "203.0.113.9", "2001:db8::7"
MANY = 10000


class Fail2ban:
    """A server with two jails, `door` and `window` unless told otherwise, each reading a log of its own."""

    def __init__(self, folder, agent, names=("door", "window")):
        self.dir, self.process = folder, None
        for name in ("action.d", "filter.d"):
            (folder / name).mkdir(parents=True)
        (folder / "action.d/sekisho.py").write_text(ACTION.read_text())
        (folder / "fail2ban.conf").write_text(
            f"[Definition]\nloglevel = INFO\nlogtarget = {folder}/log\nsyslogsocket = auto\nsocket = {folder}/sock\npidfile = {folder}/pid\n"
            f"dbfile = {folder}/db\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Thread]\nstacksize = 0\n")
        (folder / "filter.d/knock.conf").write_text("[Definition]\nfailregex = ^ knocked: <ADDR>$\ndatepattern = ^EPOCH\n")
        jails = "".join(f"[{name}]\nenabled = true\nlogpath = {folder}/{name}.log\n" for name in names)
        (folder / "jail.conf").write_text(
            "[INCLUDES]\n[DEFAULT]\nignoreip = 127.0.0.1/8\nbantime = 600\nfindtime = 600\nmaxretry = 2\nbackend = polling\nusedns = no\nfilter = knock\n"
            f"banaction = sekisho.py\naction_ = %(banaction)s[port=\"ssh\", protocol=\"tcp\", socket=\"{agent.dir}/run/sekisho.sock\"]\naction = %(action_)s\n" + jails)
        for name in names:
            (folder / f"{name}.log").touch()

    def program(self, name):
        return ["/usr/bin/python3", ROOT / f"usr/bin/fail2ban-{name}", "-c", self.dir]

    def start(self):
        self.env = dict(os.environ, PYTHONPATH=str(ROOT / "usr/lib/python3/dist-packages"), PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen([*map(str, self.program("server")), "-f", "-x", "start"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        wait_for(lambda: self.client("status", check=False).returncode == 0, 20, "fail2ban; log: " + self.said())
        return self

    def said(self):
        path = self.dir / "log"
        return path.read_text() if path.exists() else ""

    def client(self, *words, check=True):
        return run(*self.program("client"), *words, env=self.env, check=check)

    def knock(self, jail, address, times=2):
        with open(self.dir / f"{jail}.log", "a") as log:
            log.write(f"{int(time.time())} knocked: {address}\n" * times)

    def stop(self, sig=None):
        """In order, or by a signal."""
        if self.process and self.process.poll() is None:
            if sig:
                self.process.send_signal(sig)
            else:
                self.client("stop")
            self.process.wait(60)
        self.process = None

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def fail2ban(tmp_path):
    made = []

    def make(agent, *names):
        made.append(Fail2ban(tmp_path / "f2b", agent, *names))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


def held(agent):
    """{(address, origin): seconds left} of the agent's block entries."""
    return {(row["prefix"], row["origin"]): row["expires"] and row["expires"] - time.time() for row in agent.ask("block", "list")["entries"]}


def until(agent, *want, deadline_s=10):
    return wait_for(lambda: set(held(agent)) == set(want), deadline_s, f"entries {want}")


def test_from_log_lines_to_dropped_packets_and_back(lab, agent, fail2ban):
    one = agent("on-exit: keep\n").start()
    jails = fail2ban(one)
    jails.knock("door", BAD, times=1)
    jails.knock("door", OTHER)
    jails.knock("door", BAD6)
    until(one, (OTHER, "fail2ban:door"), (BAD6, "fail2ban:door"))
    assert (lab.probe(OTHER), lab.probe(BAD6), lab.probe(BAD), lab.probe(GOOD)) == (0, 0, 20, 20)
    row = one.ask("explain", OTHER)["matches"][0]
    assert row["source"] == "fail2ban:door" and row["reason"] == "2 failures" and 590 < held(one)[OTHER, "fail2ban:door"] <= 602
    jails.client("set", "window", "banip", OTHER, "192.0.2.0/24")
    until(one, (OTHER, "fail2ban:door"), (BAD6, "fail2ban:door"), (OTHER, "fail2ban:window"), ("192.0.2.0/24", "fail2ban:window"))
    assert {(row["source"], row["reason"]) for row in one.ask("explain", OTHER)["matches"]} == {("fail2ban:door", "2 failures"), ("fail2ban:window", "by hand")}
    jails.client("set", "door", "unbanip", OTHER)
    assert (lab.probe(OTHER), lab.probe("192.0.2.3")) == (0, 0)  # the window's own ban of it stays
    jails.client("set", "window", "unbanip", OTHER)
    assert (lab.probe(OTHER), lab.probe("192.0.2.3"), lab.probe(BAD6)) == (20, 0, 0)
    jails.client("set", "window", "unbanip", OTHER)  # what is not there is no error
    jails.client("reload")
    jails.knock("window", BAD)
    until(one, (BAD6, "fail2ban:door"), ("192.0.2.0/24", "fail2ban:window"), (BAD, "fail2ban:window"))
    jails.client("set", "window", "banip", "10.99.0.254")  # the gateway: refused, and fail2ban's log says why
    wait_for(lambda: "default gateway" in jails.said(), what="the refusal in the log")
    jails.client("unban", "--all")
    until(one)
    assert lab.probe(BAD) == 20 and "Traceback" not in jails.said()


def test_restarts_of_either_side_lose_no_ban(lab, agent, fail2ban):
    one = agent("on-exit: keep\n").start()
    one.cli("block", "add", BAD, "--origin", "mine")
    jails = fail2ban(one)
    for jail in ("door", "window"):
        jails.knock(jail, OTHER)
    bans = [(BAD, "mine"), (OTHER, "fail2ban:door"), (OTHER, "fail2ban:window")]
    until(one, *bans)
    one.stop(signal.SIGKILL)
    jails.knock("door", GOOD)  # while there is no agent: it is not lost
    wait_for(lambda: "no answer from the agent" in jails.said(), what="the complaint")
    assert (lab.probe(OTHER), lab.probe(GOOD)) == (0, 20)  # the program goes on; the new ban waits
    one.start()
    until(one, *bans, (GOOD, "fail2ban:door"))
    assert (lab.probe(OTHER), lab.probe(GOOD)) == (0, 0)
    jails.stop(signal.SIGKILL)
    assert set(held(one)) == {*bans, (GOOD, "fail2ban:door")}
    jails.start()  # replays what it knows: each ban twice is one, with the time that is left
    wait_for(lambda: sum("Ban " in line for line in jails.said().splitlines()) >= 6, what="the replay")
    until(one, *bans, (GOOD, "fail2ban:door"))
    assert max(left for left in held(one).values() if left) <= 602
    jails.stop()  # in order: each jail lifts its own, nobody else's
    until(one, (BAD, "mine"))
    assert (lab.probe(OTHER), lab.probe(GOOD), lab.probe(BAD)) == (20, 20, 0)


def test_kills_in_the_middle_and_ends_with_nobody_alive(lab, agent, fail2ban):
    """SIGKILL of the engine around a ban and an unban; of fail2ban, whose short ban ends by itself; one jail's stop is not the other's."""
    one = agent("on-exit: keep\n").start()
    jails = fail2ban(one)
    engine = lambda: next((int(pid) for pid, name, _ in one.children() if name == "sekisho-engine"), 0)
    for step in ("banip", "unbanip"):
        old = engine()
        os.kill(old, signal.SIGKILL)
        for jail in ("door", "window"):
            jails.client("set", jail, step, OTHER if jail == "door" else BAD)
        wait_for(lambda: engine() not in (0, old), what="another engine")
        until(one, *([(OTHER, "fail2ban:door"), (BAD, "fail2ban:window")] if step == "banip" else []), deadline_s=20)
        assert (lab.probe(OTHER), lab.probe(BAD), lab.probe(GOOD)) == ((0, 0, 20) if step == "banip" else (20, 20, 20))
    jails.client("set", "window", "bantime", "9")
    jails.client("set", "window", "banip", BAD)
    for jail in ("door", "window"):
        jails.client("set", jail, "banip", OTHER)
    until(one, (OTHER, "fail2ban:door"), (OTHER, "fail2ban:window"), (BAD, "fail2ban:window"))
    jails.stop(signal.SIGKILL)
    assert (lab.probe(OTHER), lab.probe(BAD)) == (0, 0)
    until(one, (OTHER, "fail2ban:door"), deadline_s=15)
    assert (lab.probe(OTHER), lab.probe(BAD)) == (0, 20)  # the door's ban of it is not over
    jails.start()
    jails.client("set", "window", "bantime", "600")
    jails.client("set", "window", "banip", BAD, OTHER)
    until(one, (OTHER, "fail2ban:door"), (OTHER, "fail2ban:window"), (BAD, "fail2ban:window"))
    jails.client("stop", "window")  # a flush
    until(one, (OTHER, "fail2ban:door"))
    assert (lab.probe(OTHER), lab.probe(BAD), lab.probe(GOOD)) == (0, 20, 20)
    assert "Traceback" not in jails.said()


def test_ten_thousand_bans_are_restored_and_flushed_in_seconds(lab, agent, fail2ban):
    one = agent().start()
    jails = fail2ban(one)
    jails.knock("window", BAD)
    until(one, (BAD, "fail2ban:window"))
    jails.stop()
    now = int(time.time())
    with sqlite3.connect(jails.dir / "db") as db:
        db.executemany("INSERT INTO bips(ip, jail, timeofban, bantime, bancount, data) VALUES(?, 'door', ?, 600, 1, '{}')",
                       ((f"11.0.{i >> 8}.{i & 255}", now - 300) for i in range(MANY)))
    db.close()
    used = lambda: one.ask("status")["entries"]["used"]
    begin = time.monotonic()
    jails.start()
    wait_for(lambda: used() == MANY + 1, 30, "the bans")
    restored_s = time.monotonic() - begin
    one.stop(signal.SIGKILL)
    one.start()  # the other side's restart: all are in force again
    begin = time.monotonic()
    assert used() == MANY + 1 and lab.probe(BAD) == 0
    again_s = time.monotonic() - begin
    row = one.ask("explain", "11.0.39.15")["matches"][0]
    assert row["source"] == "fail2ban:door" and 0 < row["expires"] - now <= 302  # what is left of its time
    begin = time.monotonic()
    jails.client("unban", "--all")
    wait_for(lambda: used() == 0, 30, "an empty map")
    assert restored_s < 10 * PATIENCE
    print(f"{MANY} bans restored in {restored_s:.1f} s, asked for after a kill in {again_s:.1f} s, flushed in {time.monotonic() - begin:.1f} s")
    assert lab.probe(BAD) == 20


def test_jails_with_long_names(lab, agent, fail2ban):
    """Two names that differ behind what an origin has room for: each jail's bans are its own."""
    one = agent("on-exit: keep\n").start()
    names = ["company-wide-" + "behind-the-reverse-proxy-" * 2 + end for end in ("door", "window")]
    jails = fail2ban(one, names)
    for name in names:
        jails.client("set", name, "banip", OTHER)
    wait_for(lambda: len(held(one)) == 2, what="a ban of each jail")
    origins = {origin for _, origin in held(one)}
    assert len(origins) == 2 and all(origin.startswith("fail2ban:company-wide-") and len(origin) == 63 for origin in origins)
    jails.client("set", names[0], "unbanip", OTHER)
    wait_for(lambda: len(held(one)) == 1, what="the other jail's ban alone")
    assert (lab.probe(OTHER), lab.probe(GOOD)) == (0, 20)
    jails.client("set", names[1], "unbanip", OTHER)
    wait_for(lambda: not held(one), what="no ban")
    assert lab.probe(OTHER) == 20 and "cannot be banned" not in jails.said() and "Traceback" not in jails.said()


@pytest.mark.parametrize("name, shown", [
    ("sshd", r"sshd"), ("n" * 54, "n" * 54), ("n" * 55, "n{37}~[0-9a-f]{16}"), ("n" * 55 + "m", "n{37}~[0-9a-f]{16}"), ("my jail", "my_jail~[0-9a-f]{16}"),
    ("my  jail", "my_jail~[0-9a-f]{16}"), ("my_jail", "my_jail"), ("ü" * 40, "ü{18}~[0-9a-f]{16}"), ("tür", "tür")])
def test_origins_of_jails(name, shown):
    """One word of at most 63 bytes, always the same, and no two names' alike."""
    ask = f"import runpy, types; print(runpy.run_path('{ACTION}')['Action'](types.SimpleNamespace(name={name!r}), 'a').origin)"
    env = dict(os.environ, PYTHONPATH=str(ROOT / "usr/lib/python3/dist-packages"), PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="utf-8")
    origin = run("/usr/bin/python3", "-c", ask, env=env).stdout.strip()
    assert re.fullmatch("fail2ban:" + shown, origin) and len(origin.encode()) <= 63
    assert "~" not in origin or origin.endswith(hashlib.sha256(name.encode()).hexdigest()[:16])
