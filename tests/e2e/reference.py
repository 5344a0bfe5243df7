# SPDX-License-Identifier: GPL-2.0
"""The naive reference of the differential test: lists, entries and an address in, the verdict and its attribution out.
One dictionary a prefix length, every length asked for every address. Written from the rules in the manual ("Which entry
wins", what lists leave out) and shares nothing with the agent's own code."""
import ipaddress

BITS = {4: 32, 6: 128}
ACTIONS = {"allow": 1, "block": 2, "monitor": 3}  # as the helper prints a class's action
# What a list does not enforce unless it says `private: block`. Source: RFC 6890's registry, RFC 4193, 4291.
PRIVATE = [ipaddress.ip_network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8")]
ALWAYS_PASS = [ipaddress.ip_network(text) for text in (
    "0.0.0.0/32", "127.0.0.0/8", "169.254.0.0/16", "::/127", "fe80::/10")]  # rails that no configuration changes


def text_of(family, number):
    return str(ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number))


def prefix_text(family, number, length):
    return text_of(family, number) + ("" if length == BITS[family] else f"/{length}")


def read_prefix(text):
    """(family, first address, length) of an address or prefix, or None where it is none. Host bits are cleared."""
    word, slash, length = text.partition("/")
    if "%" in text or (slash and not (length.isdigit() and len(length) <= 3)):
        return None
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return None
    family = address.version
    length = int(length) if slash else BITS[family]
    if not 1 <= length <= BITS[family] or (family == 6 and address.ipv4_mapped):
        return None
    return family, int(address) >> (BITS[family] - length) << (BITS[family] - length), length


def read_line(line):
    """The prefixes of one line of a list: [] for a comment, None where it is not understood."""
    text = line.split("#")[0].split(";")[0].strip(" \t")
    if not text:
        return []
    if "-" in text:
        ends = [read_prefix(word.strip(" \t")) for word in text.split("-", 1)]
        if None in ends or ends[0][0] != ends[1][0] or ends[1][1] < ends[0][1]:
            return None
        kind = ipaddress.IPv4Address if ends[0][0] == 4 else ipaddress.IPv6Address
        return [(ends[0][0], int(net.network_address), net.prefixlen)
                for net in ipaddress.summarize_address_range(kind(ends[0][1]), kind(ends[1][1]))]
    one = read_prefix(text)
    return [one] if one else None


def read_list(data):
    """The set of prefixes of a list's bytes, and how many lines were not understood."""
    prefixes, bad = set(), 0
    for line in data.decode("latin-1").removeprefix("\xef\xbb\xbf").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        found = read_line(line)
        if found is None:
            bad += 1
        else:
            prefixes.update(found)
    return prefixes, bad


class Family:
    """Dictionaries of one family: length -> first bits -> set of list ids as bits, or entry rows."""

    def __init__(self, family):
        self.bits, self.lists, self.blocks, self.allows = BITS[family], {}, {}, {}
        self.private = [(self.bits - net.prefixlen, int(net.network_address) >> (self.bits - net.prefixlen))
                        for net in PRIVATE if net.version == family]
        self.local = [(self.bits - net.prefixlen, int(net.network_address) >> (self.bits - net.prefixlen))
                      for net in ALWAYS_PASS if net.version == family]

    def longest(self, table, number):
        for length in sorted(table, reverse=True):
            row = table[length].get(number >> (self.bits - length))
            if row is not None:
                return length, row
        return 0, None


class Reference:
    def __init__(self, rails=()):
        self.family = {4: Family(4), 6: Family(6)}
        self.rails = {int(ipaddress.ip_address(a)) for a in rails}
        self.mask = {"allow": 0, "block": 0, "monitor": 0}
        self.kept = 0  # lists that enforce private ranges too
        self.monitor = False

    def add_list(self, list_id, action, prefixes, private=False):
        bit = 1 << list_id
        self.mask[action] |= bit
        if private or action == "allow":
            self.kept |= bit
        for family, number, length in prefixes:
            row = self.family[family].lists.setdefault(length, {})
            key = number >> (BITS[family] - length)
            row[key] = row.get(key, 0) | bit

    def add_entry(self, kind, prefix, ends, origin):
        """A live entry. @ends: when, any number that orders ends; of two block rows the later one names the reason."""
        family, number, length = prefix
        table = self.family[family].blocks if kind == "block" else self.family[family].allows
        rows = table.setdefault(length, {})
        key = number >> (BITS[family] - length)
        if key not in rows or rows[key][0] < ends:
            rows[key] = (ends, origin)

    def lists_of(self, family, number):
        """(action, winner, set as bits) of the lists that hold the address."""
        f, mask, found, best = self.family[family], ~0, 0, {}
        if any(number >> shift == key for shift, key in f.private):
            mask = self.kept
        for length in sorted(f.lists, reverse=True):
            here = f.lists[length].get(number >> (f.bits - length), 0) & mask
            if not here:
                continue
            found |= here
            for action, of_action in self.mask.items():
                if here & of_action and action not in best:
                    best[action] = (here & of_action & -(here & of_action)).bit_length() - 1
        for action in ("allow", "block", "monitor"):
            if action in best:
                return action, best[action], found
        return None, 0, 0

    def is_protected(self, family, number):
        return number in self.rails or any(number >> shift == key for shift, key in self.family[family].local)

    def judge(self, family, number):
        """(verdict, reason, block length, allow length, action, winner, set)."""
        f = self.family[family]
        action, winner, found = self.lists_of(family, number)
        block_len, block = f.longest(f.blocks, number)
        allow_len, allow = f.longest(f.allows, number)
        if allow or action == "allow":
            verdict, reason = "pass", "allow"
        elif block:
            verdict, reason = "drop", "ban" if block[1].startswith("limit:") else "block"
        elif action == "block":
            verdict, reason = "drop", "feed"
        elif action == "monitor":
            verdict, reason = "monitor", "feed"
        else:
            verdict, reason = "pass", "none"
        if verdict != "pass" and self.is_protected(family, number):
            verdict, reason = "pass", "protected"
        elif verdict == "drop" and self.monitor:
            verdict = "monitor"
        return verdict, reason, block_len, allow_len, action, winner, found
