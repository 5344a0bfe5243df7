# SPDX-License-Identifier: GPL-2.0
"""nftables and ipset on the same entries and sources, each beside its own floor: one rule that drops everything.
Live frames go into lo of this network namespace; a last rule drops and counts what the set lets through."""
import os, pathlib, shutil, statistics, subprocess, time

FAST = ("nice", "-n", "-10", "taskset", "-c", str(os.cpu_count() - 1))  # for what the clock runs on: one CPU, the last
PACKETS = 1 << 18  # of a run, each from a source of its own: 0.7 s at 2.6 us each
NFT_10M = "not run: nft takes about 0.8 kB an entry in user space, some 8 GB, and five minutes and more"


def run(*words, **kw):
    out = subprocess.run([str(w) for w in words], text=True, capture_output=True, **kw)
    if out.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {out.stderr.strip()[:300]}")
    return out.stdout


def timed(*words, **kw):
    start = time.monotonic()
    run(*words, **kw)
    return time.monotonic() - start


def kernel_mib():
    """Unreclaimable slab, vmalloc and per-CPU memory of the whole machine: differences only, on a quiet one."""
    rows = dict(line.split(":") for line in open("/proc/meminfo"))
    return sum(int(rows[key].split()[0]) for key in ("SUnreclaim", "VmallocUsed", "Percpu")) / 1024


class Nft:
    """An interval set behind netdev ingress."""
    name = "nftables"

    def __init__(self, bits, folder):
        self.kind = "ipv4_addr" if bits == 32 else "ipv6_addr"
        self.match = "ip saddr" if bits == 32 else "ip6 saddr"
        self.folder = folder

    def prepare(self):
        elements = "{ " + (self.folder / "list.txt").read_text().strip().replace("\n", ",\n") + " }\n"
        (self.folder / "load").write_text(
            f"table netdev bench {{\n set s {{\n type {self.kind}\n flags interval\n elements = {elements} }}\n"
            ' chain c {\n type filter hook ingress device "lo" priority 0\n'
            f" {self.match} @s drop\n }}\n}}\n")
        (self.folder / "replace").write_text("flush set netdev bench s\nadd element netdev bench s " + elements)

    def drop_all(self, table, priority):
        run("nft", "-f", "-", input=f"table netdev {table} {{\n counter end {{ }}\n chain c {{\n type filter hook ingress"
            f' device "lo" priority {priority}\n counter name "end" drop\n }}\n}}\n')

    def load(self):
        return timed("nft", "-f", self.folder / "load")

    def replace(self):
        return timed("nft", "-f", self.folder / "replace")

    def floor(self, on):
        if on:
            self.drop_all("floor", -1)
        else:
            run("nft", "delete", "table", "netdev", "floor")

    def ended(self):
        """What the ingress hook let through to IP. To list a counter nft would read the whole set: minutes."""
        if self.kind == "ipv4_addr":
            names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Ip:")]
            return int(values[names.index("InReceives")])
        return int(next(line.split()[1] for line in open("/proc/net/snmp6") if line.startswith("Ip6InReceives")))

    def finish(self):
        self.drop_all("end", 1)

    def unload(self):
        subprocess.run(["nft", "flush", "ruleset"], check=True)


class Ipset:
    """A hash:net set asked in iptables' raw table."""
    name = "ipset"

    def __init__(self, bits, folder):
        self.family = "inet" if bits == 32 else "inet6"
        self.iptables = "iptables" if bits == 32 else "ip6tables"
        self.folder = folder

    def prepare(self):
        prefixes = (self.folder / "list.txt").read_text().split()
        for name, file in (("a", "load"), ("b", "replace")):
            with open(self.folder / file, "w") as out:
                out.write(f"create {name} hash:net family {self.family} maxelem {len(prefixes) + 1}\n")
                out.writelines(f"add {name} {prefix}\n" for prefix in prefixes)
                out.write("" if name == "a" else "swap a b\ndestroy b\n")
        self.rule("-A", "PREROUTING", "-j", "DROP")

    def rule(self, *words):
        run(self.iptables, "-w", "-t", "raw", *words)

    def load(self):
        took = timed("ipset", "restore", "-f", self.folder / "load")
        self.rule("-I", "PREROUTING", "-m", "set", "--match-set", "a", "src", "-j", "DROP")
        return took

    def replace(self):
        return timed("ipset", "restore", "-f", self.folder / "replace")

    def floor(self, on):
        self.rule(*(("-I", "PREROUTING", "-j", "DROP") if on else ("-D", "PREROUTING", "1")))

    def finish(self):
        pass  # the last rule is there

    def ended(self):
        return int(run(self.iptables, "-w", "-t", "raw", "-vnxL", "PREROUTING").splitlines()[-1].split()[0])

    def unload(self):
        subprocess.run([self.iptables, "-w", "-t", "raw", "-F"], check=True)
        for name in ("a", "b"):
            subprocess.run(["ipset", "destroy", name], stderr=subprocess.DEVNULL)  # b is there after a failure only


