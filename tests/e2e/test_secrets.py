# SPDX-License-Identifier: GPL-2.0
"""Keys of feeds: sent to the server they are for, and nowhere else to be found: no log, answer, metric, state, command line,
environment or core, and not at the server that it redirects to."""
import json, os, pathlib, re, stat, subprocess
import pytest
from lab import run, wait_for

SECRET = "7f3a9c0d41secretbe52"
BAD = "198.51.100.7"


@pytest.fixture
def server(lab, tmp_path):
    script = pathlib.Path(__file__).with_name("key_server.py")
    process = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "/usr/bin/python3", script, tmp_path, "127.0.0.1", "8099"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield tmp_path
    process.kill()
    process.wait()


def with_feed(agent, path, extra="", header="Key", mode=0o600):
    """Writes the config and its key; the file's mode is what is asked for."""
    key = agent.dir / "key"
    key.write_text(SECRET + "\n")
    key.chmod(mode)
    line = f", key-header: \"{header}\"" if header else ""
    agent.write(f'feeds:\n  - {{name: keyed, url: "http://127.0.0.1:8099{path}", key-file: "{key}"{line}, format: plain{extra}}}\n')
    return key


def feed(agent):
    return agent.ask("feed", "list")["feeds"][0]


def requests(folder):
    return [line.split(" ", 2) for line in (folder / "requests").read_text().splitlines()]


def processes(agent):
    """The agent and all below it, the fetcher of a hanging server among them."""
    pids, found = [agent.process.pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        pids += [int(child) for child in run("ps", "--ppid", pid, "-o", "pid=", check=False).stdout.split()]
    return found


def test_the_key_is_sent_and_seen_nowhere(lab, agent, server):
    one = agent()
    (server / "want").write_text(SECRET)
    key = with_feed(one, "/list")
    one.start()
    wait_for(lambda: feed(one)["state"] == "ok", what="the list")
    assert requests(server) == [["8099", "/list", SECRET]]
    # a wrong key, a key refused, a redirect: what goes wrong is told without the key
    (server / "want").write_text("another")
    done = one.cli("feed", "update", "keyed", check=False)
    assert "HTTP 401" in done.stderr and SECRET not in done.stderr
    with_feed(one, "/hang")
    one.cli("reload")
    wait_for(lambda: ["8099", "/hang", SECRET] in requests(server), what="the hanging request")
    alive = processes(one)
    names = [pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in alive]
    assert "sekisho-fetch" in names and "sekisho-engine" in names
    for pid, name in zip(alive, names):
        for what in ("cmdline", "environ"):
            assert SECRET.encode() not in pathlib.Path(f"/proc/{pid}/{what}").read_bytes(), (name, what)
        if name == "sekisho-fetch":  # no core: the kernel gives the files of what it would not dump to root
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0 and re.search(r"Max core file size +0 +0 ", pathlib.Path(f"/proc/{pid}/limits").read_text())
            assert pathlib.Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] != "0"
    shown = [one.cli(*words).stdout + one.cli("--json", *words).stdout for words in
             (("status",), ("feed", "list"), ("feed", "show", "keyed"), ("events",), ("audit",), ("explain", BAD))] + [one.get("/metrics"), one.said()]
    assert "keyed" in "".join(shown) and SECRET not in "".join(shown)
    kept = [path for folder in ("state", "run") for path in (one.dir / folder).rglob("*") if path.is_file()]
    assert len(kept) > 2
    for path in kept:
        assert SECRET.encode() not in path.read_bytes(), path
    assert lab.probe(BAD, 5) == 0 and lab.probe("203.0.113.9", 5) == 5


def memory(pid):
    """All that a process may write to, but for the kernel's pages in it."""
    parts = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            first, last, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if mode.startswith("rw") and "[v" not in line:
                mem.seek(int(first, 16))
                try:
                    parts.append(mem.read(int(last, 16) - int(first, 16)))
                except OSError:
                    continue
    return b"\0".join(parts)


def test_the_engine_never_has_it(agent, server):
    """The engine's memory holds no key: it is the keeper's to read, the fetcher's to send; nor does the keeper's once it is sent.
    That each copy is wiped at once is for the unit test of fetchers to see."""
    one = agent()
    (server / "want").write_text(SECRET)
    key = with_feed(one, "/list")
    one.start()
    wait_for(lambda: feed(one)["state"] == "ok", what="the list")
    engine = next(int(pid) for pid, name, _ in one.children() if name.startswith("sekisho-engine"))
    for pid in (engine, one.process.pid):
        held = memory(pid)
        assert b"http://127.0.0.1:8099/list" in held and str(key).encode() in held  # control: what is kept is found
        assert SECRET[:12].encode() not in held and SECRET[12:].encode() not in held


def test_redirects_carry_it_to_its_own_server_alone(agent, server):
    one = agent()
    (server / "want").write_text(SECRET)
    with_feed(one, "/same")
    one.start()
    wait_for(lambda: feed(one)["state"] == "ok", what="the list")
    assert requests(server) == [["8099", "/same", SECRET], ["8099", "/list", SECRET]]
    with_feed(one, "/other", header="Authorization: Basic")
    one.cli("reload")
    wait_for(lambda: feed(one)["state"] == "ok" and len(requests(server)) == 4, what="the other server's list")
    assert requests(server)[2:] == [["8099", "/other", "Basic " + SECRET], ["8100", "/open", "none"]]
    with_feed(one, "/list", header=None)
    (server / "want").write_text("Bearer " + SECRET)
    one.cli("reload")
    wait_for(lambda: len(requests(server)) == 5 and feed(one)["state"] == "ok", what="the list with the default header")
    assert requests(server)[4] == ["8099", "/list", "Bearer " + SECRET]


def test_a_key_that_others_can_read_is_refused(agent, server):
    one = agent()
    (server / "want").write_text(SECRET)
    key = with_feed(one, "/list", mode=0o640)
    one.start()
    said = wait_for(lambda: feed(one)["error"], what="the refusal")
    assert said == f"key-file {key}: others than its owner may open it: chmod 600 it"
    for change, words in ((lambda: key.chmod(0o604), "chmod 600 it"), (lambda: (key.chmod(0o600), os.chown(key, 12345, 0)), "chown root it"),
                          (lambda: (os.chown(key, 0, 0), key.write_text(f"{SECRET}\nKey: x\n")), "more than one word"), (lambda: key.write_text(""), "it is empty"),
                          (key.unlink, "No such file")):
        change()
        done = one.cli("feed", "update", "keyed", check=False)
        assert done.returncode == 1 and words in done.stderr and str(key) in done.stderr, done.stderr
    assert not (server / "requests").exists()  # nothing was asked without its key
    key.write_text(SECRET)
    key.chmod(0o600)
    one.cli("feed", "update", "keyed")
    assert feed(one)["state"] == "ok" and SECRET not in one.said()
