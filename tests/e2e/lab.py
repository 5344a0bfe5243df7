# SPDX-License-Identifier: GPL-2.0
"""A lab of two network namespaces on one veth pair: an edge host with a real agent, and an attacker who
sends real UDP packets from several addresses. Everything is unmade at the end; the host's own network is never touched."""
import ctypes, json, os, pathlib, re, shutil, signal, socket, subprocess, tempfile, threading, time

BUILD = pathlib.Path(os.environ.get("SEKISHO_BUILD", "build")).resolve()
EDGE, EDGE6 = "10.99.0.1", "fd99::1"
GATEWAY = "10.99.0.254"
PORT = 4000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*words, check=True, **kw):
    return subprocess.run([str(w) for w in words], check=check, text=True, capture_output=True, **kw)


# A virtual machine without hardware help is some thirty times slower than its host. On any machine test files run side by side,
# and other work beside them: a deadline is only there to end what hangs.
IN_VM = bool(os.environ.get("SEKISHO_VM"))
PATIENCE = 10 if IN_VM else 4


def wait_for(question, deadline_s=10, what="the condition", is_promise=False):
    """@is_promise: the time is one that the documents promise, so it is not stretched (but for a virtual machine)."""
    deadline_s *= PATIENCE if IN_VM or not is_promise else 1
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {deadline_s} s")


def early_in_a_second(before=0.4, clock=time.CLOCK_BOOTTIME):
    """What is sent now is of one second of the kernel's clock, also where a program's is a tick behind it."""
    wait_for(lambda: 0.02 < time.clock_gettime(clock) % 1 < before, what="a second's beginning")


class Lab:
    """The two namespaces and the links between them."""

    def __init__(self, iface="edge0"):
        tag = f"sek{os.getpid()}-{id(self) & 0xffff:x}"
        self.edge, self.attacker, self.iface = tag + "-e", tag + "-a", iface
        self.sources, self._sockets = set(), []
        for ns in (self.edge, self.attacker):
            run("ip", "netns", "add", ns)
            self.ip(ns, "link", "set", "lo", "up")
        self.make_link()

    def ip(self, ns, *words, check=True):
        return run("nsenter", f"--net=/run/netns/{ns}", "ip", *words, check=check)

    def ip_batch(self, ns, *lines):
        """Several `ip` commands of one process: on an emulated machine starting one is what takes the time."""
        run("nsenter", f"--net=/run/netns/{ns}", "ip", "-batch", "-", input="\n".join(lines) + "\n")

    def make_link(self):
        self.ip_batch(self.edge, f"link add {self.iface} type veth peer name atk0", f"link set atk0 netns {self.attacker}",
                      f"addr add {EDGE}/24 dev {self.iface}", f"addr add {EDGE6}/64 nodad dev {self.iface}",
                      f"link set {self.iface} up")
        mac = json.loads(self.ip(self.edge, "-j", "link", "show", "dev", self.iface).stdout)[0]["address"]
        # The neighbours are for good, so that no probe waits for an answer on a busy machine.
        self.ip_batch(self.attacker, "addr add 10.99.0.2/24 dev atk0", "addr add fd99::2/64 nodad dev atk0", "link set atk0 up",
                      *(f"neigh replace {address} lladdr {mac} dev atk0 nud permanent" for address in (EDGE, EDGE6)))
        self.ip_batch(self.edge, *(f"route add {net} dev {self.iface}" for net in
                                   ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24", "2001:db8::/32")),
                      f"route add default via {GATEWAY} dev {self.iface}")
        self.sources.clear()

    def socket_in(self, ns, *args):
        """A socket that lives in namespace @ns: opened by a thread that goes there for it."""
        box = []

        def open_it():
            fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
            if _libc.setns(fd, 0x40000000):
                box.append(OSError(ctypes.get_errno(), "setns"))
            else:
                box.append(socket.socket(*args))
            os.close(fd)

        thread = threading.Thread(target=open_it)
        thread.start()
        thread.join()
        if isinstance(box[0], OSError):
            raise box[0]
        return box[0]

    def probe(self, source, n=20, to=None):
        """
        Sends @n packets from @source to the edge, or its address @to; how many arrived? Quiet is what ends it, and a longer one
        where some have come: a slice of it in which this process was held up as well says nothing.
        """
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        if source not in self.sources and not to:
            self.ip(self.attacker, "addr", "add", source + ("/128" if ":" in source else "/32"),
                    *(["nodad"] if ":" in source else []), "dev", "atk0", check=False)
            self.sources.add(source)
        sink = self.socket_in(self.edge, family, socket.SOCK_DGRAM)
        sink.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PORT))
        slice_s = 0.3 if IN_VM else 0.1
        sink.settimeout(slice_s)
        gun = self.socket_in(self.attacker, family, socket.SOCK_DGRAM)
        gun.bind((source, 0))
        arrived, quiet, end = 0, 0, time.monotonic() + 20
        with sink, gun:
            for i in range(n):
                gun.sendto(b"probe %d" % i, (to or (EDGE6 if family == socket.AF_INET6 else EDGE), PORT))
            while arrived < n and quiet < (8 if arrived else 3) and time.monotonic() < end:
                start = time.monotonic()
                try:
                    arrived += sink.recvfrom(100)[1][0] == source
                    quiet = 0
                except socket.timeout:
                    quiet += time.monotonic() - start < 1.5 * slice_s
        return arrived

    def add_sources(self, sources):
        """Gives the attacker more addresses, and the edge's hardware address for good: no packet waits for a neighbour."""
        for source in sources:
            self.ip(self.attacker, "addr", "add", source + ("/128" if ":" in source else "/32"),
                    *(["nodad"] if ":" in source else []), "dev", "atk0", check=False)
            self.sources.add(source)
        mac = json.loads(self.ip(self.edge, "-j", "link", "show", self.iface).stdout)[0]["address"]
        for address in (EDGE, EDGE6):
            self.ip(self.attacker, "neigh", "replace", address, "lladdr", mac, "dev", "atk0", "nud", "permanent")

    def close(self):
        for ns in (self.edge, self.attacker):
            run("ip", "netns", "del", ns, check=False)