class Row:
    """What one peer costs at one size."""

    def __init__(self, peer):
        self.name, self.why = peer.name, ""
        self.load_s = self.replace_s = self.mib = None
        self.floors, self.totals = [], {"listed": [], "random": []}

    def is_noisy(self):
        return max(self.floors) > 1.15 * min(self.floors)

    def net(self, kind):
        return statistics.median(t - f for t, f in zip(self.totals[kind], self.floors))


def drive(bench, bits, folder, kind):
    sent, ns = run(*FAST, bench / "traffic", "drive", bits, folder / kind, PACKETS).split()
    return int(sent), float(ns)


def check(bench, bits, folder, peer, kind, share):
    """All sources of @kind, once, before the clock counts: does @share of them, all or none, come to the last rule?"""
    before = peer.ended()
    packets, _ = drive(bench, bits, folder, kind)
    came = peer.ended() - before
    if came != packets * share:
        raise RuntimeError(f"{peer.name}: {came} of {packets} {kind} sources passed, not {packets * share}")


def measure_row(bench, bits, folder, peer, rounds, with_replace):
    row = Row(peer)
    try:
        peer.prepare()
        check(bench, bits, folder, peer, "listed", 1)  # the control: nothing is listed yet
        before = kernel_mib()
        row.load_s = peer.load()
        row.mib = kernel_mib() - before
        check(bench, bits, folder, peer, "listed", 0)
        check(bench, bits, folder, peer, "random", 1)
        peer.finish()
        for _ in range(rounds):
            peer.floor(True)
            row.floors.append(drive(bench, bits, folder, "random")[1])
            peer.floor(False)
            for kind in row.totals:
                row.totals[kind].append(drive(bench, bits, folder, kind)[1])
        row.replace_s = peer.replace() if with_replace else None
    finally:
        peer.unload()
    return row


def why_not(peer, bits, size, is_quick):
    """Why this row is left out, or an empty text."""
    if not shutil.which("nft" if peer is Nft else "ipset"):
        return "not installed: scripts/install-deps.sh bench"
    if peer is Nft and size > 1000000:
        return NFT_10M
    if bits == 128 and is_quick:
        return "left out of the short form for time: see make bench"
    return ""


def measure(bench, bits, size, folder, is_quick):
    """Rows of both peers with one list of @size prefixes."""
    rows, folder = [], pathlib.Path(folder)
    run(bench / "traffic", "list", bits, size, folder, PACKETS)
    for kind in (Nft, Ipset):
        peer = kind(bits, folder)
        why = why_not(kind, bits, size, is_quick)
        if why:
            rows.append(Row(peer))
            rows[-1].why = why
            continue
        rows.append(measure_row(bench, bits, folder, peer, 2 if is_quick else 3, not (is_quick and kind is Nft)))
    return rows


def ratio(a, b):
    return f"{a / b:.1f}x" if a and b else "-"


def number(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def show(bits, size, rows, ours):
    """@ours: sek_xdp's net ns by kind, from the run of lookup before."""
    print(f"IPv{4 if bits == 32 else 6}, {size} prefixes, in the stack; ratio: how many times sek_xdp's net cost")
    print(f"  {'program':15} {'floor ns':>10} {'listed ns':>10} {'random ns':>10} {'listed ratio':>13} {'random ratio':>13}"
          f" {'load s':>8} {'replace s':>9} {'kernel MiB':>10}")
    for row in rows:
        if row.why:
            print(f"  {row.name:15} {row.why}")
            continue
        listed, random = row.net("listed"), row.net("random")
        print(f"  {row.name:15} {statistics.median(row.floors):10.1f} {listed:10.1f} {random:10.1f}"
              f" {ratio(listed, ours.get('listed')):>13} {ratio(random, ours.get('random')):>13} {row.load_s:8.3f}"
              f" {number(row.replace_s):>9} {row.mib:10.2f}{'  noisy floor' if row.is_noisy() else ''}")
    print(flush=True)
