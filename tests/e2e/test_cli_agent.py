# SPDX-License-Identifier: GPL-2.0
"""What the command line tells of a real agent's answers: names that are not there, host bits, origins, where feeds come from."""
import json, socket
from ban_map import put
from lab import BUILD, run, wait_for

BAD, BESIDE, GOOD = "198.51.100.7", "198.51.100.77", "203.0.113.9"


def test_what_was_not_found_is_named(lab, agent):
    one = agent().start()
    for words in (("feed", "show", "n ope"), ("feed", "update", "n ope"), ("feed", "accept", "n ope"), ("feed", "remove", "n ope"),
                  ("feed", "add", "n ope", "http://192.0.2.1/"), ("limit", "try", "n ope", "--packets", "5/s"), ("explain", "n ope"),
                  ("block", "add", "n ope"), ("block", "del", "n ope"), ("allow", "add", "n ope"), ("review", "show", "99"),
                  ("review", "confirm", "99"), ("review", "reject", "99")):
        done = one.cli(*words, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1) and words[2 if len(words) > 2 else 1] in done.stderr, (words, done)


def test_a_feed_is_shown_with_its_url_or_its_path(lab, agent):
    one = agent()
    path = one.dir / "list"
    path.write_text("198.51.100.0/32\n")
    one.write(f"feeds:\n  - {{name: near, path: \"{path}\"}}\n  - {{name: far, url: \"http://127.0.0.1:1/list\"}}\n")
    one.start()
    one.cli("feed", "update", "near")
    shown = one.cli("feed", "show", "near").stdout
    assert f"\npath            {path}\n" in shown and "\nurl " not in shown
    assert "\ncoverage IPv4   < 0.0001 %\n" in shown
    shown = one.cli("feed", "show", "far").stdout
    assert "\nurl             http://127.0.0.1:1/list\n" in shown and "\npath " not in shown
    assert {row["name"]: (row["url"], row["path"]) for row in one.ask("feed", "list")["feeds"]} == {
        "near": (None, str(path)), "far": ("http://127.0.0.1:1/list", None)}
    tried = one.ask("feed", "try", str(path))
    assert (tried["url"], tried["path"]) == (None, str(path))
    said = one.cli("feed", "try", str(path)).stdout
    assert f"path            {path}\n" in said and "\ncoverage IPv4   < 0.0001 %\n" in said


def test_cleared_host_bits_are_told(lab, agent):
    one = agent().start()
    said = "198.51.100.0/24 (host bits of 198.51.100.7/24 cleared)"
    assert one.cli("block", "add", "198.51.100.7/24").stdout == said + "\n"
    assert (lab.probe(BESIDE), lab.probe(GOOD)) == (0, 20)
    answer = one.ask("block", "add", "198.51.100.7/24")
    assert (answer["prefix"], answer["host_bits"], answer["text"]) == ("198.51.100.0/24", True, said)
    assert one.cli("block", "del", "198.51.100.7/24").stdout == said + "\n"
    assert lab.probe(BESIDE) == 20
    assert one.cli("block", "add", "198.51.100.0/24").stdout == ""  # as before: nothing to tell
    assert one.cli("allow", "add", "2001:db8::1/32").stdout == "2001:db8::/32 (host bits of 2001:db8::1/32 cleared)\n"
    answer = one.ask("block", "add", "203.0.113.0/24")
    assert (answer["host_bits"], answer["text"]) == (False, None)
    path = one.dir / "list"
    path.write_text("198.51.100.7/24\n192.0.2.1\n" + "".join(f"10.{i >> 8}.{i & 255}.7/24\n" for i in range(1200)))
    assert one.ask("block", "import", str(path)) == {"added": 1202, "rejected": 0, "host_bits": 1201}
    done = run(BUILD / "sekisho", "-s", one.dir / "run/sekisho.sock", "block", "import", "-", input=path.read_text())
    assert done.stdout.splitlines()[-1] == "1202 entries in force (host bits of 1201 cleared)"


def test_what_others_still_hold_is_told(lab, agent):
    """Who deletes only his own entry learns why nothing changes."""
    one = agent().start()
    one.cli("block", "add", BESIDE, "--origin", "tool")
    one.cli("block", "add", BESIDE, "--origin", "last", "--for", "1h")
    assert one.cli("block", "del", BESIDE).stdout == f"{BESIDE} is still blocked, by last and 1 more; `sekisho explain {BESIDE}` tells how to change that\n"
    answer = one.ask("block", "del", BESIDE, "--origin", "tool")
    assert (answer["deleted"], answer["still"]) == (1, ["last"]) and f"{BESIDE} is still blocked, by last; " in answer["text"] and lab.probe(BESIDE) == 0
    assert one.cli("allow", "del", BESIDE).stdout == ""  # of the other kind nothing is said
    answer = one.ask("block", "del", BESIDE, "--origin", "last")
    assert (answer["deleted"], answer["still"], answer["text"]) == (1, [], None) and lab.probe(BESIDE) == 20


def test_an_origin_is_one_word(lab, agent):
    one = agent().start()
    for line in ({"verb": "block.add", "prefix": BAD, "origin": "a b"}, {"verb": "block.import", "stream": True, "entries": [{"prefix": BAD, "origin": "a\tb"}]}):
        with lab_socket(one) as sock:
            sock.write(json.dumps(line) + "\n")
            sock.flush()
            assert "the origin has a blank" in sock.readline()
    assert one.ask("block", "list")["entries"] == []
    done = run(BUILD / "sekisho", "-s", one.dir / "run/sekisho.sock", "block", "import", "-", input=json.dumps({"prefix": BAD, "origin": "a b"}) + "\n", check=False)
    assert done.returncode == 1 and "line 1: the origin has a blank" in done.stderr
    one.cli("block", "add", BAD, "--origin", "fail2ban:sshd")
    assert [row["origin"] for row in one.ask("block", "list")["entries"]] == ["fail2ban:sshd"]


def lab_socket(one):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(one.dir / "run/sekisho.sock"))
    return sock.makefile("rw")


def test_a_live_ban_is_in_force(lab, agent):
    one = agent()
    one.write("limits:\n  - {name: l, packets: 1k/s}\n")
    one.start()
    put(one, [BAD + "/32"])
    wait_for(lambda: one.ask("review", "list")["bans"], 10, "a ban")
    assert "\nstill in force  until 20" in one.cli("review", "show", "1").stdout
    one.cli("review", "reject", "1")
    said = one.cli("review", "show", "1").stdout
    assert "\nhow it ended    rejected by root, 20" in said and "still in force" not in said
