# SPDX-License-Identifier: GPL-2.0
"""The state on its bad days, and a kernel that was changed behind the agent's back."""
import contextlib, ipaddress, json, os, pwd, re, sqlite3, subprocess
import pytest
from lab import run, wait_for

BAD, OTHER, GOOD = "198.51.100.7", "198.51.100.8", "203.0.113.9"
BPFTOOL = next((p for p in ("/usr/sbin/bpftool", "/sbin/bpftool") if os.path.exists(p)), "bpftool")


def test_corrupt_state_is_set_aside_and_protection_goes_on(lab, agent):
    one = agent("on-exit: keep\n")
    path = one.dir / "list.txt"
    path.write_text(OTHER + "\n")
    one.write(f"on-exit: keep\nfeeds:\n  - {{name: a, path: \"{path}\", format: plain, interval: 12h}}\n")
    one.start()
    one.cli("block", "add", BAD)
    one.stop()
    state = one.dir / "state/state.db"
    state.write_bytes(b"not a database" * 1000)
    for start in range(2):  # the second start must not wipe what the first one did not know
        one.start()
        assert [lab.probe(s) for s in (BAD, OTHER, GOOD)] == [0, 0, 20]
        one.stop()
        assert one.said().count("is set aside as") == 1
    kept = list((one.dir / "state").glob("state.db.corrupt-*"))
    assert len(kept) == 1 and kept[0].read_bytes().startswith(b"not a database")
    one.start()
    assert "kernel" in one.ask("explain", BAD)["differs"]
    one.cli("block", "add", BAD)
    assert one.ask("explain", BAD)["differs"] is None
    one.cli("block", "del", BAD)
    assert lab.probe(BAD) == 20


def test_a_state_of_a_later_version_says_what_to_do(lab, agent):
    one = agent("on-exit: keep\n")
    one.start()
    one.cli("block", "add", BAD)
    one.stop()
    with sqlite3.connect(one.dir / "state/state.db") as db:
        later = db.execute("PRAGMA user_version").fetchone()[0] + 1
        db.execute(f"PRAGMA user_version = {later}")
    one.start(wait=False)
    wait_for(lambda: "is of a later version of Sekisho: install that one again, or move the file away" in one.said(), what="the mend")
    assert [lab.probe(s) for s in (BAD, GOOD)] == [0, 20]


