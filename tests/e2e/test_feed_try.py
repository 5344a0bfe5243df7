# SPDX-License-Identifier: GPL-2.0
"""feed try, feed add and feed remove through the real agent, with real packets: what is said of a list that is only tried and that
nothing changes; one file a feed in feeds.d; and that neither is a way to read root's files."""
import base64, gzip, json, os, pathlib, socket, subprocess, threading, time
import pytest
from lab import BUILD, EDGE, GATEWAY, run, wait_for

BAD, NEW, GOOD, QUIET = "198.51.100.7", "198.51.100.99", "203.0.113.9", "192.0.2.77"
URL = "http://127.0.0.1:8098/list"


class Server:
    def __init__(self, lab, folder):
        self.folder = folder
        self.say("ok", BAD)
        script = pathlib.Path(__file__).with_name("feed_server.py")
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "/usr/bin/python3", script, folder, "8098"],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def say(self, mode, *lines):
        (self.folder / "list").write_text("".join(line + "\n" for line in lines))
        (self.folder / "mode").write_text(mode)

    def requests(self):
        log = self.folder / "requests"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def server(lab, tmp_path):
    one = Server(lab, tmp_path)
    yield one
    one.process.kill()
    one.process.wait()


def lists(agent, **feeds):
    text = "feeds:\n"
    for name, (keys, lines) in feeds.items():
        path = agent.dir / f"{name}.txt"
        path.write_text("".join(line + "\n" for line in lines))
        text += f"  - {{name: {name}, path: \"{path}\", format: plain, interval: 12h, max-change: 0%, {keys}}}\n"
    agent.write(text)
    return agent


def in_force(agent, n):
    wait_for(lambda: agent.ask("status")["table"]["prefixes_v4"] == n, 20, f"{n} prefixes in force")


