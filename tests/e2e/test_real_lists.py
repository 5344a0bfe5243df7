# SPDX-License-Identifier: GPL-2.0
"""Real lists through `make run`: packets from listed sources drop, others pass, and status, explain, feed list and the
metrics tell the same story as a naive reading of the files. The lists are the recorded ones of ../shared/feeds/open (or
$SEKISHO_SHARED) where they are there, and always a set of their shape that is made here."""
import collections, ipaddress, json, os, pathlib, random, re, signal, socket, subprocess, time
import pytest
from lab import BUILD, EDGE, EDGE6, PORT, run, wait_for

TOP = pathlib.Path(__file__).parents[2]
SHARED = pathlib.Path(os.environ.get("SEKISHO_SHARED", TOP.parent / "shared")) / "feeds"
FORMATS = {"plain": "plain", "drop-txt": "plain", "ip-range": "plain", "empty": "plain", "firehol-set": "netset"}
N = 5  # packets a source
NOT_ENFORCED = [ipaddress.ip_network(n) for n in (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 "
    "224.0.0.0/3 ::/127 fc00::/7 fe80::/10 ff00::/8").split()]  # policy_private.c; 10.99.0.0/24 is the lab's


def recorded():
    """(path, format) of each recorded list that plain and netset cover, by the collection's own manifest."""
    rows = [[cell.strip() for cell in line.split("|")[2:4]] for line in (SHARED / "MANIFEST.md").read_text().splitlines() if line.startswith("| open |")]
    return [(SHARED / "open" / name, FORMATS[kind]) for name, kind in rows if kind in FORMATS]


def made(folder):
    """The same shapes, made here: comments of both signs, CRLF, a BOM, ranges, host bits, bogons, IPv6, an empty file."""
    dice = random.Random(7)
    v4 = lambda: ipaddress.ip_address(dice.randrange(0x20000000, 0x60000000))
    hosts = sorted({str(v4()) for _ in range(20000)})
    nets = sorted({f"{ipaddress.ip_network((int(v4()), dice.randrange(12, 29)), strict=False)}" for _ in range(1400)})
    v6 = sorted({str(ipaddress.ip_network(((0x2A << 120) | dice.getrandbits(112) << 8, dice.choice((32, 40, 48, 64))), strict=False)) for _ in range(2000)})
    files = {
        "drop.txt": "; DROP list\n; Expires: never\n" + "".join(f"{net} ; SBL{i}\n" for i, net in enumerate(nets)),
        "level1.netset": "#\n# a set of nets \n# Entries : many\n#\n" + "\n".join(["0.0.0.0/8", "10.0.0.0/8", *nets[::3], *hosts[::50], "224.0.0.0/3"]) + "\n",
        "hosts.txt": "\r\n".join(hosts) + "\r\n", "v6.txt": "\ufeff" + "\n".join(v6), "mixed.txt": "::ffff:192.0.2.1\n" + "".join(f" {a}\t# seen\n" for a in hosts[::7] + v6[::9]),
        "ranges.txt": "# a-b\n" + "".join(f"{a}-{ipaddress.ip_address(a) + 300}\n" for a in hosts[::400]),
        "bogon.txt": "192.168.0.0/16\nfc00::/7\n172.16.0.0/12\n", "empty.txt": "",
        "allow_some.txt": "\n".join(hosts[::100] + v6[::100]) + "\n", "microsoft_some.txt": "".join(f"{a}\n" for a in v6[5::500] + hosts[3::5000]) + "".join(f"{97 + i}.{i}.0.0/20\n" for i in range(40))}
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return [(folder / name, "netset" if name.endswith("netset") else "plain") for name in files]


def action_of(name):
    if name.startswith(("allow_", "akamai", "cloudflare")):
        return "allow"
    return "monitor" if name.startswith(("china_", "microsoft_", "github_", "facebook_", "rir_")) else "block"


