# SPDX-License-Identifier: GPL-2.0
"""What people see of the command line, against a fake engine: tables, texts and terminals."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time

import pytest

from cli_engine import DATA, FEED, HOSTILE, NOW, SEKISHO, engine, entry, run  # noqa: F401 - engine is a fixture


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
    assert len(on_terminal(engine, "block", "list", width=44).splitlines()) == 2  # no room: the terminal's own wrapping, not slivers


@pytest.mark.parametrize("width", [80, 100])
def test_tables_and_texts_fit_a_terminal(engine, width):
    """Words stay whole where they can, commands always, and what tells nothing goes."""
    limit = {"name": "everything-of-everyone", "protocol": "tcp-syn", "ports": "22,2200-2299", "packets": None, "bits": "200M/s", "burst": 25e6, "per": "/32, /64",
             "action": "monitor", "dropped": 123456, "would_drop": 7, "over_now": 1, "bans": 3, "review": {"confirmed": 0, "rejected": 0}}
    over = {"name": "everything-of-everyone", "source": "198.51.100.50", "protocol": "tcp-syn", "ports": "22,80,443,2200-2299,8000-8999", "action": "monitor",
            "packets": "50/s", "bits": "200M/s", "prefix_len": 32, "used": .996, "over": True, "over_s": 12.345}
    long_error = "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to the server of the list"
    command = "sekisho block del 2001:db8:1111:2222:3333:4444:5555:6666 --origin fail2ban:some-jail --and=more"
    quality = {"name": "a-list-with-a-long-name-of-fifty-characters-in-all", "action": "monitor", "entries": 1000000, "hits": 123456789, "unique_hits": 12345678,
               "unique_share": .1234, "hit_entries": 123456, "churn_per_day": .0123, "changed": None, "rejected": 0}
    before = dict(DATA)
    DATA.update({"limit.list": {"limits": [limit]}, "explain": dict(DATA["explain"], advice=command, limits=[over]), "feed.quality": {"lists": [quality] * 2, "overlaps": [], "days": 7},
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
        said = on_terminal(engine, "limit", "list", width=width, env={"NO_COLOR": "1"})
        assert "2 of 2" in said and max(map(len, said.splitlines())) <= width  # judged, and it fits all the same
        assert "12.345" in on_terminal(engine, "explain", "192.0.2.1", width=width)  # since when, where it is over
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
    ({"state": "live", "how": "", "ended": None, "until": NOW + 7000}, f"still in force  until {clock(NOW + 7000)} (1h "),
    ({"state": "ended", "how": "", "ended": NOW - 7200, "until": NOW - 7200}, f"how it ended    its time was over, {clock(NOW - 7200)} (2h"),
    ({"state": "rejected", "how": "rejected by " + HOSTILE, "ended": NOW - 120}, r"how it ended    rejected by bad \x1b]0;owned"),
    ({"state": "probation", "how": "", "ended": NOW - 5, "trial_until": NOW + 7000}, f"on probation    until {clock(NOW + 7000)} (1h ")])
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
