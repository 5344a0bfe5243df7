# SPDX-License-Identifier: GPL-2.0
"""What each process is and may: users, capabilities, descriptors, libraries; and what their ends leave standing."""
import os, re, signal, socket, threading
import pytest
from lab import BUILD, run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
# capability.h: KILL 5, SETGID 6, SETUID 7, NET_ADMIN 12, SYS_ADMIN 21, PERFMON 38, BPF 39
KEEPER_CAPS = sum(1 << n for n in (5, 6, 7, 12, 21, 38, 39))


class SlowServer:
    """An HTTP server in the edge's namespace that sends a head, one line, and then nothing for ever."""

    def __init__(self, lab):
        self.listener = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 8089))
        self.listener.listen()
        self.held = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            one.recv(4096)
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n198.51.100.9\n")
            self.held.append(one)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for one in [self.listener, *self.held]:
            one.close()


@pytest.fixture
def hanging(lab, agent):
    """An agent whose one fetcher hangs."""
    server = SlowServer(lab)
    one = agent('feeds:\n  - {name: slow, url: "http://127.0.0.1:8089/list", format: plain, interval: 1h}\n')
    one.start(wait=False)
    wait_for(lambda: child(one, "sekisho-fetch"), 10, "a fetcher")
    wait_for(lambda: server.held, 10, "its request")
    yield one
    server.close()


def child(one, name):
    pids = [int(pid) for pid, comm, _ in one.children() if comm.startswith(name[:15])]
    return pids[0] if pids else None


def connector(fetcher):
    """The process that makes its connections."""
    return int(wait_for(lambda: run("ps", "--ppid", fetcher, "-o", "pid=", check=False).stdout.split(), 5, "its connector")[0])


def status(pid):
    return dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{pid}/status") if ":\t" in line)


def rights(pid, name):
    """That capability set of each of its threads."""
    return {int(re.search(rf"^{name}:\t(\w+)$", open(f"/proc/{pid}/task/{task}/status").read(), re.M)[1], 16) for task in os.listdir(f"/proc/{pid}/task")}


def descriptors(pid):
    """{number: what it is}, with the BPF maps' access."""
    found = {}
    for number in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        what = os.readlink(f"/proc/{pid}/fd/{number}")
        if what == "anon_inode:bpf-map":
            info = open(f"/proc/{pid}/fdinfo/{number}").read()
            flags = int(re.search(r"^flags:\s*(\d+)", info, re.M)[1], 8)
            is_ring = re.search(r"^map_type:\s*27$", info, re.M)  # BPF_MAP_TYPE_RINGBUF: its reader must write to it
            what += ["-r", "-w", "-rw"][flags & 3] + ("-ring" if is_ring else "")
        found[int(number)] = re.sub(r":\[\d+\]", "", what)
    return found