class NaiveList:
    """One file read line by line with the standard library: the reference."""

    def __init__(self, path, kind):
        self.path, self.kind, self.name, self.action = path, kind, path.name.replace(" ", "_")[:60], action_of(path.name)
        self.refused = 0  # IPv4-mapped ones, which are no source a packet can have
        self.by_len = {4: collections.defaultdict(set), 6: collections.defaultdict(set)}
        for line in path.read_bytes().decode("utf-8-sig").splitlines():
            word = re.split(r"[#;]", line)[0].strip()
            if not word:
                continue
            ends = [ipaddress.ip_address(end.strip()) for end in word.split("-")] if "-" in word else None
            for net in ipaddress.summarize_address_range(*ends) if ends else [ipaddress.ip_network(word, strict=False)]:
                if net.version == 6 and net.subnet_of(ipaddress.ip_network("::ffff:0:0/96")):
                    self.refused += 1
                else:
                    self.by_len[net.version][net.prefixlen].add(int(net.network_address))
        self.sizes = {version: sum(map(len, nets.values())) for version, nets in self.by_len.items()}

    def spans(self, version):
        """(first address, one behind the last) of all that it covers, those that lie inside one another too."""
        for length, bases in self.by_len[version].items():
            size = 1 << ((32 if version == 4 else 128) - length)
            yield from ((base, base + size) for base in bases)

    def longest(self, address):
        for length in sorted(self.by_len[address.version], reverse=True):
            shift = address.max_prefixlen - length
            if int(address) >> shift << shift in self.by_len[address.version][length]:
                return length
        return None

    def sample(self, dice, version, n):
        nets = [(base, length) for length, bases in self.by_len[version].items() for base in bases]
        for base, length in dice.sample(sorted(nets), min(n, len(nets))):
            whole = ipaddress.ip_network((base, length))
            yield whole.network_address + dice.randrange(whole.num_addresses)


def verdict(lists, address):
    """(verdict, the lists that hold @address, longest prefix of the winners) by interface.md's order."""
    if any(address in net for net in NOT_ENFORCED if net.version == address.version):
        return "pass", {}, None
    holders = {one.name: (one.action, length) for one in lists if (length := one.longest(address)) is not None}
    for action, said in (("allow", "pass"), ("block", "drop"), ("monitor", "monitor")):
        lengths = [length for act, length in holders.values() if act == action]
        if lengths:
            return said, holders, max(lengths)
    return "pass", {}, None