def ask(agent, *requests, name="sekisho.sock"):
    """The last answer to @requests on one connection."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(str(agent.dir / "run" / name))
        file = one.makefile("rw")
        for request in requests:
            file.write(json.dumps(request) + "\n")
            file.flush()
            answer = json.loads(file.readline())
        return answer


def as_user(agent, group, *words):
    """The CLI as a person of @group and no other."""
    return subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--groups", group, BUILD / "sekisho", "-s", agent.dir / "run/sekisho.sock", *words],
                          text=True, capture_output=True)


def test_what_a_list_would_do(lab, agent, server):
    one = lists(agent(), drop=("action: block", [BAD, "192.0.2.64/28"]), good=("action: monitor, known-good: true", [GOOD, "203.0.113.0/28"]),
                pass_=("action: allow", ["198.51.100.200"])).start()
    in_force(one, 5)
    for source, n in ((NEW, 400), (GOOD, 400), (BAD, 400), ("198.51.100.200", 400)):
        lab.probe(source, n)
    before = one.ask("status")["table"]["generation"]
    server.say("ok", "198.51.100.0/24", GOOD, QUIET, "10.1.2.0/24", GATEWAY, "not an address", "2001:db8::/32")
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert (said["entries_v4"], said["entries_v6"], said["errors_total"]) == (5, 1, 1) and said["errors"][0]["line"] == 6
    assert (said["format"], said["format_why"]) == ("plain", "told on the command line")
    assert said["private"]["entries"] == 2 and said["protected"] == [{"address": GATEWAY, "why": "this host's default gateway"}]
    drop, good, allow = (next(row for row in said["overlaps"] if row["name"] == name) for name in ("drop", "good", "pass_"))
    assert (drop["entries_inside"], drop["entries_touched"], drop["known_good"]) == (1, 2, False)  # QUIET; and the /24 around BAD
    assert drop["share_v4"] == pytest.approx(2 / (256 + 1 + 1 + 256 + 1)) and drop["of_list_v4"] == pytest.approx(2 / 17)
    assert (good["entries_inside"], good["known_good"], allow["known_good"]) == (1, True, True)
    rows = {row["address"]: row for row in said["seen"]["rows"]}
    assert {address: row["now"] for address, row in rows.items()} == {NEW: "passes", GOOD: "passes", BAD: "dropped", "198.51.100.200": "allowed"}
    assert rows[NEW]["entry"] == "198.51.100.0/24" and rows[BAD]["drops"] > 0 and rows[NEW]["packets"] > 100
    assert said["seen"]["would_drop"] == 2 and 0 < said["seen"]["share_of_packets"] < 1
    assert said["advice"] == "monitor" and any("known-good list good" in why for why in said["reasons"])
    one.cli("block", "add", "198.51.100.96/28"), one.cli("allow", "add", GOOD)  # entries count as lists do
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert {row["address"]: row["now"] for row in said["seen"]["rows"]} == {NEW: "dropped", GOOD: "allowed", BAD: "dropped", "198.51.100.200": "allowed"}
    assert said["seen"]["would_drop"] == 0
    one.cli("block", "del", "198.51.100.96/28"), one.cli("allow", "del", GOOD)
    # Nothing has changed: the same table, the same feeds, and what the tried list names still passes.
    assert one.ask("status")["table"]["generation"] == before and lab.probe(NEW) == 20 and lab.probe(BAD) == 0
    assert [feed["name"] for feed in one.ask("feed", "list")["feeds"]] == ["drop", "good", "pass_"] and not (one.dir / "feeds.d").exists()
    text = one.cli("feed", "try", URL, "--format", "plain").stdout
    assert "advice" in text and f"sekisho feed add NAME '{URL}' --action monitor --format plain" in text
    text = one.cli("feed", "try", URL, "format=csv", "column=1", "separator= ", "max-errors=50%").stdout
    said = next(line for line in text.splitlines() if line.startswith("to add it"))
    assert said.endswith(f" NAME '{URL}' --action monitor format='csv' column='1' separator=' ' max-errors='50%'")
    assert [row["verb"] for row in one.ask("audit")["entries"] if row["result"] == "done"].count("feed.try") == 4


def test_advice_against_and_for(lab, agent, server, gun):
    one = lists(agent(), drop=("action: block", ["198.51.100.0/24"])).start()
    in_force(one, 1)
    lab.probe(GOOD, 400)
    server.say("ok", BAD, NEW)
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert said["advice"] == "no" and "drop, in force, holds 100.0 %" in said["reasons"][0]
    server.say("ok", QUIET)
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert (said["advice"], said["seen"]["sources"], said["seen"]["would_drop"]) == ("monitor", 1, 0) and "only 1 source that it could drop was seen" in said["reasons"][0]
    gun.send(*(gun.udp(f"203.0.113.{i}", 4000) for _ in range(200) for i in range(100, 145)))
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert (said["advice"], said["seen"]["sources"], said["seen"]["would_drop"]) == ("block", 46, 0) and "none of the 46 sources" in said["reasons"][0]
    server.say("ok", "0.0.0.0/1")
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert said["advice"] == "no" and "`sekisho feed accept` refused: it covers 5" in said["reasons"][0]
    server.say("ok", "0.0.0.0/1")
    assert one.ask("feed", "try", URL, "--format", "plain", "max-coverage=60%")["advice"] == "monitor"  # the feed's own guards are asked
    server.say("ok", *(f"192.0.2.{i}" for i in range(20)), "host.example", "other.example", "a.example", "b.example")
    for words, why in (([], "4 of 24 lines or values are no addresses, more than max-errors 5 %"), (["max-errors=20%", "max-entries=15"], "20 prefixes, more than max-entries 15")):
        said = one.ask("feed", "try", URL, "--format", "plain", *words)
        assert (said["advice"], said["reasons"][0]) == ("no", f"it would be held until `sekisho feed accept`: {why}")
    one.cli("feed", "add", "web", URL, "--format", "plain")
    assert "4 of 24 lines or values are no addresses, more than max-errors 5 %" in one.cli("feed", "update", "web", check=False).stderr  # and so it is


def test_sources_out_of_reach_prove_nothing(lab, agent, server, gun):
    """A protected address is dropped by no list, and a private source by none that leaves private ranges out."""
    lab.ip(lab.edge, "addr", "add", "203.0.113.50/32", "dev", "lo")  # of the edge's own, and public
    one = agent().start()
    server.say("ok", QUIET, "203.0.113.50")
    gun.send(*(gun.udp(source, 4000) for _ in range(400) for source in ("203.0.113.50", "10.99.0.2")))
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert [(row["address"], row["now"]) for row in said["seen"]["rows"]] == [("203.0.113.50", "allowed")]  # it was seen
    assert (said["seen"]["sources"], said["advice"]) == (0, "monitor") and "names 1 protected address" in said["reasons"][0]
    server.say("ok", QUIET)
    said = one.ask("feed", "try", URL, "--format", "plain")
    assert (said["seen"]["sources"], said["advice"]) == (0, "monitor") and "no source that it could drop was seen" in said["reasons"][0]


@pytest.mark.parametrize("mode, words, said", [
    ("500", [], f"{URL}: HTTP 500; its server has a fault: try again later"), ("empty", [], f"{URL}: no entries; is it a list of addresses?"),
    ("html", [], f"{URL}: the answer is an HTML page; give the URL of the list itself"),
    ("ok", ["format=csv"], "column"), ("ok", ["format=csv", "column=2"], f"{URL}: no entries; line 1: no such column in the line, or nothing in it; is it"),
    ("ok", ["key-file=/etc/shadow"], "no key"), ("ok", ["action=drop"], "action"), ("ok", ["url=http://x/"], "twice")])
def test_a_try_that_fails_says_why(agent, server, mode, words, said):
    one = agent().start()
    server.say(mode, BAD)
    out = one.cli("feed", "try", URL, *words, check=False)
    assert out.returncode in (1, 2) and said in out.stderr and out.stdout == "" and out.stderr.count("\n") == 1, (out.stdout, out.stderr)


def test_a_try_that_fails_says_of_what(agent, server):
    one = agent().start()
    path, gone = one.dir / "mine.txt", "http://127.0.0.1:1/" + "x" * 400
    path.write_bytes(b"192.0.2.1\n\0\n")
    for words, said in (([path], f"sekisho: {path}: NUL bytes: not a text; give the list itself: a text, plain or packed with gzip, zip, xz or zstd\n"),
                        (["http://127.0.0.1:1/list?a=b"], "sekisho: http://127.0.0.1:1/list?a=b: Failed to connect to 127.0.0.1 port 1: Connection refused; is the URL right, and its server up?\n"),
                        ([gone], f"sekisho: {gone[:139]}: Failed to connect to 127.0.0.1 port 1: Connection refused; is the URL right, and its server up?\n")):
        assert one.cli("feed", "try", *words, check=False).stderr == said


def test_files_are_read_by_who_asks(agent, tmp_path):
    one = agent().start()
    mine, roots, packed = one.dir / "mine.txt", one.dir / "roots.txt", one.dir / "mine.gz"
    mine.write_text("198.51.100.0/24\n" * 3)
    packed.write_bytes(gzip.compress("".join(f"192.0.2.{i}\n2001:db8::{i:x}\n" for i in range(256)).encode()))
    roots.write_text("secret of root\n198.51.100.1\n")
    roots.chmod(0o600)
    mine.chmod(0o644), packed.chmod(0o644)
    out = as_user(one, "sekisho", "--json", "feed", "try", mine, "--format", "plain")
    assert out.returncode == 0 and json.loads(out.stdout)["duplicates"] == 2, out.stderr
    said = json.loads(as_user(one, "sekisho", "--json", "feed", "try", packed).stdout)
    assert said["format_why"] == "an address, prefix or range a line" and (said["entries_v4"], said["entries_v6"]) == (256, 256)
    out = as_user(one, "sekisho", "feed", "try", roots, "--format", "plain")
    assert out.returncode == 1 and "Permission denied" in out.stderr
    for request in ({"set": {"path": str(roots), "format": "plain"}}, {"set": {"path": str(roots), "format": "plain"}, "data": ""}):
        answer = ask(one, {"verb": "feed.try", **request})
        assert not answer["ok"] and "secret" not in json.dumps(answer), answer
    assert one.cli("feed", "try", roots, "--format", "plain").returncode == 0  # root may
    out = as_user(one, "sekisho-view", "feed", "try", mine)
    assert out.returncode == 1 and "may look but not change" in out.stderr
    for words in (["feed", "add", "x", URL], ["feed", "remove", "x"]):
        assert "may look but not change" in as_user(one, "sekisho-view", *words).stderr


def test_uploads_are_bounded_and_whole(agent):
    one = agent().start()
    more = {"verb": "feed.try", "more": True, "data": base64.b64encode(bytes(600000)).decode()}
    for text in ("!", "QQ", "QQ==QQ=="):
        assert "base64" in ask(one, {"verb": "feed.try", "more": True, "data": text})["error"]
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(one.dir / "run/sekisho.sock"))
        file = other.makefile("rw")
        for _ in range(55):
            file.write(json.dumps(more) + "\n")
            file.flush()
            assert json.loads(file.readline())["ok"]
        assert "32 MiB" in ask(one, more)["error"]  # of all clients together
        file.close()
    wait_for(lambda: ask(one, more)["ok"], what="the share of a client that hung up")
    line = base64.b64encode(b"198.51.100.1\n").decode()
    answer = ask(one, *[{"verb": "feed.try", "more": True, "data": line}] * 3, {"verb": "feed.try", "data": line, "set": {"path": "/x", "format": "plain"}})
    assert answer["ok"] and answer["data"]["duplicates"] == 3


def test_tries_stall_nobody(agent, server):
    one = agent().start()
    server.say("hang", BAD)
    hanging = [subprocess.Popen([BUILD / "sekisho", "-s", one.dir / "run/sekisho.sock", "feed", "try", URL], stderr=subprocess.PIPE) for _ in range(2)]
    try:
        wait_for(lambda: len(server.requests()) == 2, what="two tries under way")
        begin = time.monotonic()
        one.cli("status")
        one.cli("block", "add", BAD)
        assert time.monotonic() - begin < 5
        assert "being tried" in one.cli("feed", "try", URL, check=False).stderr
        one.cli("reload")  # does not end them, and is not kept by them
    finally:
        for process in hanging:
            process.kill()
            process.communicate()
    assert "being tried" in one.cli("feed", "try", URL, check=False).stderr  # their fetchers still run
    fetchers = [child[0] for child in one.children() if "fetch" in child[2]]
    assert len(fetchers) == 2
    for pid in fetchers:
        os.kill(int(pid), 9)
    server.say("ok", BAD)
    wait_for(lambda: one.cli("feed", "try", URL, "--format", "plain", check=False).returncode == 0, what="room for another try")


def test_add_and_remove(lab, agent, server):
    one = agent("feeds: []\n").start()
    config = one.config.read_text()
    one.cli("feed", "add", "web", URL, "--format", "plain", "max-change=0%")
    file = one.dir / "feeds.d/web.yaml"
    assert file.read_text() == f"name: 'web'\nurl: '{URL}'\nmax-change: '0%'\nformat: 'plain'\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o644, 0o755) and os.listdir(file.parent) == ["web.yaml"]
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="the added list in force")
    assert lab.probe(BAD) == 0 and lab.probe(GOOD) == 20
    shown = one.ask("feed", "show", "web")
    assert (shown["file"], shown["line"]) == (str(file), 1)
    assert one.cli("check-config", one.config).returncode == 0
    one.stop()
    one.start()  # a restart reads the same
    assert lab.probe(BAD) == 0
    one.cli("feed", "remove", "web")
    assert os.listdir(file.parent) == [] and one.config.read_text() == config
    assert os.listdir(one.dir / "state/lists") == []  # another feed of that name does not begin with this one's
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 0, what="the list gone")
    assert lab.probe(BAD) == 20 and one.ask("feed", "list")["feeds"] == []
    rows = [(row["verb"], row["user"], row["result"]) for row in one.ask("audit")["entries"]]
    assert rows == [("feed.remove", "root", "done"), ("feed.add", "root", "done")]
    assert f"url={URL}" in one.ask("audit")["entries"][1]["detail"]


def test_what_add_and_remove_refuse(lab, agent, server):
    one = lists(agent(), main=("action: block", [BAD])).start()
    in_force(one, 1)
    generation = one.ask("status")["table"]["generation"]
    main = f"{one.config}:4"
    for words, said in ((["add", "main", URL], main), (["add", "a.b", URL], "name"), (["add", "../x", URL], "name"), (["add", "a/b", URL], "name"), (["add", "x" * 64, URL], "name"), (["add", "--", "-x", URL], "no - first"), (["add", "x\xe9\x1b", URL], r'"x\xc3\xa9\x1b": a feed'),
                        (["add", "x", URL, "interval=1s"], "interval"), (["add", "x", "ftp://h/"], "ftp"), (["add", "x", URL, "limits=1"], "no key"),
                        (["add", "x", URL, "action=allow\nname=y"], "one line"), (["remove", "main"], f"{main}: delete it there"), (["remove", "gone"], "there is no feed \"gone\"")):
        out = one.cli("feed", *words, check=False)
        assert out.returncode in (1, 2) and said in out.stderr, (words, out.stderr)
    assert not (one.dir / "feeds.d").exists()
    # A file that is there already is not replaced, whatever feed is in it; a feed of another file is named with its place.
    folder = one.dir / "feeds.d"
    folder.mkdir(mode=0o755)
    (folder / "there.yaml").write_text(f"\nname: other\nurl: {URL}\nformat: plain\n")
    assert "File exists" in one.cli("feed", "add", "there", URL, check=False).stderr
    assert f"{folder}/there.yaml:2" in one.cli("feed", "add", "other", URL, check=False).stderr
    # With an error in another file nothing is written; it is named.
    (folder / "bad.yaml").write_text("name: bad\nurl: nonsense\n")
    assert f"{folder}/bad.yaml:2:" in one.cli("feed", "add", "more", URL, check=False).stderr
    (folder / "bad.yaml").write_text("name: main\nurl: http://127.0.0.1/\n")
    out = one.cli("check-config", one.config, check=False)
    assert out.returncode == 1 and f"{folder}/bad.yaml:1:7: name \"main\": the feed at {main} has this name" in out.stdout
    (folder / "bad.yaml").unlink()
    # A folder that others may write to, or that is a link, is not written to.
    folder.chmod(0o777)
    assert "nobody else's to write to" in one.cli("feed", "add", "more", URL, check=False).stderr
    folder.chmod(0o755)
    folder.rename(one.dir / "elsewhere")
    folder.symlink_to(one.dir / "elsewhere")
    assert one.cli("feed", "add", "more", URL, check=False).returncode == 1
    folder.unlink()
    assert os.listdir(one.dir / "elsewhere") == ["there.yaml"]
    assert one.ask("status")["table"]["generation"] == generation and lab.probe(BAD) == 0 and lab.probe(GOOD) == 20
    one.cli("feed", "add", "more", URL, "--format", "plain")  # the control: all is well again
    assert os.listdir(folder) == ["more.yaml"]


def test_an_added_path_is_opened_as_nobody_in_particular(lab, agent):
    """The lines of an error would tell a group member what stands in root's file."""
    one = agent().start()
    secret = one.dir / "secret.txt"
    secret.write_text(f"top secret\n{BAD}\n192.0.2.250\n")
    secret.chmod(0o600)
    out = as_user(one, "sekisho", "feed", "add", "mine", f"--path={secret}", "--format", "plain")
    assert out.returncode == 0, out.stderr
    wait_for(lambda: one.ask("feed", "show", "mine")["error"], what="the feed's error")
    shown = one.ask("feed", "show", "mine")
    assert "sekisho-fetch may not read the file" in shown["error"] and "secret\\n" not in json.dumps(shown["errors"]) and shown["errors"] == []
    one.cli("feed", "remove", "mine")
    assert ask(one, {"verb": "feed.add", "name": "proc", "set": {"path": "/proc/self/maps", "format": "plain"}})["ok"]
    assert "Operation not permitted" in one.cli("feed", "update", "proc", check=False).stderr
    secret.chmod(0o644)  # the controls: a file for everybody's eyes, and the same word in the main config
    one.cli("feed", "add", "open", secret, "--format", "plain")
    wait_for(lambda: lab.probe(BAD, 3) == 0, what="the open file in force")
    one.cli("feed", "remove", "open"), one.cli("feed", "remove", "proc")
    vault = one.dir / "vault"  # the main config is root's own word: what everybody may read, wherever it lies
    vault.mkdir(0o700)
    secret.rename(vault / "list.txt")
    one.write(f"feeds:\n  - {{name: own, path: \"{vault}/list.txt\", format: plain, interval: 12h}}\n")
    one.cli("reload")
    wait_for(lambda: lab.probe(BAD, 3) == 0, what="root's own list in force")


def test_open_connections_speak_against_a_list(lab, agent, server):
    one = agent("limits:\n  - {name: watch, protocol: tcp, packets: 5/s, burst: 10, action: monitor}\n").start()
    lab.add_sources([GOOD])
    listener, client = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM), lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_STREAM)
    with listener, client:
        listener.bind((EDGE, 4100))
        listener.listen()
        client.bind((GOOD, 0))
        client.settimeout(10)
        client.connect((EDGE, 4100))
        accepted = listener.accept()[0]
        with accepted:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(400):
                client.send(b"x" * 50)
                accepted.recv(100)
            server.say("ok", GOOD)
            said = one.ask("feed", "try", URL, "--format", "plain")
            assert [(row["address"], row["connections"]) for row in said["seen"]["rows"]] == [(GOOD, True)]
            assert (said["advice"], said["seen"]["connections"]) == ("monitor", 1) and "connections open" in said["reasons"][0]
