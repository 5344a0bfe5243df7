# SPDX-License-Identifier: GPL-2.0
"""What limits cost a packet, beside GCRA in a BPF LRU hash and nftables' dynamic set, and what a flood of spoofed sources does to
them; last each aim with what was measured. usage: limits.py [--rounds N] [--packets N] [--played PERCENT] BUILD"""
import argparse, pathlib, random, statistics, subprocess, sys, tempfile

import peers

CROWDS = (1, 50000, 1 << 20)
RATE, BURST = 1000, 100  # packets/s of a source, as in limits.c


class NftLimit:
    """A dynamic set with a rate a source, behind netdev ingress; its floor is a rule that drops everything."""

    def drop_all(self, table, priority):
        peers.run("nft", "-f", "-", input=f"table netdev {table} {{\n chain c {{\n type filter hook ingress device \"lo\""
                  f" priority {priority}\n drop\n }}\n}}\n")

    def load(self):
        peers.run("nft", "-f", "-", input="table netdev bench {\n set s {\n type ipv4_addr\n size 2097152\n flags dynamic,timeout\n"
                  " timeout 1m\n }\n counter over { }\n chain c {\n type filter hook ingress device \"lo\" priority 0\n"
                  f" update @s {{ ip saddr limit rate over {RATE}/second burst {BURST} packets }} counter name \"over\" drop\n }}\n}}\n")

    def over(self):
        return int(peers.run("nft", "list", "counter", "netdev", "bench", "over").split("packets ")[1].split()[0])


def measure_nft(bench, rounds, packets):
    """{sources: (net ns, floor ns, noisy)}. What the limit lets through is dropped behind it."""
    nft, found = NftLimit(), {}
    with tempfile.TemporaryDirectory() as folder:
        folder, rng = pathlib.Path(folder), random.Random(20250711)
        for crowd in CROWDS:
            sources = rng.randbytes(4 * crowd)
            (folder / str(crowd)).write_bytes((sources * (packets // crowd + 1))[:4 * packets])
        drive = lambda crowd: float(peers.run(*peers.FAST, bench / "traffic", "drive", 32, folder / str(crowd), packets).split()[1])
        for crowd in CROWDS:
            floors, totals = [], []
            nft.load()
            nft.drop_all("end", 1)
            try:
                drive(crowd)  # every source is in the set now
                if crowd == 1 and not nft.over() > packets / 4:
                    raise RuntimeError("nftables: one source over its limit is not dropped")
                for _ in range(rounds):
                    nft.drop_all("floor", -1)
                    floors.append(drive(crowd))
                    peers.run("nft", "delete", "table", "netdev", "floor")
                    totals.append(drive(crowd))
            finally:
                subprocess.run(["nft", "flush", "ruleset"], check=True)
            found[crowd] = (statistics.median(t - f for t, f in zip(totals, floors)), statistics.median(floors),
                            max(floors) > 1.15 * min(floors))
    return found


def run_rows(words, rows):
    subprocess.run([str(word) for word in (*words, "-o", rows)], check=True)
    return [line.split("\t") for line in rows.read_text().splitlines()]


def measure(build, rounds, packets, played, nft_packets):
    """Runs and prints all of it. Returns ({program: {sources: added ns}}, rows of the flood, is it noisy?)."""
    with tempfile.TemporaryDirectory() as folder:
        rows = pathlib.Path(folder) / "rows"
        words = [*peers.FAST, build / "bench/limits", "-r", rounds] + (["-n", packets] if packets else [])
        costs, is_noisy = {}, False
        for name, sources, added, _, noisy in run_rows(words, rows):
            costs.setdefault(name, {})[int(sources)] = float(added)
            is_noisy |= noisy == "1"
        nft = measure_nft(build / "bench", min(rounds, 3), nft_packets)
        print("  nftables, a dynamic set with `limit` in the stack, ns over a rule that drops everything")
        print("  " + ", ".join(f"{crowd} source{'s' if crowd > 1 else ''} {net:.1f} (floor {floor:.1f}{', noisy' if noisy else ''})"
                               for crowd, (net, floor, noisy) in nft.items()) + "\n", flush=True)
        floods = run_rows([build / "bench/flood", "-t", played], rows)
    return costs, floods, is_noisy


def aims(costs, floods, is_noisy):
    """(what, sign, bound, value, unit, is noisy) as bench.py shows them."""
    one, lru = costs["one limit"], costs["GCRA in an LRU hash"]
    match = {n: costs[f"16 limits, {n} match{'es' if n == 1 else ''}"] for n in (1, 4)}
    yield "1 M sources: what a limit adds to what GCRA in an LRU hash adds", "<=", 0.25, one[CROWDS[2]] / lru[CROWDS[2]], "x", is_noisy
    yield "one source within its limit, to one over it in the LRU hash", "<=", 1, costs["one limit, none over"][1] / lru[1], "x", is_noisy
    yield "one source over its limit: the same", "<=", 1, one[1] / lru[1], "x", is_noisy
    for crowd in CROWDS:
        yield (f"16 limits of which 4 match to one that matches, {crowd} source{'s' if crowd > 1 else ''}", "<=", 2.5,
               match[4][crowd] / match[1][crowd], "x", is_noisy)
    for name, rate, mib, share, lost, _ in floods:
        if name == "sek_xdp":
            yield f"flood, {rate}/s, {mib} MiB: innocents lose", "<=", 0.1, 100 * float(lost), " %", False
            yield f"flood, {rate}/s, {mib} MiB: offenders get of what is theirs", "<=", 1.05, float(share), "x", False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packets", type=int, help="of a run; the default is what memory-bound rows need")
    parser.add_argument("--played", type=float, default=100, help="per cent of the flood's time")
    parser.add_argument("build", type=pathlib.Path)
    args = parser.parse_args()
    import bench  # it imports this module, too
    found = measure(args.build, args.rounds, args.packets, args.played, args.packets or CROWDS[2])
    bench.show_aims(aims(*found))


if __name__ == "__main__":
    sys.exit(main())
