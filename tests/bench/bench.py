# SPDX-License-Identifier: GPL-2.0
"""All benchmarks in one run, then each aim beside what was measured. A missed aim is no error,
what could not be measured is.
usage: bench.py [--quick | --lists-only] [--rounds N] [--adds N] [--packets N] [--played PERCENT] BUILD SIZE...   (scripts/bench.sh makes the namespaces)"""
import argparse, pathlib, statistics, subprocess, sys, tempfile

import agent
import limits
import peers
import waits

MOST = {32: 10000000, 128: 1000000}
BIG = 1000000


class Figures:
    """Everything measured, by what it belongs to."""

    def __init__(self):
        self.lookups = {}  # (bits, size, table, program) -> (net ns by kind, load s, MiB, noisy)
        self.peers = {}    # (bits, size) -> [peers.Row]
        self.agents = {}   # (bits, size) -> dict of agent.measure()

    def net(self, bits, size, program="sek_xdp"):
        row = self.lookups.get((bits, size, "prefixes", program))
        return row[0] if row else {}

    def is_noisy(self, bits, *sizes):
        return any(self.lookups[bits, size, "prefixes", "sek_xdp"][3] for size in sizes)

    def peer(self, bits, size, name):
        return next((row for row in self.peers.get((bits, size), []) if row.name == name and not row.why), None)


def run_lookups(args, folder, figures):
    rows = pathlib.Path(folder) / "rows"
    words = [*peers.FAST, args.build / "bench/lookup", "-r", args.rounds, "-o", rows]
    words += ["-n", args.packets] if args.packets else []
    words += args.sizes
    subprocess.run([str(word) for word in words], check=True)
    for line in rows.read_text().splitlines():
        bits, size, table, program, listed, random, load_s, mib, noisy = line.split("\t")
        figures.lookups[int(bits), int(size), table, program] = (
            {"listed": float(listed), "random": float(random)}, float(load_s), float(mib), noisy == "1")


def show_loads(bits, size, figures):
    """Load, atomic replace and kernel memory of all who hold the list, beside ours through the whole agent."""
    ours = figures.agents[bits, size]
    trie = figures.lookups[bits, size, "prefixes", "LPM trie"]
    rows = [("sekishod", ours["load_s"], ours["replace_s"], ours["kernel"] / 2**20, "text file to dropped packets"),
            ("LPM trie", trie[1], None, trie[2], "batch updates of ready keys; entries only; no atomic replace")]
    for row in figures.peers[bits, size]:
        rows.append((row.name, row.load_s, row.replace_s, row.mib, row.why or "rise of the whole machine's"))
    print(f"IPv{4 if bits == 32 else 6}, {size} prefixes: load, atomic replace, memory")
    print(f"  {'program':15} {'load s':>8} {'ratio':>8} {'replace s':>9} {'ratio':>8} {'kernel MiB':>10}")
    for name, load_s, replace_s, mib, note in rows:
        print(f"  {name:15} {peers.number(load_s):>8} {peers.ratio(load_s, ours['load_s']):>8} {peers.number(replace_s):>9}"
              f" {peers.ratio(replace_s, ours['replace_s']):>8} {peers.number(mib, 2):>10}  {note}")
    print(flush=True)


def lookup_aims(figures):
    for bits, kind, least in ((32, "listed", 10), (32, "random", 15), (128, "listed", 6), (128, "random", 6)):
        ours, trie = figures.net(bits, BIG), figures.net(bits, BIG, "LPM trie")
        value = trie[kind] / ours[kind] if ours else None
        yield (f"IPv{4 if bits == 32 else 6}, 1 M prefixes, {kind}: times less than the trie", ">=", least, value, "x",
               value is not None and figures.is_noisy(bits, BIG))
    small, large = figures.net(32, 1000), figures.net(32, MOST[32])
    both = small and large
    yield ("IPv4, random, 10 M: times what 1 k costs", "<=", 2, large["random"] / small["random"] if both else None, "x",
           both and figures.is_noisy(32, 1000, MOST[32]))


