# SPDX-License-Identifier: GPL-2.0
"""Under steady traffic, 500 table swaps, 100 block add and del of others, a restart and 20 SIGKILLs of each process: not one
packet of a blocked source comes through and not one of an innocent is lost. Counted at the receiver, beside a control run."""
import contextlib, json, os, random, signal, socket, threading, time
import pytest
from lab import PATIENCE, Stream, run, wait_for

RATE_PPS = 2000  # of each source
SWAPS, ENTRIES, KILLS = 500, 100, 20
SMALL, LARGE = 300, 30_000  # prefixes: the table grows and shrinks a hundredfold

# Blocked by a list, by a wider prefix of it, by an entry, by an entry's prefix, by a list from a URL.
BAD = ["198.51.100.7", "2001:db8:bad::7", "198.51.100.200", "198.51.100.66", "203.0.113.210", "2001:db8:bad2::9", "192.0.2.66"]
# Named nowhere; beside a blocked one; allowed by the config and by an entry inside blocked prefixes.
GOOD = ["203.0.113.9", "2001:db8:900d::9", "198.51.100.8", "198.51.100.130", "203.0.113.201"]
CHURN_ALWAYS = "198.51.100.7\n2001:db8:bad::/48\n198.51.100.128/25\n"


class Server:
    """Answers the first request with a list and never answers another, until the test ends."""

    def __init__(self, lab, body):
        self.socket = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 8099))
        self.socket.listen(64)
        self.body, self.held, self.answered = body, [], threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.held.append(peer)
            if not self.answered.is_set():
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(self.body), self.body))
                self.answered.set()

    def close(self):
        for one in (self.socket, *self.held):
            one.close()


class Control:
    """The control socket; connects again when the agent was away. None: no answer came."""

    def __init__(self, agent):
        self.path, self.stream = str(agent.dir / "run/sekisho.sock"), None

    def ask(self, verb, **request):
        try:
            if not self.stream:
                one = socket.socket(socket.AF_UNIX)
                one.settimeout(80)
                one.connect(self.path)
                self.stream = one.makefile("rwb")
            self.stream.write(json.dumps({"verb": verb, **request}).encode() + b"\n")
            self.stream.flush()
            return json.loads(self.stream.readline())
        except (OSError, ValueError):
            self.stream = None
            return None

    def sure(self, verb, **request):
        answer = self.ask(verb, **request)
        assert answer and answer["ok"], (verb, request, answer)
        return answer["data"]


