# SPDX-License-Identifier: GPL-2.0
"""How long a control request waits while the agent has much to do: a million entries imported, listed and flushed, a hundred
thousand live bans recorded, listed and flushed. A second connection asks all the time; the longest wait counts.
usage: waits.py [--entries N] [--bans N] BUILD   (scripts/bench.sh makes the namespaces)"""
import argparse, json, pathlib, socket, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import ban_map  # noqa: E402 - the path above has to be there first
from lab import Agent, Lab, wait_for  # noqa: E402 - as above

QUESTIONS = ({"verb": "status"}, {"verb": "explain", "address": "11.0.0.2"}, {"verb": "explain", "address": "10.0.0.1"},
             {"verb": "block.list", "limit": 10})
GAP_S = 0.002  # between two questions


class Watch:
    """Asks in turn, from a thread of its own, and keeps how long each answer took."""

    def __init__(self, agent):
        self.path, self.waits, self.is_over = agent.dir / "run/sekisho.sock", [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(self.path))
            while not self.is_over.is_set():
                for question in QUESTIONS:
                    begin = time.monotonic()
                    sock.sendall(json.dumps(question).encode() + b"\n")
                    answer = b""
                    while not answer.endswith(b"\n"):
                        answer += sock.recv(1 << 20)
                    self.waits.append((time.monotonic() - begin, question["verb"]))
                    assert json.loads(answer)["ok"], answer
                time.sleep(GAP_S)

    def __enter__(self):
        self.begin = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.took_s = time.monotonic() - self.begin
        self.is_over.set()
        self.thread.join()


def address(first, i):
    return f"{first}.{i >> 16}.{i >> 8 & 255}.{i & 255}"


def step(agent, what, work):
    """(what, seconds it took, longest wait ms, its verb, median wait ms)"""
    with Watch(agent) as watch:
        work()
    waits = sorted(watch.waits)
    return what, watch.took_s, 1000 * waits[-1][0], waits[-1][1], 1000 * waits[len(waits) // 2][0]


def measure_entries(agent, n):
    path = agent.dir / "many.txt"
    path.write_text("".join(address(11, i) + "\n" for i in range(n)))
    yield step(agent, f"block import of {n}", lambda: agent.cli("block", "import", path, "--for", "1h", "--origin", "bulk"))
    assert agent.ask("explain", address(11, n - 1))["reason"] == "block"
    yield step(agent, "block list of them", lambda: agent.cli("block", "list", "--origin", "bulk"))
    yield step(agent, "block flush of them", lambda: agent.cli("block", "flush", "--origin", "bulk"))
    assert agent.ask("explain", address(11, n - 1))["reason"] == "none"


def measure_bans(agent, n):
    live = lambda: agent.ask("status")["bans"]["live"] == n
    ban_map.put(agent, [address(10, i) + "/32" for i in range(n)])
    yield step(agent, f"{n} bans recorded", lambda: wait_for(live, 120, "all bans on record"))
    yield step(agent, "block list of them", lambda: agent.cli("block", "list", "--origin", "limit:l"))
    yield step(agent, "block flush of them", lambda: agent.cli("block", "flush", "--origin", "limit:l"))
    assert not ban_map.bans(agent)


def measure(entries, bans):
    lab, agent = Lab(), None
    try:
        agent = Agent(lab, "limits:\n  - {name: l, packets: 1000/s, ban: {after: 3s, for: 10m}}\n").start()
        return [*measure_entries(agent, entries), *measure_bans(agent, bans)]
    finally:
        if agent:
            agent.close()
        lab.close()


def show(rows):
    print("Waits of control requests meanwhile")
    print(f"  {'what':32} {'took s':>8} {'longest ms':>11} {'of':>12} {'median ms':>10}")
    for what, took_s, longest_ms, verb, median_ms in rows:
        print(f"  {what:32} {took_s:8.1f} {longest_ms:11.1f} {verb:>12} {median_ms:10.1f}")
    print(flush=True)


def aims(rows, is_busy):
    yield "longest wait of a control request meanwhile", "<=", 100, max(row[2] for row in rows), " ms", is_busy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1000000)
    parser.add_argument("--bans", type=int, default=100000)
    parser.add_argument("build", type=pathlib.Path)
    args = parser.parse_args()
    import agent
    import bench
    rows = measure(args.entries, args.bans)
    show(rows)
    bench.show_aims(aims(rows, agent.is_busy()))


if __name__ == "__main__":
    sys.exit(main())
