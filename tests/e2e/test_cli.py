# SPDX-License-Identifier: GPL-2.0
"""The command line against a fake engine on a unix socket: every verb, exit codes, hostile text; who may do what, completion."""
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from cli_engine import BUILD, DATA, FEED, SEKISHO, Engine, engine, entry, run  # noqa: F401 - engine is a fixture


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