def test_rights_of_each_process(hanging):
    keeper, engine, fetcher = hanging.process.pid, child(hanging, "sekisho-engine"), child(hanging, "sekisho-fetch")
    connects = connector(fetcher)
    assert [rights(os.getpid(), "CapBnd") != {0}, rights(os.getpid(), "CapPrm") != {0}] == [True] * 2  # control: whose child it is
    assert [rights(keeper, k) for k in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")] == [{KEEPER_CAPS}] * 2 + [{0}] * 3
    for pid, user in ((engine, "sekisho"), (fetcher, "sekisho-fetch"), (connects, "sekisho-fetch")):
        of = status(pid)
        assert [rights(pid, k) for k in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")] == [{0}] * 5, user
        uid, gid = run("id", "-u", user).stdout.strip(), run("id", "-g", user).stdout.strip()
        assert (of["Uid"].split(), of["Gid"].split(), of["Groups"].split()) == ([uid] * 4, [gid] * 4, []), user
        assert of["NoNewPrivs"] == "1", user
    assert status(fetcher)["Seccomp"] == status(connects)["Seccomp"] == "2"
    assert (status(connects)["Name"], os.stat(f"/proc/{connects}/mem").st_uid) == ("sekisho-connect", 0)  # root's: no neighbour reads it


def test_a_fetcher_is_held_to_its_limits(hanging):
    """Memory, processor time and all else, on the running processes."""
    pid = child(hanging, "sekisho-fetch")
    # twice the default max-entries: what is over it is held to be looked at
    for each, most_bytes in ((pid, (768 << 20) + 128 * 2000000), (connector(pid), 256 << 20)):
        limits = {line[:26].strip(): line[26:].split()[:2] for line in open(f"/proc/{each}/limits")}
        for what, most in (("Max address space", str(most_bytes)), ("Max cpu time", "120"), ("Max open files", "32"), ("Max processes", "0"),
                           ("Max file size", str(1 << 30)), ("Max core file size", "0")):
            assert limits[what] == [most, most], what
    assert int(status(pid)["VmHWM"].split()[0]) < 40000  # kB: far from it
    stat = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    assert int(stat[11]) + int(stat[12]) < 200  # hundredths of a second so far


@pytest.fixture
def stained(monkeypatch):
    """What the shell that starts an agent may hold."""
    for name, value in (("API_TOKEN", "secret"), ("LD_BIND_NOW", "1"), ("https_proxy", "http://user:secret@192.0.2.1/"), ("JOURNAL_STREAM", "8:1")):
        monkeypatch.setenv(name, value)


def test_environment_of_each_process(stained, hanging):
    whole = {pid: open(f"/proc/{pid}/environ").read().split("\0") for pid in
             (hanging.process.pid, child(hanging, "sekisho-engine"), child(hanging, "sekisho-fetch"))}
    ours, engine, fetcher = whole.values()
    assert {"API_TOKEN=secret", "LD_BIND_NOW=1", "PATH=" + os.environ["PATH"]} <= set(ours)
    assert (engine, fetcher) == (["JOURNAL_STREAM=8:1", ""],) * 2


def test_descriptors_of_each_process(hanging):
    engine, fetcher = descriptors(child(hanging, "sekisho-engine")), descriptors(child(hanging, "sekisho-fetch"))
    assert engine[3] == "socket" and fetcher[3] == "socket"
    maps = sorted(what for what in engine.values() if "bpf" in what)
    assert len(maps) == 5 and maps.count("anon_inode:bpf-map-rw-ring") == 1 and maps.count("anon_inode:bpf-map-r") == 4, engine
    state = str(hanging.dir / "state")
    for number, what in engine.items():
        assert number < 3 or what.startswith((state, "socket", "anon_inode:[event", "anon_inode:bpf-map-", "pipe", "/memfd:", "/dev/null")), (number, what)
    for number, what in fetcher.items():
        assert number < 3 or what in ("socket", "pipe", "anon_inode:[eventpoll]", "anon_inode:[eventfd]") or what.startswith("/memfd:"), (number, what)
    assert sum(what == "socket" for what in fetcher.values()) <= 5  # two channels, the connection, libcurl's own pair
    connects = descriptors(connector(child(hanging, "sekisho-fetch")))
    assert (sorted(connects)[:2], connects[0], connects[1], connects[3], len(connects)) == ([0, 1], "/dev/null", "/dev/null", "socket", 4)


def test_libraries_are_the_boundary():
    def libraries(name):
        return run("ldd", BUILD / name).stdout

    assert not re.search(r"ssl|gnutls|curl|sqlite|microhttpd|nghttp", libraries("sekishod"))
    assert not re.search(r"curl|libxdp", libraries("sekisho-engine"))
    assert not re.search(r"libbpf|libxdp|sqlite|microhttpd", libraries("sekisho-fetch"))
    for name, library in (("sekishod", "libmnl"), ("sekisho-engine", "libsqlite3"), ("sekisho-fetch", "libcurl")):
        assert library in libraries(name)  # control: the words are found where they belong


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fetcher_that_ends_or_hangs_holds_nothing_up(lab, hanging, sig):
    pid = child(hanging, "sekisho-fetch")
    connects = connector(pid)
    os.kill(pid, sig)
    hanging.cli("block", "add", BAD)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    if sig == signal.SIGKILL:
        wait_for(lambda: hanging.ask("feed", "show", "slow")["error"], 5, "word of the fetch's end")
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 5, "somebody to reap it")
    os.kill(child(hanging, "sekisho-engine"), signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the end of a fetcher whose engine is gone")
    wait_for(lambda: not os.path.exists(f"/proc/{connects}"), 5, "its connector's end, and that somebody reaped it")
    wait_for(lambda: hanging.cli("status", check=False).returncode == 0, 5, "an answering engine")
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)


def test_a_hup_during_the_start_is_a_reload(lab, agent):
    one = agent()
    with lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 9477))
        holder.listen()
        one.start(wait=False)  # it waits a second for the port, without a handler yet
        wait_for(lambda: (one.dir / "run").is_dir(), 5, "its folder")
        one.process.send_signal(signal.SIGHUP)
    wait_for(one.is_ready, 20, "ready")
    wait_for(lambda: one.said().count("reload: done") == 1, 5, "the reload")


