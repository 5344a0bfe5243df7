# SPDX-License-Identifier: GPL-2.0
"""Bad input and failing starts: every config error with its place and its mend, every refusal in one line that says
what to do, and nothing changed: no folder, socket, pin or program left, a running agent untouched."""
import json, pathlib, socket, tempfile
import pytest
from lab import BUILD, run

FEED = "feeds:\n  - {name: a, path: /x, %s}\n"

# name: (text, "LINE:COLUMN: ", words that say what and how to mend it)
LIMIT = "limits:\n  - {name: a, %s}\n"
CONFIG_ERRORS = {
    "unknown key": ("mod: enforce\n", "1:1: ", 'unknown key "mod": did you mean mode?'),
    "unknown feed key": (FEED % "actoin: block", "2:25: ", "did you mean action?"),
    "unknown metrics key": ("metrics: {port: 1}\n", "1:11: ", "the keys here are listen"),
    "key given twice": ("mode: enforce\nmode: monitor\n", "2:1: ", "given twice: remove one"),
    "interfaces, no list": ("interfaces: eth0\n", "1:13: ", "give a list"),
    "interfaces, bad name": ("interfaces: [an-interface-too-long]\n", "1:14: ", "1 to 15 characters"),
    "interfaces, twice": ("interfaces: [eth0, eth0]\n", "1:20: ", "given twice: remove one"),
    "interfaces, auto and a name": ("interfaces: [auto, eth0]\n", "1:13: ", "auto stands alone"),
    "mode": ("mode: off\n", "1:7: ", "use enforce or monitor"),
    "mode, a list": ("mode: [enforce]\n", "1:7: ", "give one plain value"),
    "attach": ("attach: fast\n", "1:9: ", "use auto, native or generic"),
    "on-exit": ("on-exit: stay\n", "1:10: ", "use keep or detach"),
    "malformed": ("malformed: block\n", "1:12: ", "use pass or drop"),
    "allow, no prefix": ("allow: [example.com]\n", "1:9: ", 'allow "example.com": '),
    "allow, prefix length": ("allow: [192.0.2.0/33]\n", "1:9: ", "1 to 32 for IPv4"),
    "allow, /0": ("allow: [\"::/0\"]\n", "1:9: ", "/0"),
    "metrics, no port": ("metrics: {listen: 127.0.0.1}\n", "1:19: ", "give ADDRESS:PORT"),
    "metrics, a name": ("metrics: {listen: \"localhost:9477\"}\n", "1:19: ", "give ADDRESS:PORT"),
    "metrics, port 65536": ("metrics: {listen: \"127.0.0.1:65536\"}\n", "1:19: ", "give ADDRESS:PORT"),
    "feeds, no list": ("feeds:\n  name: a\n", "2:3: ", "give a list"),
    "feed, no mapping": ("feeds: [a]\n", "1:9: ", "give keys with values"),
    "feed, no name": ("feeds:\n  - path: /x\n", "2:5: ", "add name: NAME"),
    "feed, bad name": ("feeds:\n  - {name: \"a b\", path: /x}\n", "2:12: ", "use 1 to 63 of"),
    "feed, name twice": ("feeds:\n  - {name: a, path: /x}\n  - {name: a, path: /y}\n", "3:12: ", "choose a different one"),
    "feed, no source": ("feeds:\n  - {name: a}\n", "2:5: ", "give one of url and path"),
    "feed, two sources": (FEED % 'url: "http://h/"', "2:5: ", "give one of url and path"),
    "feed, url": ("feeds:\n  - {name: a, url: \"ftp://h/\"}\n", "2:20: ", "http:// or https://"),
    "feed, password": ("feeds:\n  - {name: a, url: \"https://u:p@h/\"}\n", "2:20: ", "take out what stands before the @"),
    "feed, path": ("feeds:\n  - {name: a, path: x}\n", "2:21: ", "give an absolute path"),
    "feed, ca-file": (FEED % "ca-file: x", "2:34: ", "give an absolute path"),
    "feed, format": (FEED % "format: xml", "2:33: ", "use auto, plain, netset or another name"),
    "feed, action": (FEED % "action: drop", "2:33: ", "use block, monitor, allow or none"),
    "feed, interval unit": (FEED % "interval: 12", "2:35: ", "give a duration with a unit, such as 12h"),
    "feed, interval short": (FEED % "interval: 5s", "2:35: ", "give 5m (60s for a path) to 365d"),
    "feed, interval of a url": ("feeds:\n  - {name: a, url: \"http://h/\", interval: 60s}\n", "2:5: ", "at least 5m for a url"),
    "feed, max-entries": (FEED % "max-entries: many", "2:38: ", "give a whole number from 1 to 10000000"),
    "feed, max-change": (FEED % "max-change: 50", "2:37: ", "give a whole percentage, such as 50%"),
    "feed, max-coverage": (FEED % "max-coverage: 101%", "2:39: ", "give a percentage up to 100%"),
    "feed, private": (FEED % "private: allow", "2:34: ", "use leave-out or block"),
    "feed, known-good": (FEED % "known-good: perhaps", "2:37: ", "use true or false"),
    "limits, no list": ("limits:\n  name: a\n", "2:3: ", "give a list"),
    "limit, no name": ("limits:\n  - {packets: 10/s}\n", "2:5: ", "add name: NAME"),
    "limit, name twice": ("limits:\n  - {name: a, packets: 10/s}\n  - {name: a, packets: 9/s}\n", "3:12: ", "choose a different one"),
    "limit, no rate": (LIMIT % "burst: 5", "2:5: ", "give one of packets and bits"),
    "limit, bad rate": (LIMIT % "packets: 10", "2:24: ", "such as 100/s"),
    "limit, burst of hours": (LIMIT % "packets: 1/s, burst: 1M", "2:5: ", "take a smaller burst"),
    "limit, ports": (LIMIT % "packets: 10/s, ports: [http]", "2:38: ", "such as [22, 2200-2299]"),
    "limit, per": (LIMIT % "packets: 10/s, per: network", "2:35: ", "use address, /8 to /32"),
    "limit, ban": (LIMIT % "packets: 10/s, ban: {for: 1h}", "2:35: ", "give after: and for:"),
    "limits, too many match": ("limits:\n" + "".join(f"  - {{name: l{i}, packets: 10/s}}\n" for i in range(9)), "2:3: ", "give some of them ports"),
    "ipv6-source-prefix": ("ipv6-source-prefix: 32\n", "1:21: ", "from 48 to 128"),
    "limiter-memory": ("limiter-memory: 8\n", "1:17: ", "use 2M, 4M"),
    "events, sample": ("events: {sample: many}\n", "1:18: ", "such as 100/s"),
    "a tab": ("feeds:\n\t- name: a\n", "2:1: ", "a tab: indent with spaces"),
    "an open quote": ("mode: \"enforce\n", "2:1: ", "check the indentation, quotes and brackets"),
    "wrong indentation": ("mode: enforce\n  attach: auto\n", "2:9: ", "check the indentation"),
    "an open bracket": ("allow: [192.0.2.1\n", "2:1: ", "check the indentation, quotes and brackets"),
    "no mapping at all": ("- mode\n", "1:1: ", "give keys with values"),
    "two documents": ("mode: enforce\n---\nmode: monitor\n", "3:1: ", "remove the line ---"),
    "no UTF-8": ("mode: \udcff\n", "1:1: ", "save the file as UTF-8"),
}


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="sekisho-start-") as name:
        yield pathlib.Path(name)


