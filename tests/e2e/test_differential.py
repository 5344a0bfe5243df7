# SPDX-License-Identifier: GPL-2.0
"""The attached program against a naive reference: the verdict for a packet from each of 200,000 addresses a family, which
list or entry wins, and the set of lists that hold it. Lists and entries go in the way a user brings them in."""
import json, os, pathlib, random, re, socket, sqlite3
import pytest
from lab import BUILD, EDGE, EDGE6, GATEWAY, run, wait_for
from reference import ACTIONS, BITS, Reference, prefix_text, read_list, read_prefix, text_of

WANT = 200_000  # addresses a family
SEED = int(os.environ.get("SEKISHO_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
FEEDS = pathlib.Path(os.environ.get("SEKISHO_SHARED", pathlib.Path(__file__).parents[2].parent / "shared")) / "feeds/open"

# Where random prefixes crowd: public space, both sides of private ranges, and the ends of the address space.
CROWDS = {4: ["45.0.0.0/8", "172.0.0.0/11", "192.168.0.0/15", "100.0.0.0/9", "223.255.0.0/16", "0.0.0.0/6", "255.255.0.0/16",
              "203.0.113.0/24", "198.18.0.0/14"],
          6: ["2001:db8::/32", "2600::/12", "2a00:1450::/29", "fc00::/6", "fe00::/7", "2001:db8:1:2::/64", "::/8",
              "ffff:ffff:ffff:ffff::/64"]}


class Maker:
    """Random prefixes and addresses, many of them inside, beside or around one another."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seen = {4: [], 6: []}
        self.crowds = {family: [read_prefix(text) for text in texts] for family, texts in CROWDS.items()}

    def fresh(self, family, low):
        _, base, length = self.random.choice(self.crowds[family])
        bits = BITS[family]
        number = base | self.random.getrandbits(bits - length)
        length = self.random.choice((bits, self.random.randint(max(length, low), bits)))
        return family, number >> (bits - length) << (bits - length), length

    def kin(self, family):
        """The same as one before, its half, its double or its neighbour."""
        _, number, length = self.random.choice(self.seen[family])
        bits, kind = BITS[family], self.random.randrange(4)
        if kind == 1 and length < bits:
            length += 1
            number |= self.random.getrandbits(1) << (bits - length)
        elif kind == 2 and length > 1:
            length -= 1
            number = number >> (bits - length) << (bits - length)
        elif kind == 3:
            number ^= 1 << (bits - length)
        return family, number, length

    def prefixes(self, family, n, low=1):
        found = set()
        while len(found) < n:
            one = self.kin(family) if self.seen[family] and self.random.random() < 0.4 else self.fresh(family, low)
            if low <= one[2] and not (family == 6 and one[1] >> 32 == 0xffff):
                found.add(one)
                self.seen[family].append(one)
        return found


def edges(prefixes):
    """First, last and both neighbours of each prefix, by family."""
    found = {4: set(), 6: set()}
    for family, number, length in prefixes:
        last = number + (1 << (BITS[family] - length)) - 1
        found[family].update(a for a in (number - 1, number, last, last + 1) if 0 <= a < 1 << BITS[family])
    return found


def addresses(maker, prefixes, want=WANT):
    """At least @want addresses a family: every edge if they fit beside a quarter of random ones, else a sample."""
    chosen = {}
    for family, found in edges(prefixes).items():
        some = sorted(found)
        chosen[family] = set(maker.random.sample(some, min(len(some), want * 3 // 4)))
        while len(chosen[family]) < want:
            bits = BITS[family]
            chosen[family].add(maker.random.getrandbits(bits) if maker.random.random() < 0.5 else
                               maker.fresh(family, 1)[1] | maker.random.getrandbits(8))
    return chosen


class Feed:
    def __init__(self, name, action, data, private=False):
        self.name, self.action, self.data, self.private = name, action, data, private
        self.prefixes, self.bad_lines = read_list(data)


def config_of(agent, feeds, allow=()):
    lines = ["allow: [%s]" % ", ".join(f'"{a}"' for a in allow), "feeds:"]
    for feed in feeds:
        path = agent.dir / (feed.name + ".txt")
        path.write_bytes(feed.data)
        lines.append(f'  - {{name: {feed.name}, path: "{path}", format: {"netset" if feed.name.startswith("firehol") else "plain"}, '
                     f'action: {feed.action}, interval: 12h, max-coverage: 100%, max-change: 0%'
                     + (", private: block" if feed.private else "") + "}")
    return "\n".join(lines) + "\n"


def rails():
    names = re.findall(r"^\s*nameserver\s+([0-9a-fA-F:.]+)", pathlib.Path("/etc/resolv.conf").read_text(), re.M)
    return [EDGE, EDGE6, GATEWAY, *names]


def list_ids(agent):
    state = sqlite3.connect(f"file:{agent.dir}/state/state.db?mode=ro", uri=True)
    with state:
        return dict(state.execute("SELECT name, id FROM feeds"))


def reference_of(agent, feeds, allow, entries):
    """The reference over the same lists, with the ids that the agent gave them; @entries: (kind, prefix, ends, origin)."""
    naive, ids = Reference(rails()), list_ids(agent)
    naive.add_list(0, "allow", [read_prefix(a) for a in allow])
    for feed in feeds:
        naive.add_list(ids[feed.name], feed.action, feed.prefixes, feed.private)
    for entry in entries:
        naive.add_entry(*entry)
    return naive


def in_force(agent, feeds, generation=0):
    """Waits until every feed has been read and a table with all of them is in force."""
    def done():
        status = agent.ask("status")
        return (status["table"]["generation"] > generation and all(f["state"] == "ok" for f in status["feeds"])
                and len(status["feeds"]) == len(feeds) and status)
    try:
        wait_for(done, 30, "every feed")
    except AssertionError as late:
        raise AssertionError(agent.said()) from late
    agent.cli("feed", "update")  # answers when nothing is under way any more
    for feed in feeds:
        shown = agent.ask("feed", "show", feed.name)
        ours = [sum(p[0] == family for p in feed.prefixes) for family in (4, 6)]
        assert [shown["entries_v4"], shown["entries_v6"], shown["errors_total"]] == [*ours, feed.bad_lines], feed.name


def kernel_answers(agent, family, numbers):
    program = agent.ask("status")["interfaces"][0]["program_id"]
    table = agent.layout()
    text = "".join(text_of(family, number) + "\n" for number in numbers)
    out = run(BUILD / "e2e/judge", program, table, input=text, timeout=120)
    return out.stdout.splitlines()


def expected_line(naive, family, number):
    verdict, reason, block_len, allow_len, action, winner, found = naive.judge(family, number)
    return (verdict, reason, block_len, allow_len, ACTIONS.get(action, 0), winner, found)


def differences(agent, naive, chosen):
    """Lines where the kernel and the reference differ, and what the reference expects of the counters."""
    wrong, expected = [], {}
    for family in (4, 6):
        numbers = sorted(chosen[family])
        answers = kernel_answers(agent, family, numbers)
        assert len(answers) == len(numbers)
        for number, answer in zip(numbers, answers):
            words = answer.split(" ")
            want = expected_line(naive, family, number)
            got = (words[2], words[3], int(words[5]), int(words[6]), int(words[7]), int(words[8]), int(words[9], 16))
            if got != want or words[1] != ("drop" if want[0] == "drop" else "pass"):
                wrong.append(f"{answer} but the reference says {want}")
            key = (want[0], want[1], want[6] if want[1] == "feed" else 0)
            expected[key] = expected.get(key, 0) + 1
    return wrong, expected


def counters(agent):
    packets = agent.ask("status")["packets"]
    found = {(verdict, reason): row[verdict] for reason, row in packets["by_reason"].items() for verdict in ("dropped", "would_drop")}
    for metric, verdict in (("dropped", "drop"), ("would_drop", "monitor")):
        for name, value in re.findall(r'^sekisho_feed_%s_packets_total\{feed="([^"]+)"\} (\d+)' % metric, agent.get("/metrics"), re.M):
            found[verdict, "feed " + name] = int(value)
    return found


def expected_counters(agent, feeds, expected):
    """What the helper's packets must have moved: per reason, and per list that holds the address."""
    ids, moved = list_ids(agent), {}
    for (verdict, reason, found), n in expected.items():
        if verdict == "pass":
            continue
        key = ("dropped" if verdict == "drop" else "would_drop", reason)
        moved[key] = moved.get(key, 0) + n
        for feed in feeds:
            if not found >> ids[feed.name] & 1 or feed.action == "allow":
                continue
            # A monitor list would have dropped what a block list beside it did drop.
            key = (verdict if feed.action == "block" else "monitor", "feed " + feed.name)
            moved[key] = moved.get(key, 0) + n
    return moved


def check(agent, naive, feeds, chosen, at_least=None):
    before = counters(agent)
    wrong, expected = differences(agent, naive, chosen)
    assert not wrong, f"seed {SEED}: {len(wrong)} differ, such as\n" + "\n".join(wrong[:10])
    after = counters(agent)
    moved = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    assert moved == expected_counters(agent, feeds, expected), f"seed {SEED}"
    outcomes = {(verdict, reason) for verdict, reason, _ in expected}
    assert not at_least or at_least <= outcomes, f"seed {SEED}: this run asked too little: {outcomes}"
    return expected


class Control:
    """The agent's control socket, for thousands of questions."""

    def __init__(self, agent):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(agent.dir / "run/sekisho.sock"))
        self.stream = self.socket.makefile("rwb")

    def ask(self, **request):
        self.stream.write(json.dumps(request).encode() + b"\n")
        self.stream.flush()
        return json.loads(self.stream.readline())["data"]


RANKS = {("allow", "allow"): 0, ("block", "block"): 1, ("feed", "block"): 2, ("feed", "monitor"): 3, ("feed", "allow"): 0}


def check_explain(agent, naive, feeds, allow, rows, chosen, n):
    """`explain` names each match, the winner first. @rows: (kind, prefix, origin)."""
    ids = list_ids(agent)
    names = {ids[feed.name]: feed.name for feed in feeds}
    naive_one = {feed.name: {} for feed in feeds}
    for feed in feeds:
        for p in feed.prefixes:
            naive_one[feed.name].setdefault((p[0], p[2]), set()).add(p[1])
    control, picker = Control(agent), random.Random(SEED)

    def holds(p, family, number):
        return p[0] == family and number >> (BITS[family] - p[2]) == p[1] >> (BITS[family] - p[2])

    for family in (4, 6):
        bits = BITS[family]
        lengths = {feed.name: sorted((l for f, l in naive_one[feed.name] if f == family), reverse=True) for feed in feeds}
        for number in picker.sample(sorted(chosen[family]), n):
            answer = control.ask(verb="explain", address=text_of(family, number))
            verdict, reason, _, _, action, winner, found = naive.judge(family, number)
            want = {(prefix_text(*p), kind, origin) for kind, p, origin in rows if holds(p, family, number)}
            want |= {(prefix_text(*read_prefix(a)), "allow", "config") for a in allow if holds(read_prefix(a), family, number)}
            for list_id in (i for i in names if found >> i & 1):
                length = next(l for l in lengths[names[list_id]]
                              if number >> (bits - l) << (bits - l) in naive_one[names[list_id]][family, l])
                want.add((prefix_text(family, number >> (bits - length) << (bits - length), length), "feed", names[list_id]))
            matches = answer["matches"]
            where = f"seed {SEED}: {json.dumps(answer)}"
            assert (answer["verdict"], answer["reason"], answer["differs"]) == (verdict, reason, None), where
            assert {(m["prefix"], m["kind"], m["source"]) for m in matches} == want and len(want) == len(matches), (where, want)
            # Strongest first, then longest; of one prefix, entries by their end, then lists by their id.
            order = [(RANKS[m["kind"], m["action"]], -read_prefix(m["prefix"])[2], m["kind"] == "feed" or m["source"] == "config",
                      ids.get(m["source"], 0) if m["kind"] == "feed" else -(m["expires"] or 0)) for m in matches]
            assert order == sorted(order), where
            lists_only = [m for m in matches if m["kind"] == "feed" or m["source"] == "config"]
            if action:
                assert lists_only[0]["source"] == (names[winner] if winner else "config"), where


LISTED_RAIL = "169.254.7.0/24"


def random_lists(maker):
    """Lists of every action, some with private ranges, two with a prefix that holds half or an eighth of everything."""
    lists = []
    for i, (action, private, n) in enumerate([("block", False, 9000), ("monitor", False, 6000), ("block", True, 6000), ("allow", False, 800),
                                              ("block", False, 300), ("monitor", True, 3000), ("allow", False, 100), ("block", False, 9000),
                                              ("block", True, 20), ("monitor", False, 9000)]):
        prefixes = maker.prefixes(4, n, 9) | maker.prefixes(6, n, 9)
        if i == 1:
            prefixes |= {read_prefix("128.0.0.0/1"), read_prefix("8000::/1")}
        if i == 2:  # it is `private: block`: what it names here, a rail alone lets pass
            prefixes.add(read_prefix(LISTED_RAIL))
        if i == 4:
            prefixes |= {read_prefix("32.0.0.0/3"), read_prefix("2000::/3")}
        text = "\n".join(prefix_text(*p) for p in sorted(prefixes))
        lists.append(Feed(f"random{i}", action, text.encode(), private))
    return lists


NEVER_ENTERED = ["0.0.0.0", "127.0.0.0/8", "169.254.0.0/16", "::/127", "fe80::/10"]  # loopback and link-local: an import of them is refused


def overlap(a, b):
    """Does one of two prefixes (family, first, length) hold the other?"""
    shift = BITS[a[0]] - min(a[2], b[2])
    return a[0] == b[0] and a[1] >> shift == b[1] >> shift


def random_entries(maker, agent):
    """Imports block and allow entries of several origins and ends; what is live: (kind, prefix, ends, origin)."""
    lengths = {4: range(12, 33), 6: [20, 28, 32, 36, 40, 44, 48, 52, 56, 60, 63, 64, 65, 72, 80, 96, 112, 120, 126, 127, 128]}
    protected = [read_prefix(a) for a in [*rails(), *NEVER_ENTERED]]
    live = []
    for kind, n in (("block", 700), ("allow", 150)):
        lines = []
        for family in (4, 6):
            for p in maker.prefixes(family, n * 3, 12):
                if p[2] not in lengths[family] or any(overlap(p, r) for r in protected):
                    continue
                for origin in maker.random.sample(["manual", "bouncer", "limit:ssh"], maker.random.choice((1, 1, 2))):
                    hours = maker.random.choice((0, *range(1, 20)))  # 0: ended before the first question
                    if any(e[0] == kind and e[1] == p and e[2] == hours for e in live):
                        continue
                    lines.append(f"{prefix_text(*p)} {f'{hours}h' if hours else '1s'} {origin} random\n")
                    if hours:
                        live.append((kind, p, hours, origin))
        path = agent.dir / f"{kind}.import"
        path.write_text("".join(lines))
        agent.cli(kind, "import", path)
        assert agent.ask(kind, "list")["entries"]
    return live


ALLOW = ["203.0.113.0/28", "45.45.0.0/16", "2001:db8:aaaa::/48", "172.16.5.0/24", "2600:1::/64"]


def test_random_lists(lab, agent):
    one, maker = agent(), Maker(SEED)
    feeds = random_lists(maker)
    one.write(config_of(one, feeds, ALLOW))
    one.start()
    entries = random_entries(maker, one)
    in_force(one, feeds)
    used = len({e[1] for e in entries})
    wait_for(lambda: one.ask("status")["entries"]["used"] == used, 10, "the end of the entries of one second")
    naive = reference_of(one, feeds, ALLOW, entries)
    everything = set().union(*(feed.prefixes for feed in feeds), [e[1] for e in entries], map(read_prefix, ALLOW), map(read_prefix, rails()))
    chosen = addresses(maker, everything)
    for family in (4, 6):  # entries are few: all their edges are asked
        chosen[family] |= edges(e[1] for e in entries)[family] | edges(map(read_prefix, [*rails(), LISTED_RAIL]))[family]
    check(one, naive, feeds, chosen, {("drop", "feed"), ("drop", "block"), ("drop", "ban"), ("pass", "allow"), ("pass", "none"),
                                      ("monitor", "feed"), ("pass", "protected")})
    check_explain(one, naive, feeds, ALLOW, [(kind, p, origin) for kind, p, _, origin in entries], chosen, 1000)
    some = {family: set(maker.random.sample(sorted(chosen[family]), 20_000)) for family in (4, 6)}
    one.cli("mode", "monitor")
    naive.monitor = True
    check(one, naive, feeds, some, {("monitor", "feed"), ("monitor", "block"), ("pass", "allow")})
    one.cli("mode", "enforce")
    changed_config(one, maker, feeds, entries, some)


def changed_config(one, maker, feeds, entries, some):
    """The same agent after a reload: order turned, one list gone, actions and private ranges changed."""
    generation = one.ask("status")["table"]["generation"]
    feeds = [Feed(f.name, {"random0": "monitor", "random1": "block"}.get(f.name, f.action), f.data,
                  not f.private if f.name in ("random5", "random7") else f.private) for f in reversed(feeds[:-1])]
    one.write(config_of(one, feeds, ALLOW[:2]))
    one.cli("reload")
    in_force(one, feeds, generation)
    naive = reference_of(one, feeds, ALLOW[:2], entries)
    check(one, naive, feeds, some)
    check_explain(one, naive, feeds, ALLOW[:2], [(kind, p, origin) for kind, p, _, origin in entries], some, 300)


def real_feeds():
    """Every stored list that the plain and netset formats cover, dealt round the actions."""
    names = sorted(p for p in FEEDS.glob("*") if p.suffix in (".txt", ".netset", ".ipset"))
    names = [p for p in names if p.name not in ("ipsum_counts.txt", "dshield_block_2026.txt", "secops_asn_drop_EMPTY.txt")]
    feeds = []
    for i, path in enumerate(names):
        action = "allow" if path.name.startswith(("allow", "cloudflare", "akamai")) else ("block", "block", "monitor")[i % 3]
        feeds.append(Feed(path.stem, action, path.read_bytes(), private=i % 4 == 0))
    return [feed for feed in feeds if feed.prefixes]  # two are comments alone: never a list


def test_real_lists(lab, agent):
    """Where the stored lists are not there, one made like them takes their place, so that this row always runs."""
    one, maker = agent(), Maker(SEED + 1)
    feeds = real_feeds() if FEEDS.is_dir() else [
        Feed(f"like{i}", action, "\r\n".join(["# like a real list", *(prefix_text(*p) + " ; SBL1" for p in maker.prefixes(4, 3000, 12)),
                                              *(prefix_text(*p) for p in maker.prefixes(6, 500, 19))]).encode())
        for i, action in enumerate(("block", "monitor", "block", "allow"))]
    one.write(config_of(one, feeds, ALLOW))
    one.start()
    in_force(one, feeds)
    naive = reference_of(one, feeds, ALLOW, [])
    everything = set().union(*(feed.prefixes for feed in feeds))
    chosen = addresses(maker, everything)
    expected = check(one, naive, feeds, chosen, {("drop", "feed"), ("pass", "allow"), ("pass", "none"), ("monitor", "feed")})
    assert len({found for _, _, found in expected}) > len(feeds)  # overlaps of several lists
    check_explain(one, naive, feeds, ALLOW, [], chosen, 500)
