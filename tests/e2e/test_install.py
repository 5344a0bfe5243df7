# SPDX-License-Identifier: GPL-2.0
"""What `make install` lays down: the layout, the unit, the users, and an agent that runs and is upgraded from there."""
import os, pathlib, re, signal, socket, subprocess, threading, time
import pytest
from lab import BUILD, Agent, run, wait_for

TOP = pathlib.Path(__file__).parents[2]
BAD, GOOD = "198.51.100.7", "203.0.113.9"


def install(dest, prefix="/usr"):
    run("make", "-s", "install", f"DESTDIR={dest}", f"PREFIX={prefix}", f"BUILD={BUILD}", cwd=TOP)


@pytest.fixture
def dest(tmp_path):
    tmp_path.chmod(0o755)
    install(tmp_path / "root")
    return tmp_path / "root"


def in_system(dest, *words, check=True):
    """Runs a command where /usr has the installed files on top, as on a host after the install."""
    script = 'mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr && exec "$@"'
    return run("unshare", "-m", "--propagation", "private", "bash", "-c", script, dest, *words, check=check)


class Installed(Agent):
    """An agent that runs from an installed tree, with the rights its unit leaves it."""

    dest, caps = None, None

    def words(self):
        words = [self.dest / "usr/sbin/sekishod", *super().words()[1:]]
        if self.caps:
            words = ["setpriv", "--bounding-set", "-all," + ",".join("+" + c for c in self.caps), "--inh-caps", "-all", "--no-new-privs", *words]
        return words


def unit_of(dest):
    return (dest / "usr/lib/systemd/system/sekishod.service").read_text()


def test_layout(dest):
    files = {str(p.relative_to(dest)): oct(p.stat().st_mode & 0o7777) for p in dest.rglob("*") if p.is_file()}
    assert files == {
        "etc/fail2ban/action.d/sekisho.py": "0o644", "etc/sekisho/sekisho.yaml": "0o640", "usr/bin/sekisho": "0o755", "usr/sbin/sekishod": "0o755",
        "usr/libexec/sekisho/sekisho-engine": "0o755", "usr/libexec/sekisho/sekisho-fetch": "0o755",
        "usr/lib/systemd/system/sekishod.service": "0o644", "usr/lib/sysusers.d/sekisho.conf": "0o644",
        "usr/share/man/man1/sekisho.1": "0o644", "usr/share/man/man5/sekisho.yaml.5": "0o644",
        "usr/share/man/man8/sekishod.8": "0o644", "usr/share/doc/sekisho/README.md": "0o644",
        "usr/share/bash-completion/completions/sekisho": "0o644",
        "usr/share/doc/sekisho/sekisho.yaml": "0o644"}
    (dest / "etc/sekisho/sekisho.yaml").write_text("mine\n")
    install(dest)
    assert (dest / "etc/sekisho/sekisho.yaml").read_text() == "mine\n"


def test_prefix_is_in_the_unit(tmp_path):
    install(tmp_path, "/opt/sekisho")
    unit = (tmp_path / "opt/sekisho/lib/systemd/system/sekishod.service").read_text()
    assert re.search(r"^ExecStart=(.*)$", unit, re.M).group(1) == "/opt/sekisho/sbin/sekishod"