def check(path):
    return run(BUILD / "sekishod", "-t", "-c", path, check=False)


def test_config_errors(folder):
    path = folder / "c.yaml"
    for name, (text, place, words) in CONFIG_ERRORS.items():
        path.write_bytes(text.encode(errors="surrogateescape"))
        out = check(path)
        assert out.returncode == 1 and out.stderr.startswith(f"{path}:{place}") and words in out.stderr, (name, out.stderr)
        cli = run(BUILD / "sekisho", "check-config", path, check=False)
        assert cli.returncode == 1 and cli.stdout == out.stderr, (name, cli.stdout, out.stderr)
    path.write_text("interfaces: [eth0]\n" + FEED % "action: block")  # control
    assert (check(path).returncode, check(path).stderr) == (0, "")


def test_several_errors_of_several_files_are_all_printed(folder):
    (folder / "feeds.d").mkdir()
    (folder / "c.yaml").write_text("mode: x\nattach: y\nfeeds:\n  - {name: twin, path: /x}\n")
    (folder / "feeds.d/1.yaml").write_text("name: twin\npath: /x\n")
    (folder / "feeds.d/2.yaml").write_text("name: b\npath: y\n")
    (folder / "feeds.d/3.yaml").write_text("- {name: c, path: /x}\n- {name: d, path: /x}\n")
    (folder / "feeds.d/4.yaml").write_text("")
    (folder / "feeds.d/ignored.txt").write_text("nonsense: 1\n")
    out = check(folder / "c.yaml")
    places = [line.replace(str(folder), "").split(" ")[0] for line in out.stderr.splitlines()]
    assert out.returncode == 1 and places == [
        "/c.yaml:1:7:", "/c.yaml:2:9:", "/feeds.d/1.yaml:1:7:", "/feeds.d/2.yaml:2:7:", "/feeds.d/3.yaml:1:1:", "/feeds.d/4.yaml:1:1:"]