class Stream:
    """Steady numbered packets from every one of @sources at once, counted where they arrive (stream.c)."""

    def __init__(self, lab, sources, rate_pps, port=PORT + 1):
        self.sources = sources
        self.span_s = {}  # after stop(): seconds between the first and the last packet that came, by the kernel's clock
        lab.add_sources(sources)
        # First in line for the processor: a sender that was kept waiting catches up in a burst, which a veth's queue does not hold.
        inside = lambda ns, *words: subprocess.Popen(["nice", "-n", "-20", "nsenter", f"--net=/run/netns/{ns}", BUILD / "e2e/stream", *map(str, words)],
                                                     stdout=subprocess.PIPE, text=True)
        self.sink = inside(lab.edge, "count", port)
        assert self.sink.stdout.readline() == "ready\n"
        self.gun = inside(lab.attacker, "send", EDGE, EDGE6, port, rate_pps, *sources)

    def stop(self):
        """{source: (sent, received)} and what the receiver lost by itself; the order of what came has been checked."""
        lines = {}
        for process in (self.gun, self.sink):
            process.terminate()
            lines[process] = [line.split() for line in process.communicate(timeout=20 * PATIENCE)[0].splitlines()]
            assert process.returncode == 0, process.args
        sent = {words[0]: int(words[1]) for words in lines[self.gun]}
        received, overflow = {}, 0
        for words in lines[self.sink]:
            if words[0] == "overflow":
                overflow = int(words[1])
                continue
            received[words[0].removeprefix("::ffff:")] = int(words[1])
            self.span_s[words[0].removeprefix("::ffff:")] = (int(words[5]) - int(words[4])) / 1e9
            assert words[3] == "0", f"out of order: {words}"
        return {source: (sent[source], received.get(source, 0)) for source in self.sources}, overflow

    def close(self):
        for process in (self.gun, self.sink):
            if process.poll() is None:
                process.kill()
                process.communicate()


class Agent:
    """A real sekishod in the lab's edge namespace, with folders of its own."""

    def __init__(self, lab, config="", iface=None, own_metrics=False):
        self.lab = lab
        self.metrics = "" if own_metrics else "metrics: {listen: \"127.0.0.1:9477\"}\n"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-e2e-"))
        self.dir.chmod(0o755)
        self.pins = pathlib.Path("/sys/fs/bpf") / self.dir.name.replace(".", "_")
        self.config = self.dir / "sekisho.yaml"
        self.iface = iface or lab.iface
        self.write(config)
        self.process = None

    def write(self, config):
        self.config.write_text(f"interfaces: [\"{self.iface}\"]\n" + self.metrics + config)

    def words(self):
        return [BUILD / "sekishod", "-c", self.config, "--state-dir", self.dir / "state", "--run-dir", self.dir / "run",
                "--pin-dir", self.pins]

    def layout(self):
        """The folder of the pinned maps; it is named after their layout."""
        header = pathlib.Path(__file__).parents[2] / "include/sekisho/maps.h"
        return self.pins / ("v" + re.search(r"#define SEK_LAYOUT (\d+)", header.read_text()).group(1))

    def start(self, wait=True):
        self.log = open(self.dir / "log", "a+")
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.lab.edge}", *map(str, self.words())],
                                        stderr=self.log, stdout=self.log)
        if wait:
            wait_for(self.is_ready, 20, "ready")
        return self

    def said(self):
        return (self.dir / "log").read_text()

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        return "ready:" in self.said()[getattr(self, "mark", 0):]

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(10 * PATIENCE)
        if self.process:
            self.mark = len(self.said())

    def children(self):
        out = run("ps", "--ppid", self.process.pid, "-o", "pid=,comm=,args=", check=False).stdout
        return [line.split(None, 2) for line in out.splitlines()]

    def cli(self, *words, check=True):
        out = run(BUILD / "sekisho", "-s", self.dir / "run/sekisho.sock", *words, check=False)
        assert not check or out.returncode == 0, (words, out.returncode, out.stdout, out.stderr, self.said())
        return out

    def ask(self, *words):
        return json.loads(self.cli("--json", *words).stdout)

    def get(self, path, accept=None, port=9477):
        head = ["-H", f"Accept: {accept}"] if accept else []
        return run("nsenter", f"--net=/run/netns/{self.lab.edge}", "curl", "-sS", *head, f"http://127.0.0.1:{port}{path}").stdout

    def close(self):
        self.stop()
        for path in sorted(self.pins.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if self.pins.is_dir():
            self.pins.rmdir()
        shutil.rmtree(self.dir, ignore_errors=True)