def test_reload_with_a_broken_config_keeps_the_old_one(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    one.write("mode: nonsense\n")
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the old one stays in force" in one.said(), 5, "word of it")
    assert f"{one.config}:3:7: mode" in one.said()
    out = one.cli("reload", check=False)
    assert out.returncode == 1 and out.stderr.startswith(f"sekisho: {one.config}:3:7: mode") and "the old config stays in force" in out.stderr
    assert one.ask("status")["mode"] == "enforce" and lab.probe(BAD) == 0


def test_a_reload_that_changes_the_mode_ends_the_wait_for_a_confirmation(lab, agent):
    one = agent().start()
    one.cli("mode", "monitor", "--confirm", "60s")
    one.cli("reload")  # the control: with the same mode in the config the wait goes on
    assert one.ask("status")["confirm_left_s"] > 0
    one.write("mode: monitor\n")
    one.cli("reload")
    answer = one.ask("status")
    assert (answer["mode"], answer["confirm_left_s"]) == ("monitor", 0)
    assert one.cli("confirm", check=False).returncode == 1


def test_a_start_takes_the_mode_of_the_config_and_says_so(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    one.cli("mode", "monitor")
    one.cli("reload")  # the config says what it said: it stays
    assert one.ask("status")["mode"] == "monitor" and lab.probe(BAD) == 20
    one.stop(signal.SIGKILL)
    assert lab.probe(BAD) == 20
    one.start()
    assert one.ask("status")["mode"] == "enforce" and lab.probe(BAD) == 0
    assert "mode: enforce, as the config says; until now it was monitor" in one.said()


def test_reload_takes_mode_malformed_interfaces_and_metrics(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    one.write("mode: monitor\n")
    one.cli("reload")
    assert one.ask("status")["mode"] == "monitor" and lab.probe(BAD) == 20
    one.cli("mode", "enforce")
    one.cli("reload")  # a config whose mode is what it was leaves the mode that a person switched to
    assert one.ask("status")["mode"] == "enforce" and lab.probe(BAD) == 0
    one.cli("mode", "monitor")
    one.config.write_text(f"interfaces: [{lab.iface}]\nmetrics: {{listen: \"127.0.0.1:9478\"}}\n")
    one.cli("reload")
    assert one.ask("status")["mode"] == "enforce" and lab.probe(BAD) == 0
    assert "sekisho_build_info" in one.get("/metrics", port=9478)
    lab.ip(lab.edge, "link", "add", "second0", "type", "veth", "peer", "name", "second1")
    one.config.write_text("interfaces: [second0]\n")
    one.cli("reload")
    wait_for(lambda: lab.probe(BAD) == 20, 5, "the first interface without the program")
    assert [i["name"] for i in one.ask("status")["interfaces"] if i["attached"]] == ["second0"]
