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
    process = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "/usr/bin/python3", script, tmp_path, "127.0.0.1", "127.0.0.2", "8099"], stdout=subprocess.PIPE, text=True)
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
    assert requests(server) == [["127.0.0.1", "/list", SECRET]]
    # a wrong key, a key refused, a redirect: what goes wrong is told without the key
    (server / "want").write_text("another")
    done = one.cli("feed", "update", "keyed", check=False)
    assert "HTTP 401" in done.stderr and SECRET not in done.stderr
    with_feed(one, "/hang")
    one.cli("reload")
    wait_for(lambda: ["127.0.0.1", "/hang", SECRET] in requests(server), what="the hanging request")
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


def kept_by(agent):
    return [path for folder in ("state", "run") for path in (agent.dir / folder).rglob("*") if path.is_file()]


def test_a_key_that_belongs_into_the_query(lab, agent, server):
    """From its file as well, encoded, behind what the url has; a redirect does not get it from us."""
    one, secret = agent(), SECRET + "+/="
    (server / "want").write_text(secret)
    key = one.dir / "key"
    key.touch(0o600)
    key.write_text(secret)
    row = f'feeds:\n  - {{name: keyed, url: "http://127.0.0.1:8099/%s", key-file: "{key}", key-query: key, format: plain}}\n'
    one.write(row % "list?a=b#c")
    one.start()
    wait_for(lambda: feed(one)["state"] == "ok", what="the list")
    encoded = SECRET + "%2B%2F%3D"
    assert requests(server) == [["127.0.0.1", f"/list?a=b&key={encoded}", secret]]
    wait_for(lambda: lab.probe(BAD, 5) == 0, what="the list in force")
    (server / "want").write_text("another")
    done = one.cli("feed", "update", "keyed", check=False)
    assert "HTTP 401" in done.stderr and SECRET not in done.stderr
    one.write(row % "other")
    one.cli("reload")
    wait_for(lambda: feed(one)["state"] == "ok" and len(requests(server)) == 4, what="the other server's list")
    assert requests(server)[2:] == [["127.0.0.1", f"/other?key={encoded}", secret], ["127.0.0.2", "/open", "none"]]
    shown = [one.cli(*words).stdout + one.cli("--json", *words).stdout for words in (("status",), ("feed", "show", "keyed"), ("events",), ("audit",))]
    shown += [one.get("/metrics"), one.said()]
    assert "keyed" in "".join(shown) and SECRET not in "".join(shown)
    assert not [path for path in kept_by(one) if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("url, said", [(f"http://127.0.0.1:8099/list?a=b&api_key={SECRET}", r'holds a secret, "api_key".* key-file: with key-query: api_key'),
                                       (f"http://me:{SECRET}@127.0.0.1:8099/list", r"user or password: .* key-file:")])
def test_a_secret_in_the_url_is_refused_and_not_repeated(agent, server, url, said):
    """By each way in, and neither the refusal, the audit, the log nor the state has it."""
    one = agent().start()
    for words in (("try", url), ("add", "x", url, "format=plain")):
        done = one.cli("feed", *words, check=False)
        assert done.returncode == 1 and re.search(said, done.stderr) and SECRET not in done.stdout + done.stderr, done.stderr
    config = one.config.read_text()
    one.write(f'feeds:\n  - {{name: x, url: "{url}", format: plain}}\n')
    done = one.cli("check-config", one.config, check=False)
    assert done.returncode == 1 and re.search(said, done.stdout) and SECRET not in done.stdout + done.stderr, done
    assert one.cli("reload", check=False).returncode == 1 and re.search(said, one.said())
    assert [row["verb"] for row in one.ask("audit")["entries"]] == ["reload", "feed.add", "feed.try"]
    assert "127.0.0.1:8099/list" in one.ask("audit")["entries"][1]["detail"] and SECRET not in one.cli("audit").stdout + one.said()
    assert not [path for path in kept_by(one) if SECRET.encode() in path.read_bytes()] and not (server / "requests").exists()
    one.config.write_text(config)
    one.cli("feed", "add", "x", "http://127.0.0.1:8099/open", "format=plain")  # the control
    wait_for(lambda: feed(one)["state"] == "ok", what="the list")


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
    assert requests(server) == [["127.0.0.1", "/same", SECRET], ["127.0.0.1", "/list", SECRET]]
    with_feed(one, "/other", header="Authorization: Basic")
    one.cli("reload")
    wait_for(lambda: feed(one)["state"] == "ok" and len(requests(server)) == 4, what="the other server's list")
    assert requests(server)[2:] == [["127.0.0.1", "/other", "Basic " + SECRET], ["127.0.0.2", "/open", "none"]]
    with_feed(one, "/list", header=None)
    (server / "want").write_text("Bearer " + SECRET)
    one.cli("reload")
    wait_for(lambda: len(requests(server)) == 5 and feed(one)["state"] == "ok", what="the list with the default header")
    assert requests(server)[4] == ["127.0.0.1", "/list", "Bearer " + SECRET]


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
