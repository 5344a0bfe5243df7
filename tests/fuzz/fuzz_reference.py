# SPDX-License-Identifier: GPL-2.0
"""Slow second readings of what is no feed: each on the standard library alone, from the format's description. A reading is compared as
a list of lines, as the target tells them; REFUSED stands for none."""
import base64, ipaddress, json, re, struct, zlib

import yaml

import feed_reference

REFUSED = []
WORD_BYTES = 80  # of a decision's words, as decision_parse.c
BATCH_ENTRIES = 1000  # as import.c


def read_base64(body):
    if not re.fullmatch(rb"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", body):
        return REFUSED
    data = base64.b64decode(body)
    return [f"bytes {data.hex()}"] if base64.b64encode(data) == body else REFUSED


def read_resolv(body):
    """resolv.conf(5): lines that begin with the word nameserver and an address; others are passed over."""
    out = []
    for line in body.split(b"\n"):
        found = re.match(rb"[ \t]*nameserver[ \t]+([0-9a-fA-F:.]{1,63})", line)
        try:
            out += [f"server {ipaddress.ip_address(found[1].decode()).packed.hex()}"] if found else []
        except ValueError:
            pass
    return out


def number_at(text):
    """The number that @text begins with, 0 without one, as strtod(3)."""
    found = re.match(r"[ \t\n\v\f\r]*([+-]?)(?:(inf(?:inity)?|nan)|(0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?)"
                     r"|((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?))", text, re.I | re.A)
    if not found:
        return 0.0
    try:
        value = float.fromhex(found[3]) if found[3] else float(found[2] or found[4])
    except OverflowError:
        value = float("inf")
    return -value if found[1] == "-" else value


def read_accept(body):
    """RFC 9110, 12.5.1: OpenMetrics where its q is above 0 and not below that of text/plain."""
    q = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in body.split(b"\0")[0].decode("latin-1").split(","):
        part = part.lstrip(" \t")
        for name in q:
            if part.lower().startswith(name) and part[len(name):len(name) + 1] in ("", " ", "\t", ";"):
                said = [word.lstrip(" \t")[2:] for word in part.split(";")[1:] if word.lstrip(" \t")[:2].lower() == "q="]
                q[name] = number_at(said[0]) if said else 1.0
    open_q, text_q = q.values()
    return [f"open {int(open_q > 0 and open_q >= text_q)}"]


def is_message(body):
    """struct role_msg of role_msg.h."""
    if len(body) != 16 + 768 + 256:
        return False
    magic, kind, n_fds = struct.unpack_from("<IHH", body)
    return magic == 0x534b524d and kind in (*range(1, 10), *range(32, 46), *range(48, 51)) and n_fds <= 16 and b"\0" in body[-256:]


def checksum(data):
    total = 0x9e3779b97f4a7c15 ^ len(data)
    for at in range(0, len(data), 8):
        total = (total ^ int.from_bytes(data[at:at + 8], "little")) * 0xff51afd7ed558ccd % 2**64
        total ^= total >> 32
    return total


def are_prefixes(rows, bits):
    """Rows of address and length: lengths in range, no host bits, in order, each once."""
    return all(1 <= n <= bits and not addr % 2**(bits - n) for addr, n in rows) and all(a < b for a, b in zip(rows, rows[1:]))


def is_list(body):
    """struct list_head of list_file.h and what follows it."""
    if len(body) < 80:
        return False
    magic, version, n4, n6, n_errors = struct.unpack_from("<QIIII", body)
    ends = [80, 80 + 8 * n4, 80 + 8 * n4 + 24 * n6, 80 + 8 * n4 + 24 * n6 + 64 * n_errors]
    if magic != 0x3154534c4b455353 or version not in (1, 2) or n_errors > 100 or len(body) != ends[3] + 128 * (version == 2):
        return False
    v4, v6, errors, origin = body[ends[0]:ends[1]], body[ends[1]:ends[2]], body[ends[2]:ends[3]], body[ends[3]:]
    rows4 = [row for row in struct.iter_unpack("<IB3x", v4)]
    rows6 = [(hi << 64 | lo, n) for hi, lo, n in struct.iter_unpack("<QQB7x", v6)]
    if struct.unpack_from("<Q", body, 72)[0] != checksum(body[80:]) or not are_prefixes(rows4, 32) or not are_prefixes(rows6, 128):
        return False
    if version == 2 and (struct.unpack_from("<I", origin, 8)[0] >= 26 or b"\0" not in origin[12:]):
        return False
    return all(errors[at + 8] <= 51 for at in range(0, len(errors), 64))