def agent_aims(figures):
    ours, nft = figures.agents.get((32, BIG), {}), figures.peer(32, BIG, "nftables")
    load_s = ours.get("load_s")
    is_busy = ours.get("is_busy", False)
    yield "1 M IPv4 prefixes, text file to dropped packets", "<=", 1, load_s, " s", is_busy
    yield "the same, times faster than nft -f", ">=", 20, nft.load_s / load_s if nft and load_s else None, "x", is_busy
    yield "kernel memory a prefix beyond 5 MB, 1 M IPv4", "<=", 16, ours.get("per_prefix"), " B", False
    ours6 = figures.agents.get((128, BIG), {})
    yield "kernel memory a prefix beyond 5 MB, 1 M IPv6", "<=", 16, ours6.get("per_prefix"), " B", False
    yield "keeper and engine resident after it, IPv4", "<=", 60e6 / 2**20, ours.get("rss_mib"), " MiB", False
    for found in figures.agents.values():
        for how, values in found["adds"].items():
            yield (f"block add by {how} to the first dropped packet, median", "<=", 2, statistics.median(values), " ms",
                   found["is_busy"])


def show_aims(aims):
    print("aims")
    print(f"  {'aim':68} {'bound':>9} {'measured':>11}")
    for what, sign, bound, value, unit, is_noisy in aims:
        if value is None:
            print(f"  {what:68} {sign + f' {bound:.4g}':>9} {'-':>11}  not measured in this run")
            continue
        met = value >= bound if sign == ">=" else value <= bound
        print(f"  {what:68} {sign + f' {bound:.4g}':>9} {f'{value:.3g}{unit}':>11}  {'met' if met else 'missed'}"
              f"{', noisy' if is_noisy else ''}")
    print(flush=True)


def run_agent(args, bits, size, folder, figures):
    adds = args.adds if (bits, size) == (32, max((s for s in args.sizes if s <= BIG), default=0)) else 0
    figures.agents[bits, size] = agent.measure(folder, adds)
    agent.show(bits, figures.agents[bits, size])
    show_loads(bits, size, figures)


def run_one(args, bits, size, figures):
    """The rows beyond lookup's of one list. Returns whether all could be measured."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = figures.peers[bits, size] = peers.measure(args.build / "bench", bits, size, folder, args.quick)
            peers.show(bits, size, rows, figures.net(bits, size))
            run_agent(args, bits, size, folder, figures)
        return True
    except (RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        print(f"IPv{4 if bits == 32 else 6}, {size} prefixes: could not be measured: {error}\n", flush=True)
        return False


def run_limits(args, aims):
    try:
        found = limits.measure(args.build, args.rounds, args.packets, args.played, args.packets or limits.CROWDS[2])
        aims += limits.aims(*found)
        return True
    except (RuntimeError, subprocess.SubprocessError) as error:
        print(f"limits: could not be measured: {error}\n", flush=True)
        return False


def run_waits(aims):
    try:
        rows = waits.measure(BIG, BIG // 10)
        waits.show(rows)
        aims += waits.aims(rows, agent.is_busy())
        return True
    except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"waits: could not be measured: {error}\n", flush=True)
        return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--adds", type=int, default=200)
    parser.add_argument("--packets", type=int, help="of a run; the default is what memory-bound rows need")
    parser.add_argument("--lists-only", action="store_true", help="leave out feeds (scripts/bench.sh) and limits")
    parser.add_argument("--played", type=float, default=100, help="per cent of the time that a flood is played")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("sizes", type=int, nargs="+")
    args = parser.parse_args()
    figures = Figures()
    peers.PACKETS = args.packets or peers.PACKETS
    with tempfile.TemporaryDirectory() as folder:
        run_lookups(args, folder, figures)
    lists = [(bits, size) for size in args.sizes for bits in (32, 128) if size <= MOST[bits]]
    results = [run_one(args, bits, size, figures) for bits, size in lists]
    aims = [*lookup_aims(figures), *agent_aims(figures)]
    if not args.quick and not args.lists_only:
        results += [run_limits(args, aims), run_waits(aims)]
    show_aims(aims)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
