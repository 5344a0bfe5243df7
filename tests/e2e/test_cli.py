# SPDX-License-Identifier: GPL-2.0
"""The command line against a fake engine on a unix socket: every verb, exit codes, hostile text, tables."""
import fcntl
import json
import os
import pty
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

BUILD = os.environ.get("SEKISHO_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
SEKISHO = os.path.join(BUILD, "sekisho")
HOSTILE = "bad \x1b]0;owned\x07\x1b[31m line\u009b2J\nsecond"
NOW = int(time.time())

FEED = {"name": "drop", "action": "block", "state": "held", "entries": 12, "entries_v4": 10, "entries_v6": 2,
        "last_success": NOW - 60, "next_try": NOW + 3600, "error": HOSTILE, "url": "http://192.0.2.9/l"}
DATA = {
    "status": {"version": "0.1.0", "mode": "enforce", "confirm_left_s": 42, "feeds": [FEED], "warnings": [HOSTILE],
               "interfaces": [{"name": "rl0", "attach": "native", "program_id": 7, "attached": True}],
               "table": {"generation": 3, "prefixes_v4": 10, "prefixes_v6": 2, "bytes": 36864},
               "packets": {"passed": 5, "dropped": 9, "would_drop": 0,
                           "by_reason": {"feed": {"passed": 0, "dropped": 9, "would_drop": 0}}},
               "entries": {"used": 1, "size": 4096}},
    "explain": {"address": "192.0.2.1", "verdict": "drop", "reason": "block", "protected": None, "differs": False,
                "advice": "sekisho block del 192.0.2.1", "mode": "enforce",
                "matches": [{"prefix": "192.0.2.1", "kind": "block", "source": "manual", "action": "drop",
                             "since": NOW - 90, "expires": None, "reason": HOSTILE, "by": "root"}]},
    "feed.list": {"feeds": [FEED]},
    "feed.show": dict(FEED, lines=20, duplicates=1, host_bits=0, left_out_v4=0, left_out_v6=0, coverage_v4=0.01,
                      coverage_v6=0.0, errors_total=1, errors=[{"line": 4, "reason": "trailing", "text": HOSTILE}]),
    "version": {"version": "0.1.0"},
}


LISTS_OF_DATA = ("feed.list", "limit.list")  # the others are pages of the engine's entries


def answer(request, entries):
    verb = request["verb"]
    if verb.endswith(".list") and verb not in LISTS_OF_DATA:
        start, limit = request.get("after") or 0, request["limit"]
        page = entries[start:start + limit]
        return {"ok": True, "data": {"entries": page, "next": start + limit if start + limit < len(entries) else None}}
    if request.get("prefix") == "198.51.100.66" or request.get("name") == "refused":
        return {"ok": False, "error": "refused: " + HOSTILE, "code": 1}
    if verb.endswith(".import"):
        bad = [{"index": i, "error": "it is protected"} for i, e in enumerate(request["entries"]) if e["prefix"] == "192.0.2.254"]
        if request.get("sync"):
            assert not request["entries"]
        host_bits = sum(e["prefix"].endswith(".7/24") for e in request["entries"])
        if request.get("stream"):
            return {"ok": True, "data": {"added": len(request["entries"]) - len(bad), "rejected": bad, "host_bits": host_bits}}
        entries.extend([] if bad else request["entries"])
        return {"ok": True, "data": {"added": 0 if request["more"] else len(entries), "rejected": bad, "host_bits": host_bits}}
    return {"ok": True, "data": DATA.get(verb, {})}


class Engine:
    """Answers on a socket in its own thread and keeps what it was asked."""

    def __init__(self, path):
        self.path, self.requests, self.entries, self.mute = path, [], [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as stream:
                for line in stream:
                    self.requests.append(json.loads(line))
                    if self.mute:
                        self.mute = False
                        break
                    stream.write(json.dumps(answer(self.requests[-1], self.entries)).encode() + b"\n")
                    stream.flush()


@pytest.fixture
def engine(tmp_path):
    one = Engine(str(tmp_path / "sekisho.sock"))
    yield one
    one.listener.shutdown(socket.SHUT_RDWR)  # else the thread might accept on the descriptor's next user
    one.thread.join()
    one.listener.close()


def run(engine, *words, text=None, env=None):
    path = engine if isinstance(engine, str) else engine.path
    full = dict(os.environ, SEKISHO_SOCKET=path, **(env or {}))
    return subprocess.run([SEKISHO, *words], input=text, env=full, capture_output=True, text=True, timeout=80)


def entry(i):
    return {"id": i, "prefix": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", "origin": "manual", "reason": None,
            "since": NOW, "expires": NOW + 3600, "by": "root"}


VERBS = [(("status",), "status"), (("explain", "192.0.2.1"), "explain"), (("block", "list"), "block.list"),
         (("allow", "list"), "allow.list"), (("feed", "list"), "feed.list"), (("feed", "show", "drop"), "feed.show"),
         (("block", "add", "192.0.2.1"), "block.add"),
         (("block", "del", "192.0.2.1"), "block.del"), (("block", "flush", "--origin", "x"), "block.flush"),
         (("allow", "add", "192.0.2.1"), "allow.add"), (("allow", "del", "192.0.2.1"), "allow.del"),
         (("allow", "flush", "--origin", "x"), "allow.flush"), (("mode", "monitor"), "mode"), (("confirm",), "confirm"),
         (("reload",), "reload"), (("detach",), "detach"), (("version",), "version")]


@pytest.mark.parametrize("words,verb", VERBS)
def test_every_verb_asks_and_json_is_one_document(engine, words, verb):
    engine.entries = [entry(1)]
    plain = run(engine, *words)
    assert (plain.returncode, plain.stderr) == (0, "")
    for position in (("--json", *words), (*words, "--json")):
        done = run(engine, *position)
        assert done.returncode == 0
        document = json.loads(done.stdout)
        if verb in DATA:
            assert document == DATA[verb] | ({"cli": "0.1.0"} if verb == "version" else {})
    assert [r["verb"] for r in engine.requests] == [verb] * 3


@pytest.mark.parametrize("words", [(), ("good",), ("drop",)])
def test_feed_update_tells_what_came_of_it(engine, words):
    before, DATA["feed.list"] = DATA["feed.list"], {"feeds": [FEED, dict(FEED, name="good", error=None)]}
    try:
        done = run(engine, "feed", "update", *words)
        assert done.stdout == "" and done.returncode == (words != ("good",))
        assert (done.stderr.startswith("sekisho: feed drop: bad ") and done.stderr.count("\n") == 1) if done.returncode else done.stderr == ""
        assert [r["verb"] for r in engine.requests] == ["feed.update", "feed.list"]
        assert engine.requests[0].get("name") == (words[0] if words else None)
        rows = json.loads(run(engine, "feed", "update", *words, "--json").stdout)["feeds"]
        assert [row["name"] for row in rows] == list(words or ("drop", "good"))
    finally:
        DATA["feed.list"] = before


def test_add_sends_every_field(engine):
    done = run(engine, "block", "add", "192.0.2.1", "--for", "1h", "--origin=f2b", "--reason", "--json", "--force",
               env={"SSH_CONNECTION": "198.51.100.7 5 192.0.2.2 22"})
    assert (done.returncode, done.stdout) == (0, "")
    assert engine.requests == [{"verb": "block.add", "prefix": "192.0.2.1", "for_s": 3600, "origin": "f2b",
                                "reason": "--json", "force": True, "ssh_client": "198.51.100.7"}]


@pytest.mark.parametrize("words,for_s", [((), -1), (("--for", "-1"), -1), (("--for", "7d"), 604800)])
def test_for(engine, words, for_s):
    assert run(engine, "block", "add", "192.0.2.1", *words).returncode == 0
    assert engine.requests[0]["for_s"] == for_s


@pytest.mark.parametrize("words,named", [
    ((), "no command"), (("bloc",), "bloc"), (("block",), "block"), (("block", "ad"), "ad"), (("--jsn",), "--jsn"),
    (("block", "add"), "PREFIX"), (("block", "add", "a", "b"), '"b"'), (("block", "add", "a", "--fro"), "--fro"),
    (("block", "add", "a", "--for"), "--for"), (("block", "add", "a", "--for", "1x"), "1x"),
    (("block", "add", "a", "--for", "0s"), '"0s"'), (("mode", "monitor", "--confirm", "0m"), '"0m"'), (("review", "reject", "1", "--allow", "0h"), '"0h"'),
    (("block", "flush"), "--origin"), (("mode", "of"), "of"), (("feed", "accept"), "accept"), (("feed", "show"), "NAME"),
    (("block", "add", "a", "--origin", "a b"), '"a b": the origin has a blank'), (("allow", "import", "-", "--origin=a\tb"), "has a blank"),
    (("block", "add", "a", "--force=1"), "--force"), (("-s",), "-s"), (("status", "\x1b[31m"), "\\x1b")])
def test_misuse_names_the_word(engine, words, named):
    done = run(engine, *words)
    assert done.returncode == 2 and done.stdout == "" and engine.requests == []
    assert named in done.stderr and done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


@pytest.mark.parametrize("words, is_offered", [
    (("mode", "monitor", "--confirm"), False), (("block", "add", "192.0.2.1", "--for"), True), (("block", "import", "-", "--for"), True),
    (("review", "reject", "1", "--allow"), True)])
def test_for_good_is_offered_where_it_is_taken(engine, words, is_offered):
    said = run(engine, *words, "abc")
    assert said.returncode == 2 and '"abc" is no duration; write 90s' in said.stderr and ("-1" in said.stderr) == is_offered
    assert engine.requests == []
    assert run(engine, *words, "-1", text="").returncode == (0 if is_offered else 2)


@pytest.mark.parametrize("words, said", [
    (("--help",), "usage: sekisho [-s SOCKET]"), (("help",), "usage: sekisho [-s SOCKET]"), (("-h",), "usage: sekisho [-s"),
    (("block", "--help"), "sekisho block flush --origin NAME"), (("help", "block"), "sekisho block flush --origin NAME"),
    (("block", "add", "--help"), "usage: sekisho block add PREFIX"), (("help", "block", "add"), "usage: sekisho block add PREFIX"),
    (("help", "mode"), "usage: sekisho mode enforce|monitor"), (("status", "-h"), "usage: sekisho status"), (("--version",), "sekisho 0.")])
def test_help_needs_no_agent(tmp_path, words, said):
    done = run(str(tmp_path / "none"), *words)
    assert done.returncode == 0 and said in done.stdout and not done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("words", [("help", "nonsense"), ("help", "block", "ad"), ("help", "mode", "x")])
def test_help_about_nothing_is_misuse(tmp_path, words):
    done = run(str(tmp_path / "none"), *words)
    assert done.returncode == 2 and done.stdout == "" and words[-1] in done.stderr and done.stderr.count("\n") == 1


def test_no_agent(tmp_path):
    done = run(str(tmp_path / "none"), "status")
    assert done.returncode == 3 and done.stdout == "" and done.stderr.count("\n") == 1


def test_agent_that_hangs_up(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(1)
    threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
    done = run(str(tmp_path / "s"), "status")
    assert done.returncode == 3 and done.stderr.count("\n") == 1


def test_view_socket_where_control_is_closed(tmp_path):
    closed = socket.socket(socket.AF_UNIX)
    closed.bind(str(tmp_path / "sekisho.sock"))
    os.chmod(tmp_path / "sekisho.sock", 0o600)
    view = Engine(str(tmp_path / "view.sock"))
    os.chmod(tmp_path / "view.sock", 0o666)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    done = subprocess.run([SEKISHO, "-s", str(tmp_path / "sekisho.sock"), "version"], capture_output=True, text=True,
                          user=65534, group=65534, extra_groups=[], timeout=80)
    assert done.returncode == 0, done.stderr
    assert view.requests == [{"verb": "version"}]


@pytest.mark.parametrize("words", [("status",), ("explain", "192.0.2.1"), ("feed", "list"), ("feed", "show", "drop"),
                                   ("feed", "list", "--json"), ("block", "add", "198.51.100.66"), ("feed", "update", "refused")])
def test_hostile_text_is_escaped(engine, words):
    done = run(engine, *words)
    said = done.stdout + done.stderr
    assert "\\x1b" in said or "\\u001b" in said.lower()
    assert not set(said) & {"\x1b", "\x07", "\u009b"}
    assert done.returncode == (1 if "refused" in said else 0)
    if done.returncode:
        assert done.stderr.count("\n") == 1 and done.stdout == ""


def on_terminal(engine, *words, width=80, env=None):
    """What a terminal of @width columns gets, colours and all."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    full = dict(os.environ, SEKISHO_SOCKET=engine.path, TERM="xterm-256color", **(env or {}))
    full.pop("NO_COLOR", None) if not env else None
    child = subprocess.Popen([SEKISHO, *words], env=full, stdout=side, stderr=side, stdin=side)
    os.close(side)
    said = b""
    try:
        while more := os.read(main, 65536):
            said += more
    except OSError:  # EIO: the other side is closed
        pass
    os.close(main)
    assert child.wait(80) == 0
    return said.decode().replace("\r\n", "\n")


def test_colours_only_on_a_terminal(engine):
    assert "\x1b[31mdrop" in on_terminal(engine, "explain", "192.0.2.1")
    assert "\x1b" not in on_terminal(engine, "explain", "192.0.2.1", env={"NO_COLOR": "1"})
    assert "\x1b" not in run(engine, "explain", "192.0.2.1").stdout
    assert "\x1b" not in on_terminal(engine, "--json", "status")


def test_last_column_wraps_inside_a_terminal_and_is_whole_in_a_pipe(engine):
    engine.entries = [dict(entry(1), reason="word " * 40)]
    lines = on_terminal(engine, "block", "list").splitlines()
    assert len(lines) > 3 and max(map(len, lines)) <= 80
    start = lines[0].index("REASON")
    assert lines[2][:start].strip() == "" and lines[2][start:].strip()
    lines = run(engine, "block", "list").stdout.splitlines()
    assert len(lines) == 2 and lines[1].count("word") == 40
    engine.entries = [dict(entry(1), prefix="2001:db8:" + "ffff:" * 5 + "ffff", origin="o" * 40, reason="word " * 40)]
    lines = on_terminal(engine, "block", "list").splitlines()
    assert max(map(len, lines)) <= 80 and lines[1].startswith("2001:db8:ffff:") and "ffff:ffff" in lines[2][:20]  # others get narrower too
    assert len(on_terminal(engine, "block", "list", width=50).splitlines()) == 2  # no room: the terminal's own wrapping, not slivers


@pytest.mark.parametrize("width", [80, 100])
def test_tables_and_texts_fit_a_terminal(engine, width):
    """Words stay whole where they can, commands always, and what tells nothing goes."""
    limit = {"name": "everything-of-everyone", "protocol": "tcp-syn", "ports": "22,2200-2299", "packets": None, "bits": "200M/s", "burst": 25e6, "per": "/32, /64",
             "action": "monitor", "dropped": 123456, "would_drop": 7, "over_now": 1, "bans": 3, "review": {"confirmed": 0, "rejected": 0}}
    long_error = "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to the server of the list"
    command = "sekisho block del 2001:db8:1111:2222:3333:4444:5555:6666 --origin fail2ban:some-jail --and=more"
    quality = {"name": "a-list-with-a-long-name-of-fifty-characters-in-all", "action": "monitor", "entries": 1000000, "hits": 123456789, "unique_hits": 12345678,
               "unique_share": .1234, "hit_entries": 123456, "churn_per_day": .0123, "changed": None, "rejected": 0}
    before = dict(DATA)
    DATA.update({"limit.list": {"limits": [limit]}, "explain": dict(DATA["explain"], advice=command), "feed.quality": {"lists": [quality] * 2, "overlaps": [], "days": 7},
                 "feed.list": {"feeds": [dict(FEED, name="a-feed-with-quite-a-long-name", error=long_error)]}, "review.show": dict(BAN, state="live", until=NOW + 60)})
    try:
        for words in (("limit", "list"), ("feed", "list"), ("feed", "quality"), ("explain", "192.0.2.1"), ("review", "show", "4")):
            said = on_terminal(engine, *words, width=width, env={"NO_COLOR": "1"}).splitlines()
            wide = [line for line in said if len(line) > width]
            assert wide == ([f"to change it    {command}"] if words[0] == "explain" else []), words
        lines = on_terminal(engine, "feed", "list", width=width, env={"NO_COLOR": "1"}).splitlines()
        assert set(long_error.split()) <= {word for line in lines for word in line.split()}
        assert "RIGHT" not in on_terminal(engine, "limit", "list", width=80) and "RIGHT" in run(engine, "limit", "list").stdout
        limit["review"]["confirmed"] = 2
        assert "2 of 2" in run(engine, "limit", "list").stdout and "200Mbit/s" in run(engine, "limit", "list").stdout
    finally:
        DATA.clear()
        DATA.update(before)


def test_ten_thousand_entries_come_in_time(engine):
    engine.entries = [entry(i) for i in range(10000)]
    start = time.monotonic()
    lines = run(engine, "block", "list").stdout.splitlines()
    assert len(lines) == 10001 and columns(lines[-1])[0] == entry(9999)["prefix"]
    assert time.monotonic() - start < 5


def test_empty_states_say_so(engine):
    assert run(engine, "block", "list").stdout == "no entries\n"
    assert json.loads(run(engine, "block", "list", "--json").stdout) == {"entries": [], "next": None}
    before, DATA["feed.list"] = DATA["feed.list"], {"feeds": []}
    try:
        assert run(engine, "feed", "list").stdout.startswith("no feeds")
    finally:
        DATA["feed.list"] = before


def test_status_says_what_is_not_protected_and_shows_no_empty_rows(engine):
    status = DATA["status"]
    DATA["status"] = json.loads(json.dumps(status))
    DATA["status"]["packets"]["by_reason"]["limit"] = {"passed": 0, "dropped": 0, "would_drop": 0}
    try:
        said = run(engine, "status").stdout
        assert "\nlimit" not in said and "\nfeed " in said and "not protected" not in said
        DATA["status"]["interfaces"][0]["attached"] = False
        assert "warning: interface rl0 is not protected" in run(engine, "status").stdout
        DATA["status"]["interfaces"] = []
        assert "warning: no interface is protected" in run(engine, "status").stdout
    finally:
        DATA["status"] = status


@pytest.mark.parametrize("share, said", [
    (0, "0 %"), (7.08e-8, "< 0.0001 %"), (9.99e-7, "< 0.0001 %"), (1.01e-6, "0.000101 %"), (1.234e-5, "0.00123 %"), (0.0072, "0.72 %"),
    (0.0999, "9.99 %"), (0.9999, "100 %"), (1, "100 %"), (12.345, "1234 %")])
def test_shares_are_written_as_people_do(engine, share, said):
    before, DATA["feed.show"] = DATA["feed.show"], dict(DATA["feed.show"], coverage_v4=share)
    try:
        assert f"\ncoverage IPv4   {said}\n" in run(engine, "feed", "show", "drop").stdout
    finally:
        DATA["feed.show"] = before


BAN = {"id": 4, "source": "192.0.2.9", "limit": "ssh", "verdict": "undecided", "since": NOW - 60, "level": 0, "generation": 2, "config_hash": "ab",
       "threshold_per_s": 10.0, "rate_per_s": 90.0, "unit": "packets", "window_ms": 1000, "dropped": {}, "signals": []}


def clock(when):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


@pytest.mark.parametrize("more, said", [
    ({"state": "live", "how": "", "ended": None, "until": NOW + 3700}, f"still in force  until {clock(NOW + 3700)} (1h 1m left)"),
    ({"state": "ended", "how": "", "ended": NOW - 120, "until": NOW - 120}, f"how it ended    its time was over, {clock(NOW - 120)} (2m"),
    ({"state": "rejected", "how": "rejected by " + HOSTILE, "ended": NOW - 120}, r"how it ended    rejected by bad \x1b]0;owned"),
    ({"state": "probation", "how": "", "ended": NOW - 5, "trial_until": NOW + 3700}, f"on probation    until {clock(NOW + 3700)} (1h 1m left)")])
def test_a_ban_is_in_force_or_has_ended(engine, more, said):
    DATA["review.show"] = dict(BAN, **more)
    lines = [line for line in run(engine, "review", "show", "4").stdout.splitlines()]
    assert any(line.startswith(said) for line in lines), lines
    assert any(line.startswith("how it ended") for line in lines) == (more["state"] != "live")


def columns(line):
    return line.split()


def test_tables(engine):
    engine.entries = [entry(1), entry(2)]
    lines = run(engine, "block", "list").stdout.splitlines()
    assert columns(lines[0]) == ["PREFIX", "ORIGIN", "AGE", "LEFT", "BY", "REASON"]
    assert [columns(line)[0] for line in lines[1:]] == ["10.0.0.1", "10.0.0.2"]
    assert len({line.index("manual") for line in lines[1:]} | {lines[0].index("ORIGIN")}) == 1
    lines = run(engine, "feed", "list").stdout.splitlines()
    assert columns(lines[0]) == ["NAME", "ACTION", "STATE", "IPV4", "IPV6", "AGE", "NEXT", "ERROR"]
    assert columns(lines[1])[:5] == ["drop", "block", "held", "10", "2"]
    said = run(engine, "status").stdout
    for piece in ("sekisho confirm", "36.0 KiB", "1 of 4096", "rl0", "native"):
        assert piece in said
    assert ["feed", "0", "9", "0"] in [columns(line) for line in said.splitlines()]
    assert "never" in run(engine, "explain", "192.0.2.1").stdout


def test_list_pages(engine):
    engine.entries = [entry(i) for i in range(5001)]
    document = json.loads(run(engine, "block", "list", "--json").stdout)
    assert document == {"entries": engine.entries, "next": None}
    assert [r.get("after") for r in engine.requests] == [None, 5000]


def test_import(engine, tmp_path):
    text = "# list\n\n192.0.2.1\n192.0.2.2 1h f2b too many  tries\n010.0.0.1\n192.0.2.3 1x\n" \
           '{"prefix": "2001:db8::/32", "for": "2h", "reason": "r"}\n{"prefix": 3}\n'
    path = tmp_path / "list"
    path.write_text(text)
    done = run(engine, "block", "import", str(path), "--origin", "mine")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 4 and "nothing was applied: 3 bad lines" in done.stderr
    for line in (5, 6, 8):
        assert f"line {line}:" in done.stderr
    assert engine.requests == [{"verb": "block.import", "force": False, "more": True, "entries": [
        {"prefix": "192.0.2.1", "for_s": -1, "origin": "mine"},
        {"prefix": "192.0.2.2", "for_s": 3600, "origin": "f2b", "reason": "too many  tries"},
        {"prefix": "2001:db8::/32", "for_s": 7200, "origin": "mine", "reason": "r"}]}]
    path.write_text("".join(f"10.0.{i >> 8}.{i & 255}\n" for i in range(2001)))
    engine.requests.clear()
    engine.entries.clear()
    done = run(engine, "allow", "import", str(path), "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"added": 2001, "rejected": 0, "host_bits": 0}
    assert [(len(r["entries"]), r["more"]) for r in engine.requests] == [(1000, True), (1000, True), (1, False)]
    path.write_text("192.0.2.1\n\n192.0.2.254\n")
    done = run(engine, "block", "import", str(path))
    assert done.returncode == 1 and "line 3: it is protected" in done.stderr and "nothing was applied" in done.stderr


def test_imports_count_cleared_host_bits(engine, tmp_path):
    path = tmp_path / "list"
    path.write_text("198.51.100.7/24\n192.0.2.1\n203.0.113.7/24\n")
    assert run(engine, "block", "import", str(path)).stdout == "3 entries in force (host bits of 2 cleared)\n"
    assert json.loads(run(engine, "--json", "block", "import", str(path)).stdout)["host_bits"] == 2
    lines = run(engine, "block", "import", "-", text=path.read_text()).stdout.splitlines()
    assert lines[-1] == "3 entries in force (host bits of 2 cleared)"
    assert sum(row["host_bits"] for row in acks(run(engine, "--json", "block", "import", "-", text=path.read_text()).stdout)) == 2
    path.write_text("192.0.2.1\n")
    engine.entries.clear()
    assert run(engine, "block", "import", str(path)).stdout == "1 entries in force\n"


def acks(stdout):
    return [json.loads(line) for line in stdout.splitlines()]


def test_import_of_a_pipe_names_bad_lines_and_goes_on(engine):
    text = "192.0.2.1\n\nnonsense\n192.0.2.254 1h\n192.0.2.9 1x\n" + "# " + "x" * 5000 + "\n" + "y" * 70000 + "\n192.0.2.2 1h f2b too  many\n192.0.2.7"
    done = run(engine, "--json", "block", "import", "-", "--origin", "mine", text=text)
    assert done.returncode == 1
    for line, why in ((3, "not an IPv4"), (4, "it is protected"), (5, "no duration"), (6, "4096"), (7, "4096"), (9, "may be cut")):
        assert any(f"line {line}:" in row and why in row for row in done.stderr.splitlines()), (line, done.stderr)
    assert "6 lines were left out" in done.stderr and done.stderr.count("\n") == 7
    rows = acks(done.stdout)
    assert [row["last"] for row in rows][-1] == 9 and rows[0]["first"] == 1
    assert (sum(row["added"] for row in rows), sum(row["rejected"] for row in rows)) == (2, 6)
    assert all(r["verb"] == "block.import" and r["stream"] is True and "more" not in r for r in engine.requests)
    assert engine.requests[-1]["sync"] is True and engine.requests[-1]["entries"] == [] and not any(r.get("sync") for r in engine.requests[:-1])
    assert [e for r in engine.requests for e in r["entries"] if e["prefix"] != "192.0.2.254"] == [
        {"prefix": "192.0.2.1", "for_s": -1, "origin": "mine"}, {"prefix": "192.0.2.2", "for_s": 3600, "origin": "f2b", "reason": "too  many"}]
    engine.requests.clear()
    done = run(engine, "allow", "import", "-", text="".join(f"10.{i >> 8}.{i & 255}.0/24 1h o {chr(7) * 200}\n" for i in range(4001)))
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.splitlines()[-1] == "4001 entries in force"
    assert max(len(json.dumps(r, separators=(",", ":"))) for r in engine.requests) < 1 << 20 and len(engine.requests) > 1
    assert run(engine, "block", "import", "-", text="").stdout == "0 entries in force\n"
    assert run("/nowhere/sock", "block", "import", "-", text="192.0.2.1\n").returncode == 3


JSON_LINES = [
    ('{"prefix": "192.0.2.1", "duration": "1h"}', 3600), ('{"prefix": "192.0.2.1", "for": "2h"}', 7200), ('{"prefix": "192.0.2.1", "for_s": 60}', 60),
    ('{"prefix": "192.0.2.1", "for_s": -1}', -1), ('{"prefix": "192.0.2.1"}', -1),
    ('{"prefix": "192.0.2.1", "for": 3600}', "are texts"), ('{"prefix": "192.0.2.1", "for_s": "3600"}', "whole number"),
    ('{"prefix": "192.0.2.1", "for_s": 60.5}', "whole number"), ('{"prefix": "192.0.2.1", "for_s": -7}', "from 1 on"),
    ('{"prefix": "192.0.2.1", "for_s": 0}', "from 1 on"), ('{"prefix": "192.0.2.1", "for": "0s"}', "no duration"),
    ('{"prefix": "192.0.2.1", "origin": 7}', "are texts"), ('{"prefix": "192.0.2.1", "ttl": "1h"}', "a key that is none of"),
    ('{"prefix": "192.0.2.1", "for": "1h", "for_s": 60}', "more than one"), ('{"prefix": "192.0.2.1", "prefix": "192.0.2.2"}', "not one JSON object"),
    ('{"prefix": "192.0.2.1"', "not one JSON object"), ('{"prefix": "192.0.2.1"} x', "not one JSON object"),
]


def test_a_json_line_that_is_not_understood_is_no_entry(engine):
    """What was meant to end in an hour is never there for good. The last line has no newline: an object tells its own end."""
    done = run(engine, "block", "import", "-", text="\n".join(line for line, _ in JSON_LINES + [('{"prefix": "192.0.2.3"}', -1)]))
    assert [e["for_s"] for r in engine.requests for e in r["entries"]] == [want for _, want in JSON_LINES if isinstance(want, int)] + [-1]
    for i, (line, want) in enumerate(JSON_LINES, 1):
        if isinstance(want, str):
            assert any(f"line {i}:" in row and want in row for row in done.stderr.splitlines()), (line, done.stderr)


def test_import_of_a_pipe_does_not_wait_for_its_end_and_outlives_the_agent(engine):
    words = [SEKISHO, "-s", engine.path, "--json", "block", "import", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pipe:
        for i in (1, 2, 3):
            engine.mute = i == 2  # goes down with the request unanswered; the next connection gets it again
            pipe.stdin.write(("" if i == 1 else "1\n") + f"192.0.2.{i}")  # a line without its end is none yet
            pipe.stdin.flush()
            if i > 1:
                assert json.loads(pipe.stdout.readline()) == {"first": i - 1, "last": i - 1, "added": 1, "rejected": 0, "host_bits": 0}
        pipe.stdin.write("\n")
        pipe.stdin.close()
        assert json.loads(pipe.stdout.readline()) == {"first": 3, "last": 3, "added": 1, "rejected": 0, "host_bits": 0}
        said = pipe.stderr.read()
        assert pipe.wait(20) == 0
    assert said.count("is gone; trying again") == 1
    assert [r["entries"][0]["prefix"] for r in engine.requests[:-1]] == ["192.0.2.11", "192.0.2.11", "192.0.2.21", "192.0.2.3"]


def test_check_config(tmp_path):
    path = tmp_path / "sekisho.yaml"
    path.write_text("interfaces: [auto]\nmode: enforce\n")
    assert run("none", "check-config", str(path)).returncode == 0
    (tmp_path / "feeds.d").mkdir()
    (tmp_path / "feeds.d" / "a.yaml").write_text("nonsense: 1\n")
    done = run("none", "check-config", str(path))
    assert done.returncode == 1 and done.stdout.startswith(f"{tmp_path}/feeds.d/a.yaml:1:")
    document = json.loads(run("none", "check-config", str(path), "--json").stdout)
    assert document["ok"] is False and document["errors"][0]["line"] == 1
    assert run("none", "check-config", str(tmp_path / "missing")).returncode == 1


def as_user(one, groups, *words):
    """The CLI as nobody with the supplementary @groups."""
    who = ["--groups", groups] if groups else ["--clear-groups"]
    return subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", *who, SEKISHO, "-s",
                           str(one.dir / "run/sekisho.sock"), *words], capture_output=True, text=True, timeout=80)


def test_what_each_group_may_do(lab, agent):
    """Real users at a real agent: none, the looking group, the changing group."""
    one = agent().start()
    done = as_user(one, None, "status")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "permission denied" in done.stderr and "sekisho-view" in done.stderr
    assert as_user(one, "sekisho-view", "status").returncode == 0
    for words in (("block", "add", "192.0.2.4"), ("block", "del", "192.0.2.4"), ("allow", "flush", "--origin", "x"),
                  ("mode", "monitor"), ("detach",), ("reload",), ("feed", "update")):
        done = as_user(one, "sekisho-view", *words)
        assert (done.returncode, done.stdout) == (1, "") and "group sekisho" in done.stderr, words
    assert one.ask("block", "list")["entries"] == [] and one.ask("status")["mode"] == "enforce"
    assert as_user(one, "sekisho", "block", "add", "192.0.2.4").returncode == 0
    assert [(e["prefix"], e["by"]) for e in one.ask("block", "list")["entries"]] == [("192.0.2.4", "nobody")]


@pytest.mark.parametrize("line, offered", [
    ("sekisho st", {"status"}), ("sekisho block ", {"add", "del", "list", "import", "flush"}), ("sekisho --json feed s", {"show"}),
    ("sekisho block add 192.0.2.1 --f", {"--for", "--force"}), ("sekisho mode m", {"monitor"}), ("sekisho confirm ", set()),
    ("sekisho feed show ", {"drop"}), ("sekisho -s x allow li", {"list"}), ("sekisho che", {"check-config"}), ("sekisho help mo", set())])
def test_completion(engine, line, offered):
    before, DATA["feed.list"] = DATA["feed.list"], {"feeds": [dict(FEED, error=None)]}
    script = os.path.join(os.path.dirname(__file__), "../../scripts/sekisho.bash")
    ask = 'source "$0"; words=$1; COMP_WORDS=($words); [[ $words != *" " ]] || COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sekisho; printf "%s\\n" "${COMPREPLY[@]}"'
    try:
        done = subprocess.run(["bash", "-c", ask, script, line], capture_output=True, text=True, timeout=80,
                              env=dict(os.environ, SEKISHO_SOCKET=engine.path, PATH=f"{BUILD}:{os.environ['PATH']}"))
    finally:
        DATA["feed.list"] = before
    assert done.stderr == "" and set(done.stdout.split()) == offered


def test_json_holds_what_is_promised(lab, agent):
    """The members interface documents promise, from a real agent."""
    one = agent()
    (one.dir / "list").write_text("198.51.100.0/24\n")
    one.write(f"feeds:\n  - {{name: one, path: \"{one.dir}/list\", format: plain}}\n")
    one.start()
    one.cli("feed", "update")
    status = one.ask("status")
    assert {"mode", "interfaces", "table", "feeds", "packets"} <= set(status)
    assert {"name", "attach", "program_id"} <= set(status["interfaces"][0])
    assert {"generation", "prefixes_v4", "prefixes_v6", "bytes"} <= set(status["table"])
    assert {"name", "state", "entries", "last_success", "error"} <= set(status["feeds"][0])
    assert {"passed", "dropped", "by_reason"} <= set(status["packets"])
    answer = one.ask("explain", "198.51.100.7")
    assert (answer["address"], answer["verdict"], answer["reason"]) == ("198.51.100.7", "drop", "feed")
    match = answer["matches"][0]
    assert (match["prefix"], match["kind"], match["source"], match["action"], match["expires"]) == ("198.51.100.0/24", "feed", "one", "block", None)
    assert abs(match["since"] - time.time()) < 60
    assert one.ask("explain", "203.0.113.1")["reason"] == "none"