class Damaged(Exception):
    pass


def cut(body, at, n):
    if at + n > len(body):
        raise Damaged
    return body[at:at + n], at + n


def unpack_file(body, at, is_first, picks):
    """One file of an archive from its local header at @at: (its name, its bytes, where the next thing begins)."""
    head, at = cut(body, at, 30)
    flags, method, _, crc, packed, _, name_len, extra_len = struct.unpack_from("<HHIIIIHH", head, 6)
    if flags & 1 or method not in (0, 8) or not method and flags & 8 or not picks and not is_first:
        raise Damaged
    name, at = cut(body, at, name_len)
    _, at = cut(body, at, extra_len)
    if method:
        inflate = zlib.decompressobj(-15)
        try:
            data = inflate.decompress(body[at:], 1 << 27)
        except zlib.error as error:
            raise Damaged from error
        if not inflate.eof:
            raise Damaged
        at = len(body) - len(inflate.unused_data)
        if flags & 8:
            _, at = cut(body, at, 4 if body[at:at + 4] == b"PK\7\x08" else 0)
            sizes, at = cut(body, at, 12)
            crc = struct.unpack("<I", sizes[:4])[0]
    else:
        data, at = cut(body, at, packed)
    if crc != zlib.crc32(data):
        raise Damaged
    return name[:256], data, at


def check_directory(tail, files):
    """@tail names @files, each once, and ends."""
    left, n = [(zlib.crc32(data), len(data)) for data in files], len(files)
    if len(tail) > 32 << 10:
        raise Damaged
    for _ in range(n):
        if len(tail) < 46 or tail[:4] != b"PK\1\2":
            raise Damaged
        row = (struct.unpack_from("<I", tail, 16)[0], struct.unpack_from("<I", tail, 24)[0])
        if row not in left:
            raise Damaged
        left.remove(row)
        _, at = cut(tail, 0, 46 + sum(struct.unpack_from("<HHH", tail, 28)))
        tail = tail[at:]
    if len(tail) < 22 or tail[:4] != b"PK\5\6" or struct.unpack_from("<H", tail, 10)[0] != n or len(tail) != 22 + struct.unpack_from("<H", tail, 20)[0]:
        raise Damaged


def read_unzip(body):
    picks, at, files, parts = len(body) % 2, 0, [], []
    try:
        while body[at:at + 4] == b"PK\3\4":
            name, data, at = unpack_file(body, at, not files, picks)
            files.append(data)
            if not picks or not name.endswith(b".txt") and (b"-Country-Locations-" not in name or name.endswith(b"-en.csv")):
                parts.append(data)
        if not parts or len(files) > 64:
            raise Damaged
        check_directory(body[at:], files)
    except Damaged:
        return REFUSED
    out, total = b"\n".join(parts), 0
    if len(out) > 1000000:
        return REFUSED
    for byte in out:
        total = (total * 31 + byte) % 2**64
    return [f"bytes {len(out)} {total}"]


class Number(str):
    """A JSON number as it was written."""


def load(text):
    feed_reference.check_depth(text)
    return json.loads(text, object_pairs_hook=feed_reference.Members, parse_constant=feed_reference.no_constant, parse_int=Number, parse_float=Number)


def events(value, path=""):
    """(path, what it is, value) of each scalar, and of each object and list when it ends."""
    if isinstance(value, feed_reference.Members):
        for name, inner in value:
            yield from events(inner, None if path is None or "\0" in name else f"{path}.{name}" if path else name)
        yield path, "object", None
    elif isinstance(value, list):
        for inner in value:
            yield from events(inner, None if path is None else path + "[]")
        yield path, "list", None
    else:
        yield path, "number" if isinstance(value, Number) else "string" if isinstance(value, str) else "word", value


