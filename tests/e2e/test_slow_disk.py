# SPDX-License-Identifier: GPL-2.0
"""A disk on which each flush takes a fifth of a second, by strace: a single change is answered when it is on disk and not before,
and nobody else waits for it."""
import re, subprocess, threading, time
import pytest
from ban_map import put
from test_bans import LIMITS, recorded

FLUSH_S = 0.2


class SlowDisk:
    def __init__(self, pid, path):
        self.path = path
        self.process = subprocess.Popen(["strace", "-f", "-ttt", "-o", path, "-e", "trace=fsync,fdatasync", "-e", f"inject=fsync,fdatasync:delay_enter={int(FLUSH_S * 1e6)}", "-p", str(pid)],
                                        stderr=subprocess.PIPE, text=True)
        assert "attached" in self.process.stderr.readline()

    def flushes(self):
        """(thread, when) of those that began."""
        return [(int(m[1]), float(m[2])) for m in re.finditer(r"^(\d+) +([\d.]+) f(?:data)?sync\(", self.path.read_text(), re.M)]

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.mark.alone
def test_a_change_waits_for_its_disk_and_nobody_else_does(lab, agent):
    one = agent(LIMITS).start()
    put(one, ["198.51.100.7/32", "198.51.100.8/32"])
    recorded(one, 2)
    engine = next(int(pid) for pid, name, _ in one.children() if "engine" in name)
    disk = SlowDisk(engine, one.dir / "strace")
    others, running = [], True

    def ask():
        while running:
            begin = time.monotonic()
            one.ask("version")
            others.append(time.monotonic() - begin)

    thread = threading.Thread(target=ask)
    try:
        thread.start()
        for words in (["block", "add", "192.0.2.1"], ["block", "del", "192.0.2.1"], ["allow", "add", "192.0.2.2"], ["allow", "del", "192.0.2.2"],
                      ["review", "confirm", "1"], ["review", "reject", "2"]):
            begin, wall = time.monotonic(), time.time()
            one.cli(*words)
            took = time.monotonic() - begin
            mine = [(thread_id, at) for thread_id, at in disk.flushes() if wall <= at]
            assert took >= FLUSH_S and any(thread_id != engine for thread_id, _ in mine), (words, took, mine)
        assert lab.probe("192.0.2.1", 3) == 3
        begin = time.monotonic()
        one.cli("block", "add", "192.0.2.1", check=False)
        assert lab.probe("192.0.2.1", 3) == 0 and time.monotonic() - begin >= FLUSH_S
    finally:
        running = False
        thread.join()
        disk.close()
    others.sort()
    assert len(others) > 20 and others[len(others) // 2] < FLUSH_S / 2  # the loop's own writes, once in seconds, are the slowest of them
    assert [e["prefix"] for e in one.ask("block", "list", "--origin", "manual")["entries"]] == ["192.0.2.1"]
    assert [row["verb"] for row in one.ask("audit")["entries"] if row["verb"] == "block.add"] == ["block.add"] * 2