class Churn:
    """A feed whose list is another one at every update, and an allow list that changes with a reload."""

    def __init__(self, agent):
        self.agent, self.n = agent, 0
        self.path = agent.dir / "churn.txt"
        chooser = random.Random(7)
        self.texts = [CHURN_ALWAYS + "".join(f"20.{chooser.randrange(256)}.{chooser.randrange(256)}.{chooser.randrange(256)}\n"
                                             for _ in range(size * 2 // 3))
                      + "".join(f"2001:db8:{chooser.randrange(65536):x}:{chooser.randrange(0x9000, 65536):x}::/64\n" for _ in range(size // 3))
                      for size in (SMALL, LARGE, SMALL, LARGE)]
        self.write()

    def write(self):
        """The next list, put in place as a whole."""
        new = self.path.with_suffix(".new")
        new.write_text(self.texts[self.n % len(self.texts)] + f"21.0.{self.n >> 8}.{self.n & 255}\n")
        os.rename(new, self.path)
        self.n += 1

    def config(self):
        return (f'on-exit: keep\nallow: ["198.51.100.130", "22.0.{self.n >> 8}.{self.n & 255}"]\nfeeds:\n'
                f'  - {{name: churn, path: "{self.path}", format: plain, interval: 12h, max-change: 0%, max-coverage: 100%}}\n'
                '  - {name: remote, url: "http://127.0.0.1:8099/list", format: plain, interval: 12h}\n')


def swaps(agent, churn, n, failures):
    """@n tables, each unlike the one before: nine updates, then a reload."""
    try:
        control = Control(agent)
        for i in range(n):
            before = control.sure("status")["table"]["generation"]
            churn.write()
            if i % 10 == 9:
                agent.write(churn.config())
                control.sure("reload")
            else:
                control.sure("feed.update", name="churn")
            wait_for(lambda: control.sure("status")["table"]["generation"] > before, 10, f"swap {i}")
    except BaseException as failure:  # to the main thread: pytest sees no other
        failures.append(failure)


def entries(agent, n, failures):
    """@n adds and @n dels of others, in many prefix lengths, so that the lengths in use change all the time."""
    try:
        control, chooser = Control(agent), random.Random(9)
        for i in range(n):
            prefix = chooser.choice([f"23.0.0.{i}", f"23.{i}.0.0/16", f"23.1.{i}.0/24", f"23.{i}.64.0/18", f"2001:db8:2323:{i:x}::/64",
                                     f"2001:db8:2300:{i:x}::1", f"2001:db8:{0x4000 + i:x}::/48"])
            control.sure("block.add", prefix=prefix, for_s=3600)
            control.sure("block.del", prefix=prefix)
    except BaseException as failure:  # as above
        failures.append(failure)


def restless(agent, churn, over):
    """Updates and entries as fast as they go, whoever has just been killed."""
    control = Control(agent)
    while not over.is_set():
        churn.write()
        answers = [control.ask("feed.update", name="churn"), control.ask("block.add", prefix=f"24.0.0.{churn.n % 200}", for_s=60)]
        if None in answers:
            over.wait(0.02)


def child(agent, name):
    """The pid of a process of the agent's, 0 while there is none."""
    return next((int(pid) for pid, comm, *_ in agent.children() if comm == name), 0)


def is_answering(agent):
    return agent.cli("status", check=False).returncode == 0


def kill_engine(agent):
    pid = wait_for(lambda: child(agent, "sekisho-engine"), 10, "an engine")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: child(agent, "sekisho-engine") not in (0, pid) and is_answering(agent), 20, "another engine")


def is_killed(pid):
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it was over by itself
        return False
    return True


def kill_fetcher(agent):
    """One that waits for a server that never answers: killed in the middle of its work."""
    update = threading.Thread(target=Control(agent).ask, args=("feed.update",), kwargs={"name": "remote"})
    update.start()
    wait_for(lambda: is_killed(child(agent, "sekisho-fetch")), 10, "a fetcher that was still there to be killed")

    def is_answered():  # where one was under way already, the update starts another
        pid = child(agent, "sekisho-fetch")
        if pid and update.is_alive():
            with contextlib.suppress(ProcessLookupError):  # it may end just now
                os.kill(pid, signal.SIGKILL)
        return not update.is_alive()
    wait_for(is_answered, 20, "the end of the update")


def kill_keeper(agent):
    agent.stop(signal.SIGKILL)
    agent.start()


def dropped(agent):
    return agent.ask("status")["packets"]["dropped"]


@pytest.fixture
def stream(lab):
    streams = []

    def make(sources):
        streams.append(Stream(lab, sources, RATE_PPS))
        return streams[-1]

    yield make
    for one in streams:
        one.close()


def verdict(lab, counts, overflow):
    """What is wrong with a run, [] for nothing."""
    wrong = [f"{s}: {counts[s][1]} of {counts[s][0]} came through" for s in BAD if counts[s][1]]
    wrong += [f"{s}: {counts[s][0] - counts[s][1]} of {counts[s][0]} lost" for s in GOOD if counts[s][1] != counts[s][0]]
    wrong += [f"{s}: nothing was sent" for s in BAD + GOOD if counts[s][0] < RATE_PPS]
    if wrong:  # whose loss it is: the receiver's socket, the veth's ring, or ours
        wrong.append(f"receiver's own {overflow}; " + lab.ip(lab.attacker, "-s", "link", "show", "atk0").stdout)
    return wrong


def disturb(agent, churn):
    failures, threads = [], []
    for work in ((swaps, agent, churn, SWAPS, failures), (entries, agent, ENTRIES, failures)):
        threads.append(threading.Thread(target=work[0], args=work[1:]))
        threads[-1].start()
    for thread in threads:
        thread.join(150 * PATIENCE)
    assert not failures and not any(t.is_alive() for t in threads), (failures, agent.said()[-2000:])
    agent.stop()
    agent.start()
    over = threading.Event()
    noise = threading.Thread(target=restless, args=(agent, churn, over))
    noise.start()
    try:
        for _ in range(KILLS):
            kill_engine(agent)
            kill_keeper(agent)
    finally:
        over.set()
        noise.join(30 * PATIENCE)
    for _ in range(KILLS):
        kill_fetcher(agent)


def test_no_packet_in_and_none_lost(lab, agent, stream):
    one = agent()
    churn = Churn(one)
    server = Server(lab, b"192.0.2.66\n")
    for _ in range(3):  # nothing is in the way yet but the machine's other work
        free = stream(BAD + GOOD)
        time.sleep(2)  # a length of traffic, not a wait
        counts, overflow = free.stop()
        lost = {s: c for s, c in counts.items() if not c[0] == c[1] > RATE_PPS}
        if not lost:
            break
    assert not lost, (lost, overflow)

    one.write(churn.config())
    one.start()
    wait_for(lambda: all(f["state"] == "ok" for f in one.ask("status")["feeds"]), 20, "both lists")
    one.cli("feed", "update", "churn")
    for prefix in ("198.51.100.66", "203.0.113.192/26", "2001:db8:bad2::/48"):
        one.cli("block", "add", prefix)
    one.cli("allow", "add", "203.0.113.201")
    control = stream(BAD + GOOD)
    time.sleep(4)
    assert not verdict(lab, *control.stop())

    dropped_before, generation = dropped(one), one.ask("status")["table"]["generation"]
    disturbed = stream(BAD + GOOD)
    start = time.monotonic()
    disturb(one, churn)
    counts, overflow = disturbed.stop()
    wrong = verdict(lab, counts, overflow)
    assert not wrong, "\n".join(wrong)
    assert one.ask("status")["table"]["generation"] >= generation + SWAPS
    assert one.said().count("adopted: the maps") >= KILLS + 1
    assert dropped(one) - dropped_before == sum(counts[s][0] for s in BAD)  # each of them by the program, and counted
    print(f"{time.monotonic() - start:.0f} s, {sum(sent for sent, _ in counts.values())} packets")
    for prefix in ("198.51.100.66", "203.0.113.192/26"):
        one.cli("block", "del", prefix)
    assert lab.probe("198.51.100.66") == 20 and lab.probe("198.51.100.7") == 0
    server.close()


def test_reloads_among_fetches_end_no_engine(lab, agent):
    """A new config may come at any moment of a fetch's start: the engine then holds feeds that are no more."""
    one = agent()
    path = one.dir / "some.txt"
    path.write_text("198.51.100.7\n")
    one.write("feeds:\n" + "".join(f'  - {{name: feed{i}, path: "{path}", format: plain, interval: 12h}}\n' for i in range(8)))
    one.start()
    wait_for(lambda: all(f["state"] == "ok" for f in one.ask("status")["feeds"]), 20, "every list")
    control, chooser = Control(one), random.Random(3)
    for _ in range(12):
        update = threading.Thread(target=control.ask, args=("feed.update",))
        update.start()
        for _ in range(3):
            time.sleep(chooser.random() * 0.004)  # somewhere inside the update's eight starts
            one.process.send_signal(signal.SIGHUP)
        update.join(20 * PATIENCE)
        assert not update.is_alive() and "engine: ended" not in one.said(), one.said()[-2000:]
    assert one.said().count("reload: done") > 12
    wait_for(lambda: lab.probe("198.51.100.7") == 0, 5, "the list in force")
    assert lab.probe("203.0.113.9") == 20