def duration_s(text):
    """Go's time.ParseDuration in seconds, rounded up; None where it is none."""
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
    found = re.fullmatch(r"([+-]?)(0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)", text, re.A)
    if not found:
        return None
    total = sum(float(n) * units[unit] for n, unit in re.findall(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)", found[2]))
    whole = int(total) + (total > int(total)) if total <= 9223372036.0 else None
    return whole if whole is None or found[1] != "-" else -whole


def address_of(text):
    """The network of a decision's value: ::ffff:192.0.2.1 stands for the IPv4 address."""
    try:
        face = ipaddress.ip_interface(text) if re.fullmatch(r"[0-9A-Fa-f:.]+(/(0|[1-9][0-9]{0,2}))?", text) else None
    except ValueError:
        return None
    if not face or not face.network.prefixlen:
        return None
    if face.version == 4 or face.ip.ipv4_mapped is None:
        return face.network
    n = face.network.prefixlen - 96
    return ipaddress.ip_network((int(face.ip.ipv4_mapped), n), strict=False) if n > 0 else None


def network_text(net):
    return str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)


class Decision:
    def __init__(self):
        self.id, self.words, self.names = 0, dict.fromkeys(("value", "scope", "type", "duration"), ""), {"origin": "", "scenario": ""}

    def take(self, name, what, value):
        if name == "id":
            self.id = int(value) if what == "number" and re.fullmatch("[0-9]{1,18}", value) else 0
        elif name in self.words:
            size = len(value.encode("utf-8", "surrogatepass")) if what == "string" else 0
            self.words[name] = value if 0 < size < WORD_BYTES and "\0" not in value else "?"
        elif name in self.names:
            room = {"origin": 23, "scenario": 71}[name]
            is_ascii = what != "string" or value.isascii()  # how many bytes a pair of surrogates has is another's question
            self.names[name] = re.sub("[^ -~]", "?", value[:room]) if is_ascii and what == "string" else "" if is_ascii else None

    def judged(self, is_gone):
        """(index in enum decision_ignored, None) or (None, the row)."""
        if self.words["scope"].lower() not in ("ip", "range"):
            return 1, None
        if self.words["type"] != "ban":
            return 0, None
        net, left_s = address_of(self.words["value"]), duration_s(self.words["duration"])
        if net is None or not self.id:
            return 2 if net is None else 5, None
        if not is_gone and (left_s is None or left_s <= 0):
            return 3 if left_s is None else 4, None
        return None, (self.id, net, None if is_gone else (left_s, self.names["origin"], self.names["scenario"]))


def row_order(row):
    """Which of several decisions of one id stays: the first by its bytes, however the answer was shuffled."""
    _, net, (left_s, origin, scenario) = row
    return net.network_address.packed.ljust(16, b"\0"), net.version, net.prefixlen, left_s.to_bytes(8, "little"), origin or "", scenario or ""


def one_of_each(rows):
    """(the rows that stay, how many are of an id whose row is of another address)."""
    kept, others = {}, 0
    for row in sorted(rows, key=row_order):
        others += kept.setdefault(row[0], row)[1] != row[1]
    return sorted(kept.values()), others


def read_decision(body):
    """CrowdSec's stream; None where a name holds more than ASCII and so is not compared."""
    is_full, one, rows, ignored, has_part = body[:1] and body[0] & 1, Decision(), {"new": [], "deleted": []}, [0] * 7, False
    if not body:
        return REFUSED
    try:
        root = load(body[1:].decode("utf-8"))
    except (ValueError, feed_reference.Refused):
        return REFUSED
    for path, what, value in events(root):
        part = path and next((name for name in rows if path.startswith(name)), None)
        if not part or len(path.encode("utf-8", "surrogatepass")) > 511:
            continue
        rest = path[len(part):]
        if not rest and what not in ("list", "word"):
            return REFUSED
        has_part |= not rest
        if part == "deleted" and is_full:
            continue
        if rest.startswith("[].") and what in ("string", "number", "word"):
            one.take(rest[3:], what, value)
        elif rest == "[]" and what == "object":
            why, row = one.judged(part == "deleted")
            if row:
                rows[part].append(row)
            elif part == "new":
                ignored[why] += 1
            one = Decision()
    if not isinstance(root, feed_reference.Members) or not has_part:
        return REFUSED
    if any(None in rest for _, _, rest in rows["new"]):
        return None
    new, others = one_of_each(rows["new"])
    ignored[5] += others
    gone = {number: net for number, net, _ in reversed(rows["deleted"])}  # the first of one id stays
    return ["ignored " + " ".join(map(str, ignored)), *(f"new {number} {network_text(net)} {rest[0]}\t{rest[1]}\t{rest[2]}" for number, net, rest in new),
            *(f"gone {number} {network_text(gone[number])}" for number in sorted(gone))]