def test_full_disk_is_one_clear_error_and_loses_nothing(lab, agent):
    one = agent("on-exit: keep\n")
    state, user = one.dir / "state", pwd.getpwnam("sekisho")
    state.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size=2m,mode=0750,uid={user.pw_uid},gid={user.pw_gid}", "none", state)
    try:
        path = one.dir / "list.txt"
        path.write_text(OTHER + "\n")
        one.write(f"on-exit: keep\nfeeds:\n  - {{name: a, path: \"{path}\", format: plain, interval: 12h, max-change: 0%}}\n")
        one.start()
        one.cli("block", "add", BAD)
        with pytest.raises(OSError), open(state / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        refused = None
        for i in range(400):  # what room SQLite still has is used up first
            out = one.cli("block", "add", f"192.0.2.{i % 250}", "--reason", "r" * 250, "--origin", f"o{i // 250}", check=False)
            if out.returncode:
                refused = out
                break
        assert refused and refused.returncode == 1 and "cannot be written" in refused.stderr and "full" in refused.stderr and refused.stderr.count("\n") == 1
        assert lab.probe(f"192.0.2.{i % 250}") == 20  # refused is not in force either
        path.write_text("\n".join(f"198.60.{i >> 8}.{i & 255}" for i in range(60000)))
        out = one.cli("feed", "update", "a", check=False)
        assert out.returncode == 1 and "stored" in out.stderr
        assert [lab.probe(s) for s in (BAD, OTHER, GOOD)] == [0, 0, 20]
        path.write_text(OTHER + "\n")
        (state / "filler").unlink()
        one.cli("block", "add", GOOD)
        one.stop()
        one.start()
        assert [lab.probe(s) for s in (BAD, OTHER, GOOD)] == [0, 0, 0]
        assert one.ask("feed", "list")["feeds"][0]["name"] == "a"
    finally:
        one.stop()
        run("umount", "-l", state)


def bpftool(*words):
    out = run(BPFTOOL, "-j", "map", *words)
    return json.loads(out.stdout) if out.stdout.strip() else None


def inner_map(agent, name):
    """The id of the map in slot 0 of the pinned map of maps."""
    path = next(p for p in agent.pins.rglob("*") if p.name.endswith(name))
    value = bpftool("lookup", "pinned", path, "key", "0", "0", "0", "0")
    number = value.get("inner_map_id", value.get("value"))
    return int(number) if isinstance(number, int) else int.from_bytes(bytes(int(b, 16) for b in number), "little")


def entry_key(address):
    packed = ipaddress.ip_address(address).packed.ljust(16, b"\0") + bytes([4, 32, 0, 0])
    return ["hex", *(f"{b:02x}" for b in packed)]


def test_explain_tells_when_the_kernel_was_changed_behind_the_agent(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    for address in (BAD, GOOD):
        assert one.ask("explain", address)["differs"] is None
    entries = str(inner_map(one, "entries"))
    run(BPFTOOL, "map", "delete", "id", entries, "key", *entry_key(BAD))
    answer = one.ask("explain", BAD)
    assert lab.probe(BAD) == 20 and answer["verdict"] == "pass" and answer["reason"] == "none"  # the kernel's word
    assert '"none"' in answer["differs"] and '"block"' in answer["differs"]
    assert "differs" in one.cli("explain", BAD).stdout
    run(BPFTOOL, "map", "update", "id", entries, "key", *entry_key(GOOD), "value", "hex", *(["ff"] * 8 + ["00"] * 24))
    answer = one.ask("explain", GOOD)
    assert lab.probe(GOOD) == 0 and answer["verdict"] == "drop" and answer["differs"]
    one.cli("block", "add", BAD)
    assert one.ask("explain", BAD)["differs"] is None and lab.probe(BAD) == 0
    one.stop()
    one.start()  # a start puts the state in force, and nothing else
    assert one.ask("explain", GOOD)["differs"] is None and (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)


def test_the_id_of_a_feed_that_is_no_more_goes_to_another(lab, agent):
    """All 255 are taken by feeds of earlier configs: the newcomer is in force all the same, and its counters begin at 0."""
    one = agent().start()
    one.stop()
    state, path, left = one.dir / "state", one.dir / "list.txt", one.dir / "state/lists/old-1.list"
    path.write_text(BAD + "\n")
    left.write_text("")
    with contextlib.closing(sqlite3.connect(state / "state.db")) as db, db:
        for i in range(1, 256):
            db.execute("INSERT INTO feeds(id, name, url, last_try_s) VALUES(?, ?, 'http://192.0.2.1/', ?)", (i, f"old-{i}", i))
            db.execute("INSERT INTO counters VALUES(?, 77777, 0)", (f"drops:{i}",))
    one.write(f"feeds:\n  - {{name: new, path: \"{path}\", format: plain, interval: 12h}}\n")
    one.start()
    wait_for(lambda: lab.probe(BAD) == 0, what="the new list in force")
    assert lab.probe(GOOD) == 20 and not left.exists()
    dropped = lambda: float(re.search(r'^sekisho_feed_dropped_packets_total{feed="new"} (.*)$', one.get("/metrics"), re.M).group(1))
    assert 20 <= wait_for(dropped) <= 2000
    one.stop()
    with contextlib.closing(sqlite3.connect(state / "state.db")) as db:
        assert db.execute("SELECT name FROM feeds WHERE id = 1").fetchall() == [("new",)]
        assert db.execute("SELECT value < 2000 FROM counters WHERE name = 'drops:1'").fetchall() == [(1,)]
        assert db.execute("SELECT count(*) FROM feeds").fetchall() == [(255,)]
