# SPDX-License-Identifier: GPL-2.0
"""`block import` from files and pipes, against a fake engine: what is sent, what is said of bad lines, an agent that goes away."""
import json
import subprocess


from cli_engine import SEKISHO, engine, run  # noqa: F401 - engine is a fixture


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