def test_config_files_that_cannot_be_read(folder):
    good = folder / "c.yaml"
    good.write_text("mode: enforce\n")
    out = check(folder / "none.yaml")
    assert out.returncode == 1 and "No such file" in out.stderr and "-c names the file" in out.stderr
    out = check(folder)
    assert out.returncode == 1 and "Is a directory" in out.stderr and "-c names the file" in out.stderr
    (folder / "feeds.d").mkdir()
    (folder / "feeds.d/dir.yaml").mkdir()
    out = check(good)
    assert out.returncode == 1 and "feeds.d/dir.yaml: Is a directory" in out.stderr and "one feed" in out.stderr
    (folder / "feeds.d/dir.yaml").rmdir()
    (folder / "feeds.d").rmdir()
    (folder / "feeds.d").write_text("")
    out = check(good)
    assert out.returncode == 1 and "feeds.d: Not a directory" in out.stderr
    (folder / "feeds.d").unlink()
    good.chmod(0o600)
    folder.chmod(0o755)
    out = run("setpriv", "--reuid=sekisho", "--clear-groups", BUILD / "sekishod", "-t", "-c", good, check=False)
    assert out.returncode == 1 and "Permission denied" in out.stderr and "readable" in out.stderr
    good.chmod(0o644)
    assert check(good).returncode == 0  # control


def state_of(lab, one):
    """Everything that a failed start may not change."""
    links = json.loads(lab.ip(lab.edge, "-j", "-d", "link", "show").stdout)
    files = {str(p): (p.lstat().st_mode, p.lstat().st_uid) for top in (one.dir, one.pins) for p in [top, *top.rglob("*")]
             if p.exists() and not p.name.startswith(("log", "state.db"))}
    return files, [(link["ifname"], link.get("xdp")) for link in links]


def refused(lab, one, *said, words=None, wrap=()):
    """Starts @one, which must fail with one line that holds all of @said, and change nothing."""
    before = state_of(lab, one)
    words = words or one.words()
    out = run("nsenter", f"--net=/run/netns/{lab.edge}", *wrap, *words, check=False, timeout=80)
    assert out.returncode == 1, out
    lines = out.stderr.strip().splitlines()
    assert len(lines) == 1 and all(part in lines[0] for part in said), out.stderr
    assert state_of(lab, one) == before


def test_refused_without_root_or_rights(lab, agent):
    one = agent()
    one.dir.chmod(0o777)
    refused(lab, one, "root is needed", "run it with sudo", wrap=["setpriv", "--reuid=sekisho", "--clear-groups"])
    one.dir.chmod(0o755)
    refused(lab, one, "kernel: ", "Operation not permitted", "CAP_BPF",
            wrap=["setpriv", "--bounding-set=-sys_admin,-bpf", "--inh-caps=-sys_admin,-bpf"])
    one.start()  # control


def test_refused_on_interfaces(lab, agent):
    one = agent(iface="nowhere0")
    refused(lab, one, "interface nowhere0: there is no such interface", "`ip link`")
    refused(lab, one, "interface other0: there is no such interface", words=[*one.words(), "-i", lab.iface, "-i", "other0"])
    lab.ip(lab.edge, "route", "del", "default")
    one.config.write_text("interfaces: [auto]\n")
    refused(lab, one, "no default route", "-i or interfaces:")


def test_refused_on_a_busy_port_or_socket(lab, agent):
    one = agent()
    holder = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM)
    with holder:
        holder.bind(("127.0.0.1", 9477))
        holder.listen()
        refused(lab, one, "cannot listen on 127.0.0.1 port 9477", "change metrics: listen")
    (one.dir / "run").mkdir()
    path = one.dir / "run/view.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        refused(lab, one, "view.sock is answered by another program", "another --run-dir")
    path.unlink()
    path.write_text("precious")
    refused(lab, one, "is there and no socket", "move it away")
    path.unlink()
    one.start()  # control