def texts(value):
    """Every string in a JSON value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)


def has_twice(value):
    """Does an object in @value name a key twice?"""
    names = [name for name, _ in value] if isinstance(value, feed_reference.Members) else []
    inner = [one for _, one in value] if isinstance(value, feed_reference.Members) else value if isinstance(value, list) else []
    return len(set(names)) < len(names) or any(map(has_twice, inner))


def import_json(line, unique=False):
    """The object of a line, as jansson takes it: no NUL, no half of a pair, no number it cannot hold; @unique: no key twice."""
    root = json.loads(line.decode("utf-8"), object_pairs_hook=feed_reference.Members, parse_constant=feed_reference.no_constant)
    if any("\0" in text or re.search("[\ud800-\udfff]", text) for text in texts(root)):
        raise ValueError("a text that is none")
    if not isinstance(root, feed_reference.Members) or unique and has_twice(root):
        raise ValueError("no object, or a key twice")
    numbers = [root]
    for value in numbers:
        if isinstance(value, (list, tuple)):
            numbers += value
        elif isinstance(value, float) and value in (float("inf"), -float("inf")) or type(value) is int and not -2**63 <= value < 2**63:
            raise ValueError("a number that is too large")
    return dict(root)


def import_duration(text):
    if text == "-1":
        return -1
    found = re.fullmatch("([0-9]+)([dhms])", text)
    seconds = found and int(found[1]) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[found[2]]
    if not seconds or seconds > 100 * 365 * 86400:
        raise ValueError(text)
    return seconds


def import_entry(line):
    """The entry of a line that is not empty; ValueError where it is none."""
    out = {"origin": "manual", "for_s": -1}
    if line.startswith(b"{"):
        row = import_json(line, unique=True)
        times = [row[key] for key in ("for", "duration", "for_s") if key in row]
        if "prefix" not in row or len(times) > 1 or not set(row) <= {"prefix", "for", "duration", "for_s", "origin", "reason"}:
            raise ValueError("keys")
        if any(type(value) is not (int if key == "for_s" else str) for key, value in row.items()):
            raise ValueError("a value of another kind")
        out |= {key: row[key] for key in ("prefix", "origin", "reason") if key in row}
        if times and (type(times[0]) is str or times[0] > 0 or times[0] == -1):
            out["for_s"] = import_duration(times[0]) if type(times[0]) is str else times[0]
        elif times:
            raise ValueError("for_s")
    else:
        words = re.split(b"[ \t\r\n]+", line.strip(b" \t\r\n"), maxsplit=3)
        out["prefix"] = words[0].decode("latin-1")
        if len(words) > 1:
            out["for_s"] = import_duration(words[1].decode("latin-1"))
        if len(words) > 2:
            out["origin"] = words[2].decode("utf-8")
        reason = re.match(rb"(?:[^ \t\r\n]+[ \t\r\n]+){3}([^\r\n]+)", line.lstrip(b" \t\r\n"))
        if reason:
            out["reason"] = reason[1].decode("utf-8")
    feed_reference.Reading().one(out["prefix"])
    return out


def read_import(body):
    """Entries and bad lines; the stand-in of the agent refuses the first entry of each batch where the first byte is odd."""
    entries, bad = [], []
    for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+", body[1:]), 1):
        start = line.lstrip(b" \t\r\n")
        try:
            if b"\0" in line:
                raise ValueError("NUL")
            if start and not start.startswith(b"#"):
                entries.append((number, import_entry(start)))
        except ValueError:
            bad.append(number)
    if body[:1] and body[0] & 1:
        bad += [number for number, _ in entries[::BATCH_ENTRIES]]
    return [json.dumps(entry, sort_keys=True) for _, entry in entries] + [f"bad {number}" for number in sorted(bad)]


def read_control(body):
    """Whether each whole line is an object."""
    out = []
    for line in body[1:].split(b"\n")[:-1]:
        try:
            import_json(line)
            out.append("object 1")
        except (ValueError, TypeError, RecursionError):
            out.append("object 0")
    return out


def load_yaml(body):
    """PyYAML's own reading, every scalar a text; ValueError where it is none or names a key twice."""
    try:
        node = yaml.compose(body, Loader=yaml.BaseLoader)
        return yaml_value(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def yaml_value(node):
    if isinstance(node, yaml.MappingNode):
        rows = [(yaml_value(key), yaml_value(value)) for key, value in node.value]
        if len(dict(rows)) != len(rows):
            raise ValueError("a key twice")
        return dict(rows)
    return [yaml_value(inner) for inner in node.value] if isinstance(node, yaml.SequenceNode) else node.value if node else None


def as_list(value):
    return value if isinstance(value, list) else [value] if value else []


def read_config(body):
    """What is told of a config that was taken."""
    root = load_yaml(body) or {}
    names = as_list(root.get("interfaces")) or ["auto"]
    out = [f"mode {root.get('mode', 'enforce')}", f"auto {int('auto' in names)}"]
    out += [f"interface {name.encode().hex()}" for name in names if name != "auto"]
    out += [f"allow {network_text(ipaddress.ip_interface(text).network)}" for text in as_list(root.get("allow"))]
    for feed in as_list(root.get("feeds")):
        kind = "url" if "url" in feed else "path"
        out += [f"feed {feed['name']} {kind}", f"place {feed[kind].encode().hex()}"]
    return out + [f"limit {limit['name']}" for limit in as_list(root.get("limits"))]


def read_feed_file(body):
    """What is told of KEY=VALUE lines that were taken."""
    rows = [line.split(b"=", 1) for line in body.split(b"\n") if line]
    if any(len(row) != 2 for row in rows) or len(dict(rows)) != len(rows) or not all(32 <= byte < 127 for _, value in rows for byte in value):
        raise ValueError("no lines KEY=VALUE, or a key twice")
    pairs = dict(rows)
    kind = b"url" if b"url" in pairs else b"path"
    return [f"{kind.decode()} {pairs[kind].hex()}", f"select {pairs.get(b'select', b'').hex()}"]


def told_allow(lines):
    return [f"allow {network_text(ipaddress.ip_network(line[6:]))}" if line.startswith("allow ") else line for line in lines]


def taken_difference(target, body, lines):
    """Of what was taken: holds it what a plain reading finds? Why something is refused is the rules' own, so that is not compared."""
    if not lines:
        return None
    try:
        want = TAKEN[target](body)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return f"{lines} there, here {error!r}"
    return "" if want == told_allow(lines) else f"{told_allow(lines)} there, {want} here"


def told_decision(lines):
    """An address has more than one text: ours."""
    rows = [line.split(" ", 3) for line in lines]
    return [" ".join([row[0], row[1], network_text(ipaddress.ip_network(row[2])), *row[3:]]) if row[0] in ("new", "gone") else " ".join(row) for row in rows]


def told_import(lines):
    rows = [json.dumps(json.loads(line), sort_keys=True) for line in lines if line.startswith("{")]
    return rows + [f"bad {number}" for number in sorted(int(line[4:]) for line in lines if line.startswith("bad "))]


READERS = {"fuzz_base64": read_base64, "fuzz_resolv": read_resolv, "fuzz_accept": read_accept, "fuzz_unzip": read_unzip,
           "fuzz_decision": read_decision, "fuzz_import": read_import, "fuzz_control": read_control}
TOLD = {"fuzz_decision": told_decision, "fuzz_import": told_import}
TAKEN = {"fuzz_config": read_config, "fuzz_feed_file": read_feed_file}
CHECKS = {"fuzz_role_msg": is_message, "fuzz_list_file": is_list}


def difference(target, body, lines):
    """How what @target told of @body differs; "" where it does not; None where it cannot be compared."""
    try:
        return difference_of(target, body, lines)
    except ValueError as error:
        return f"what is told cannot be: {error}: {lines}"


def difference_of(target, body, lines):
    if target in TAKEN:
        return taken_difference(target, body, lines)
    if target in CHECKS:  # they tell the bytes that they made of the input
        want = CHECKS[target](bytes.fromhex(lines[0].split(" ")[1]))
        return "" if lines[1:] == [f"taken {int(want)}"] else f"{lines[1:]} there, {want} here"
    want, got = READERS[target](body), TOLD.get(target, list)(lines)
    return None if want is None else "" if want == got else f"{got} there, {want} here"