def test_unit_and_users_are_good(dest):
    done = in_system(dest, "systemd-analyze", "verify", "/usr/lib/systemd/system/sekishod.service", check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    os.mkdir(dest / "etc/sysusers.d")  # the tool reads and writes below --root
    in_system(dest, "systemd-sysusers", f"--root={dest}", "/usr/lib/sysusers.d/sekisho.conf")
    assert {line.split(":")[0] for line in (dest / "etc/passwd").read_text().splitlines()} == {"sekisho", "sekisho-fetch"}
    assert {line.split(":")[0] for line in (dest / "etc/group").read_text().splitlines()} == {"sekisho", "sekisho-fetch", "sekisho-view"}
    for page in ("sekisho.1", "sekishod.8", "sekisho.yaml.5"):
        assert "SEE ALSO" in in_system(dest, "man", "-l", f"/usr/share/man/man{page[-1]}/{page}").stdout
    assert in_system(dest, "sekishod", "--version").stdout.startswith("sekishod ")


CLOUD_UNIT = """[Unit]
DefaultDependencies=no
After=systemd-networkd.service
Before=sysinit.target
[Service]
ExecStart=/bin/true
"""


@pytest.mark.parametrize("default_dependencies", [False, True])
def test_boot_order_has_no_cycle(dest, default_dependencies):
    """Protection before the network, also where something (as cloud-init) orders the network before sysinit.target; the control, a
    unit with the default dependencies, is a cycle that systemd would break by leaving a job out."""
    system = dest / "usr/lib/systemd/system"
    for target, unit in (("multi-user", "sekishod"), ("multi-user", "systemd-networkd"), ("sysinit", "cloud-net")):
        (system / f"{target}.target.wants").mkdir(exist_ok=True)
        (system / f"{target}.target.wants/{unit}.service").symlink_to(f"../{unit}.service")
    (system / "cloud-net.service").write_text(CLOUD_UNIT)
    if default_dependencies:
        (system / "sekishod.service").write_text(unit_of(dest).replace("DefaultDependencies=no\n", ""))
    assert re.search(r"^Before=network-pre\.target", unit_of(dest), re.M)
    done = in_system(dest, "systemd-analyze", "verify", "multi-user.target", check=False)
    assert ("ordering cycle" in done.stdout + done.stderr) == default_dependencies, done.stderr


def test_runs_with_the_rights_of_its_unit_and_tells_systemd(lab, dest, tmp_path):
    """Only the capabilities in the unit's bounding set; READY=1 when the lists are in force, STOPPING=1 at the end."""
    one = Installed(lab)
    one.dest = dest
    one.caps = [c[4:].lower() for c in re.search(r"^CapabilityBoundingSet=(.*)$", unit_of(dest), re.M).group(1).split()]
    path = one.dir / "list.txt"
    path.write_text(BAD + "\n")
    one.write(f"feeds:\n  - {{name: one, path: \"{path}\", format: plain, interval: 12h}}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(80)
        os.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        try:
            one.start()
            assert manager.recv(100) == b"READY=1"
            wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="the list in force")
            helpers = {os.readlink(f"/proc/{pid}/exe") for pid, *_ in one.children()}
            assert helpers == {str(dest / "usr/libexec/sekisho/sekisho-engine")}
            one.cli("block", "add", "192.0.2.9")
            assert [lab.probe(s) for s in (BAD, "192.0.2.9", GOOD)] == [0, 0, 20]
            one.stop()  # and again on the state that is there now, owned by the engine's user
            assert manager.recv(100) == b"STOPPING=1"
            one.start()
            assert manager.recv(100) == b"READY=1"
            one.cli("block", "add", "192.0.2.10")
            assert len(one.ask("block", "list")["entries"]) == 2
        finally:
            del os.environ["NOTIFY_SOCKET"]
            one.close()
    assert one.process.returncode == 0


class Stream:
    """Packets from two sources every few milliseconds until stopped; counts what arrived from each."""

    def __init__(self, lab):
        self.sent, self.arrived, self.on = {BAD: 0, GOOD: 0}, {BAD: 0, GOOD: 0}, True
        for source in self.sent:
            lab.probe(source, 1)  # puts the address on the attacker
        self.sink = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("0.0.0.0", 4001))
        self.sink.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: what comes while our thread waits for its turn
        self.sink.settimeout(0.5)
        self.guns = {source: lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_DGRAM) for source in self.sent}
        for source, gun in self.guns.items():
            gun.bind((source, 0))
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while self.on:
            for source, gun in self.guns.items():
                gun.sendto(b"stream", ("10.99.0.1", 4001))
                self.sent[source] += 1
            time.sleep(0.002)

    def receive(self):
        while True:
            try:
                self.arrived[self.sink.recvfrom(100)[1][0]] += 1
            except socket.timeout:
                if not self.on:
                    return

    def stop(self):
        self.on = False
        for thread in self.threads:
            thread.join()
        for one in (self.sink, *self.guns.values()):
            one.close()


def test_upgrade_in_place_leaves_no_gap(lab, dest):
    """New files over a running agent, then a restart, under a steady stream: the blocked source never gets through."""
    one = Installed(lab)
    one.dest = dest
    try:
        one.start()
        one.cli("block", "add", BAD)
        before = (dest / "usr/sbin/sekishod").stat().st_ino
        stream = Stream(lab)
        wait_for(lambda: stream.arrived[GOOD] > 20, what="the stream")
        install(dest)
        assert (dest / "usr/sbin/sekishod").stat().st_ino != before and one.process.poll() is None
        one.cli("status")  # the old one still answers, its file gone
        one.stop(signal.SIGTERM)
        one.start()
        wait_for(lambda: stream.arrived[GOOD] > 200, what="more of the stream")
        stream.stop()
        assert "adopted" in one.said()
        assert stream.arrived[BAD] == 0 and stream.sent[BAD] > 200
        assert stream.arrived[GOOD] == stream.sent[GOOD]
    finally:
        one.close()