@pytest.mark.parametrize("shared", ["--run-dir", "--state-dir", "--pin-dir", "all"])
def test_refused_twice_with_the_same_folder(lab, agent, shared):
    first, second = agent().start(), agent()
    second.write("")
    words, folders = second.words(), {"--run-dir": first.dir / "run", "--state-dir": first.dir / "state", "--pin-dir": first.pins}
    for option, path in folders.items():
        if shared in (option, "all"):
            words[words.index(option) + 1] = path
    first.cli("block", "add", "198.51.100.7")
    before = state_of(lab, first)
    refused(lab, second, "is in use by another sekishod", "stop it, or give this one other", words=words)
    assert state_of(lab, first) == before
    assert (lab.probe("198.51.100.7"), lab.probe("203.0.113.9")) == (0, 20)
    first.cli("block", "del", "198.51.100.7")


def test_refused_on_folders(lab, agent):
    one = agent()

    def start_with(option, path):
        words = one.words()
        words[words.index(option) + 1] = path
        return words

    plain, owned, ro, link = (one.dir / name for name in ("plain", "owned", "ro", "link"))
    plain.write_text("")
    for option in ("--run-dir", "--state-dir", "--pin-dir"):
        path = one.dir / "no/such" if option != "--pin-dir" else "/sys/fs/bpf/no/such"
        refused(lab, one, "the folder above it does not exist", option, words=start_with(option, path))
    refused(lab, one, "is no folder", "--run-dir", words=start_with("--run-dir", plain))
    link.symlink_to(one.dir)
    refused(lab, one, "is no folder", "--state-dir", words=start_with("--state-dir", link))
    owned.mkdir()
    (owned / "file").write_text("")
    refused(lab, one, "cannot be written by user sekisho", "chown", words=start_with("--state-dir", owned))
    owned.chmod(0o777)
    refused(lab, one, "may be written by others", "chmod", words=start_with("--state-dir", owned))
    ro.mkdir()
    run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "tmpfs", ro)
    try:
        refused(lab, one, "Read-only file system", "--state-dir", words=start_with("--state-dir", ro))
        refused(lab, one, "Read-only file system", "--state-dir", words=start_with("--state-dir", ro / "new"))
    finally:
        run("umount", ro)
    refused(lab, one, "is on no bpf file system", "mount -t bpf bpf /sys/fs/bpf", words=start_with("--pin-dir", one.dir / "pins"))
    refused(lab, one, "takes no dot", "--pin-dir", words=start_with("--pin-dir", "/sys/fs/bpf/a.b"))
    one.start()  # control


def test_an_empty_state_folder_of_roots_is_handed_over(lab, agent):
    one = agent()
    (one.dir / "state").mkdir()  # as systemd's StateDirectory= makes it
    with lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 9477))
        holder.listen()
        refused(lab, one, "cannot listen")  # given back
    one.start()
    one.cli("block", "add", "198.51.100.7")
    assert (one.dir / "state/state.db").exists()


def test_refused_without_users_or_helpers(lab, agent, folder):
    one = agent()
    (folder / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    run("mount", "--bind", folder / "passwd", "/etc/passwd")  # in the test run's own mount namespace
    try:
        refused(lab, one, "user sekisho does not exist", "scripts/create-users.sh")
    finally:
        run("umount", "/etc/passwd")
    alone = folder / "sekishod"
    alone.write_bytes((BUILD / "sekishod").read_bytes())
    alone.chmod(0o755)
    refused(lab, one, "sekisho-engine is neither beside sekishod nor in", "install it again", words=[alone, *one.words()[1:]])


def test_a_failed_start_leaves_what_an_earlier_agent_left(lab, agent):
    one = agent("on-exit: keep\n").start()
    one.cli("block", "add", "198.51.100.7")
    one.stop(9)
    refused(lab, one, "there is no such interface", words=[*one.words(), "-i", lab.iface, "-i", "nowhere0"])
    one.write("mode: monitor\n")
    for name in ("sekisho.sock", "view.sock"):
        (one.dir / "run" / name).unlink()  # dead ones are cleared away by any start
    refused(lab, one, "CAP_BPF", wrap=["setpriv", "--bounding-set=-sys_admin,-bpf", "--inh-caps=-sys_admin,-bpf"])
    assert (lab.probe("198.51.100.7"), lab.probe("203.0.113.9")) == (0, 20)
    one.write("")
    one.start()
    assert (lab.probe("198.51.100.7"), lab.probe("203.0.113.9")) == (0, 20)