class MakeRun:
    """`make run` in the lab's edge namespace, with the default folders in a mount namespace of its own."""

    SCRIPT = """mount -t tmpfs -o mode=0755 tmpfs /run && mkdir /run/upper /run/work &&
        mount -t overlay -o lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work overlay /var/lib &&
        mount -t bpf bpf /sys/fs/bpf && exec make -s run "$@" """

    def __init__(self, lab, folder, config):
        (folder / "run.yaml").write_text(config)
        self.log = folder / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "unshare", "-m", "--propagation", "private", "bash", "-c", self.SCRIPT,
                                             "run", f"IFACE={lab.iface}", f"CONFIG={folder / 'run.yaml'}", f"BUILD={BUILD}"],
                                            cwd=TOP, stdout=log, stderr=log, start_new_session=True)
        self.lab = lab
        wait_for(lambda: self.process.poll() is not None or "ready:" in self.log.read_text(), 60, "ready")
        assert self.process.poll() is None, self.log.read_text()

    def ask(self, *words):
        socket_path = f"/proc/{self.process.pid}/root/run/sekisho/sekisho.sock"
        return json.loads(run(BUILD / "sekisho", "-s", socket_path, "--json", *words).stdout)

    def update(self):
        """`feed update`: its exit status and the feeds it says have failed."""
        done = run(BUILD / "sekisho", "-s", f"/proc/{self.process.pid}/root/run/sekisho/sekisho.sock", "feed", "update", check=False)
        return done.returncode, sorted(re.findall(r"^sekisho: feed ([^:]+): ", done.stderr, re.M))

    def metrics(self):
        text = run("nsenter", f"--net=/run/netns/{self.lab.edge}", "curl", "-sS", "http://127.0.0.1:9477/metrics").stdout
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}

    def ctrl_c(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(80)


def volley(lab, sources):
    """@N packets from each of @sources; how many arrived from which."""
    batch = "".join(f"addr add {s}/{s.max_prefixlen} dev atk0 {'nodad' if s.version == 6 else ''}\n" for s in sources if str(s) not in lab.sources)
    run("nsenter", f"--net=/run/netns/{lab.attacker}", "ip", "-batch", "-", input=batch)
    lab.sources.update(map(str, sources))
    arrived = collections.Counter()
    for version, family, target in ((4, socket.AF_INET, EDGE), (6, socket.AF_INET6, EDGE6)):
        mine = [s for s in sources if s.version == version]
        sink = lab.socket_in(lab.edge, family, socket.SOCK_DGRAM)
        sink.bind(("", PORT))
        sink.settimeout(0.5)
        sink.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: the whole volley waits in it
        for source in mine:
            with lab.socket_in(lab.attacker, family, socket.SOCK_DGRAM) as gun:
                gun.bind((str(source), 0))
                for i in range(N):
                    gun.sendto(b"volley", (target, PORT))
        with sink:
            try:
                while True:
                    arrived[ipaddress.ip_address(sink.recvfrom(100)[1][0])] += 1
            except socket.timeout:
                pass
    return arrived


def sources_for(lists, dice):
    """Addresses of every list, around it, and unlisted ones; none that the rails protect in this lab."""
    resolvers = set(re.findall(r"^nameserver\s+(\S+)", pathlib.Path("/etc/resolv.conf").read_text(), re.M)) if os.path.exists("/etc/resolv.conf") else set()
    found = [address for one in lists for version in (4, 6) for address in one.sample(dice, version, 4)]
    found += [ipaddress.ip_address(dice.randrange(0x0B000000, 0xDF000000)) for _ in range(20)]
    found += [ipaddress.ip_address((0x2600 << 112) | dice.getrandbits(100)) for _ in range(10)]
    unusable = [net for net in NOT_ENFORCED if str(net) not in ("192.168.0.0/16", "172.16.0.0/12", "fc00::/7")]
    return sorted({a for a in found if str(a) not in resolvers and not any(a in net for net in unusable if net.version == a.version)}, key=lambda a: (a.version, a))


def check_feeds(one, lists):
    rows = {row["name"]: row for row in one.ask("feed", "list")["feeds"]}
    assert set(rows) == {each.name for each in lists}
    numbers = one.metrics()
    for each in lists:
        row, full = rows[each.name], sum(each.sizes.values()) > 0
        assert row["state"] == ("ok" if full else "failing") and row["action"] == each.action, row
        assert numbers[f'sekisho_feed_up{{feed="{each.name}"}}'] == full
        if "range" in each.name or "ipfilter" in each.name:
            continue  # neighbouring ranges may be held as fewer prefixes
        assert (row["entries_v4"], row["entries_v6"]) == (each.sizes[4], each.sizes[6]), row
        assert one.ask("feed", "show", each.name)["errors_total"] == each.refused
        assert numbers[f'sekisho_feed_entries{{feed="{each.name}",family="ipv4"}}'] == each.sizes[4]


def check_explain(one, lists, source):
    said, holders, length = verdict(lists, source)
    answer = one.ask("explain", str(source))
    assert (answer["verdict"], answer["differs"]) == (said, None), (source, holders, answer)
    assert {m["source"]: m["action"] for m in answer["matches"]} == {name: action for name, (action, _) in holders.items()}, (source, answer)
    action = answer["matches"][0]["action"] if holders else "none"
    assert answer["advice"].startswith({"none": "sekisho block add ", "allow": "change the action of feed "}.get(action, "sekisho allow add ")), answer
    if holders:
        assert int(answer["matches"][0]["prefix"].partition("/")[2] or source.max_prefixlen) == length, (source, holders, answer)


def check_counts(one, lists, sources, iface):
    """The counters after one volley from @sources."""
    dropped = [s for s in sources if verdict(lists, s)[0] == "drop"]
    watched = [s for s in sources if verdict(lists, s)[0] == "monitor"]
    packets, numbers = one.ask("status")["packets"], one.metrics()
    assert packets["dropped"] == packets["by_reason"]["feed"]["dropped"] == N * len(dropped)
    assert numbers[f'sekisho_packets_total{{interface="{iface}",verdict="drop",reason="feed"}}'] == N * len(dropped)
    assert packets["would_drop"] == numbers[f'sekisho_would_drop_packets_total{{interface="{iface}",reason="feed"}}'] == N * len(watched)
    for each in lists:
        mine = sum(1 for s in dropped if each.action == "block" and each.longest(s) is not None)
        assert numbers[f'sekisho_feed_dropped_packets_total{{feed="{each.name}"}}'] == N * mine, each.name
    return dropped, watched


def shared_of(lists, version):
    """{(a, b): of how many addresses both are}, a == b too, by one sweep over all ends; without what is never enforced."""
    ends = [(at, is_end, i) for i, each in enumerate(lists) for span in each.spans(version) for is_end, at in enumerate(span)]
    ends += [(at, is_end, None) for net in NOT_ENFORCED if net.version == version
             for is_end, at in enumerate((int(net[0]), int(net[-1]) + 1))]
    depth, inside, before, sums = collections.Counter(), set(), 0, collections.Counter()
    for at, is_end, i in sorted(ends, key=lambda end: end[0]):
        if at != before and None not in inside:
            sums[frozenset(inside)] += at - before
        before = at
        depth[i] += -1 if is_end else 1
        (inside.add if depth[i] > 0 else inside.discard)(i)
    pairs = collections.Counter()
    for members, size in sums.items():
        pairs.update({(a, b): size for a in members for b in members})
    return pairs


def check_overlaps(one, lists):
    """The matrix in the metrics, each figure."""
    want = {}
    for version, family in ((4, "ipv4"), (6, "ipv6")):
        shared = shared_of(lists, version)
        want |= {f'sekisho_feed_overlap_pair_ratio{{feed="{lists[a].name}",other="{lists[b].name}",family="{family}"}}': size / shared[a, a]
                 for (a, b), size in shared.items() if a != b}
    said = {name: share for name, share in one.metrics().items() if name.startswith("sekisho_feed_overlap_pair_ratio{")}
    assert len(want) > 10 and set(said) == set(want)
    wrong = {name: (share, want[name]) for name, share in said.items() if share != pytest.approx(want[name], rel=1e-9)}
    assert wrong == {}


@pytest.mark.parametrize("kind", ["made", "recorded"] if (SHARED / "MANIFEST.md").exists() else ["made"])
def test_every_list_drops_what_it_names(lab, tmp_path, kind):
    tmp_path.chmod(0o755)
    lists = [NaiveList(*row) for row in (recorded() if kind == "recorded" else made(tmp_path))]
    assert len(lists) >= 10
    config = "".join(f'  - {{name: "{l.name}", path: "{l.path}", format: {l.kind}, action: {l.action}, max-coverage: 40%}}\n' for l in lists)
    lab.ip(lab.edge, "-6", "route", "add", "default", "dev", lab.iface)
    sources = sources_for(lists, random.Random(1))
    assert lab.probe("10.99.0.2") == 20 and lab.probe("fd99::2") == 20
    before = volley(lab, sources)
    assert all(before[s] == N for s in sources), [s for s in sources if before[s] != N]  # the control: all of them get through
    one = MakeRun(lab, tmp_path, "feeds:\n" + config)
    try:
        wait_for(lambda: all(row["state"] != "pending" for row in one.ask("feed", "list")["feeds"]), 30, "every list read")
        assert one.update() == (1, sorted(each.name for each in lists if not sum(each.sizes.values())))  # returns when all is in force
        check_feeds(one, lists)
        check_overlaps(one, lists)
        after = volley(lab, sources)
        dropped, watched = check_counts(one, lists, sources, lab.iface)
        assert len(dropped) > 20 and watched and len(sources) - len(dropped) - len(watched) > 20
        wrong = {str(s): (after[s], verdict(lists, s)) for s in sources if after[s] != (0 if s in dropped else N)}
        assert wrong == {}
        for source in sources:
            check_explain(one, lists, source)
    finally:
        one.ctrl_c()
    assert "detached: no interface is protected" in one.log.read_text()
    assert all(count == N for count in volley(lab, dropped[:5]).values())
