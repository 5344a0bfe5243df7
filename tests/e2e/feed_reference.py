# SPDX-License-Identifier: GPL-2.0
"""A slow second reading of every feed format, on the standard library alone: whole bodies, regular expressions,
the json module, ipaddress. It shares no code and no tables with user/lib/feed_*.c; where the two differ, one of them is wrong."""
import ipaddress, json, re

COUNTRY_IDS = {"DE": "2921044", "AT": "2782113", "US": "6252001"}
PATHS = {  # the places of the addresses, as regular expressions over paths
    "aws": r"prefixes\[\]\.ip_prefix|ipv6_prefixes\[\]\.ipv6_prefix", "aws-ipset": r"IPSet\.Addresses\[\]",
    "google": r"prefixes\[\]\.ipv[46]Prefix", "github": r"(?!ssh_keys)[^.\[]+\[\]", "cloudflare": r"result\.(ipv[46]|jdcloud)_cidrs\[\]",
    "atlassian": r"items\[\]\.cidr", "misp": r"list\[\]", "abuseipdb": r"data\[\]\.ipAddress", "spamhaus-json": "cidr",
    "rir": r"prefixes\.ipv[46]\[\]"}


class Refused(Exception):
    pass


class Reading:
    def __init__(self):
        self.entries, self.nets = {4: 0, 6: 0}, []
        self.errors = self.skipped = self.host_bits = self.rows = 0
        self.claim, self.claims, self.addresses, self.needs_claim = None, 0, None, False

    def says(self, rows):
        self.claim, self.claims = rows, self.claims + 1

    def one(self, text):
        """ADDRESS or ADDRESS/LEN; raises ValueError for all that inet_pton(3) and a plain decimal length are not."""
        if "%" in text or not re.fullmatch(r"[0-9A-Fa-f:.]+(/(0|[1-9][0-9]{0,2}))?", text):
            raise ValueError(text)
        face = ipaddress.ip_interface(text)
        if face.network.prefixlen == 0 or face.version == 6 and face.ip.ipv4_mapped is not None:
            raise ValueError(text)
        return face

    def is_entry(self, text):
        try:
            if "-" in text and "/" not in text.split("-")[0]:
                return "/" not in text.split("-", 1)[1] and all(self.one(end.strip(" \t")) for end in text.split("-", 1))
            return bool(self.one(text))
        except ValueError:
            return False

    def entry(self, text):
        try:
            if "-" in text and "/" not in text.split("-")[0]:
                first, last = [self.one(end.strip(" \t")) for end in text.split("-", 1)]
                if "/" in text.split("-", 1)[1]:
                    raise ValueError(text)
                self.span(first.ip, last.ip)
                return
            face = self.one(text)
        except (ValueError, TypeError):  # TypeError: a range from one family to the other
            self.errors += 1
            return
        self.host_bits += face.ip != face.network.network_address
        self.entries[face.version] += 1
        self.nets.append(face.network)

    def span(self, first, last):
        nets = list(ipaddress.summarize_address_range(first, last))  # ValueError: reversed, or of two families (TypeError)
        if nets[0].prefixlen == 0:
            raise ValueError("everything")
        self.entries[first.version] += 1
        self.nets += nets


def lines(text):
    return re.split(r"\r\n|\n|\r", text)


def read_plain(r, text, kind, options):
    for line in lines(text):
        if kind == "netset" and line.startswith("#") and ":" in line:
            r.needs_claim |= "ipv4 hash:" in line or bool(re.match(r"#[ \t]*Entries[^:]*:[ \t]*[0-9]", line))
            claim = re.fullmatch(r"#[ \t]*Entries[^:]*:[ \t]*([0-9]{1,12})(?: .*)?", line.rstrip(" \t"))
            if claim:
                r.says(int(claim[1]))
                unique = re.search(r"([0-9]+) unique IPs$", line.rstrip(" \t"))
                if unique and len(unique[1]) <= 12:
                    r.addresses = int(unique[1])
        fields = [field.strip(" \t") for field in line.split("#")[0].split(";")]
        word = fields[0]
        if word and any(map(r.is_entry, fields[1:])):
            r.rows, r.errors = r.rows + 1, r.errors + 1
        elif word:
            r.rows += 1
            r.entry(word)


def read_tor(r, text, kind, options):
    for line in lines(text):
        words = re.split("[ \t]+", line.strip(" \t"))
        if words[0] == "ExitAddress":
            r.entry((words + [""])[1])
        elif words[0] and not words[0].startswith("#") and words[0] not in ("ExitNode", "Published", "LastStatus"):
            r.errors += 1


def read_ipsum(r, text, kind, options):
    for line in lines(text):
        words = re.split("[ \t]+", line.strip(" \t"))
        if not words[0] or words[0].startswith("#"):
            continue
        if len(words) < 2 or not re.fullmatch("[0-9]{1,12}", words[-1]):
            r.errors += 1
        elif int(words[-1]) < int(options.get("threshold", 0)):
            r.skipped += 1
        else:
            r.entry(" ".join(words[:-1]))


def read_dshield(r, text, kind, options):
    for line in lines(text):
        words = re.split("[ \t]+", line.strip(" \t"))
        if not words[0] or words[0].startswith("#") or line.strip(" \t").startswith("Start\tEnd\t"):
            continue
        try:
            net = ipaddress.ip_network(f"{words[0]}/{int(words[2])}")
            if str(net.broadcast_address) != words[1] or net.prefixlen == 0:
                raise ValueError(line)
            r.entry(str(net))
        except (ValueError, IndexError):
            r.errors += 1


def fields_of(line, separator=","):
    """Fields without blanks and quotes; a quote that does not enclose a whole field is text."""
    comma = re.escape(separator)
    blank = "[ ]*" if separator == "\t" else "[ \t]*"
    out, rest = [], line
    while True:
        quoted = re.match(rf'{blank}"((?:[^"]|"")*)"{blank}({comma}|$)', rest)
        plain = re.match(rf"([^{comma}]*)({comma}|$)", rest)
        field = quoted or plain
        out.append(field[1].strip(" \t"))
        if not field[2]:
            return out
        rest = rest[field.end():]


def is_entry(text):
    """Would Reading.entry() read it? A reversed range is one that it names an error of."""
    ends = text.split("-", 1) if "-" in text and "/" not in text.split("-")[0] else [text]
    try:
        faces = [Reading().one(end.strip(" \t")) for end in ends]
    except ValueError:
        return False
    return len(ends) == 1 or "/" not in ends[1]


def read_csv(r, text, kind, options):
    separator = {"tab": "\t"}.get(options.get("separator"), options.get("separator", ","))
    column = options.get("column", "")
    names = ["dst_ip", "dstip", "ip_address"] if kind == "abuse-ch" else [column.lower()]
    at, is_first = None, True
    for line in lines(text):
        line = line.strip(" \t".replace(separator, ""))
        fields = fields_of(line.lstrip("# ") if line.startswith("#") else line, separator)
        named = [i for i, f in enumerate(fields) if f.lower() in names]
        if line.startswith("#") or line.startswith(";") and separator != ";":
            where = int(column) - 1 if column.isdigit() and kind == "csv" else at
            raw = fields_of(line, separator)
            if where is not None and where < len(raw) and is_entry(raw[where].lstrip("# ") if where == 0 else raw[where]):
                r.errors += 1
                continue
            r.needs_claim |= kind == "abuse-ch" and bool(re.search("Feodo Tracker|SSLBL|SSL IPBL", line))
            claim = re.search(r"^[# ]*(?:END \(?|Number of entries: )([0-9]+)", line)
            if kind == "abuse-ch" and claim:
                r.says(int(claim[1]))
            if at is None and named and not column.isdigit():
                at = named[0]
            continue
        if not line:
            continue
        if is_first:
            is_first = False
            if column.isdigit():
                at = int(column) - 1
                if at < len(fields) and re.match("[A-Za-z]", fields[at]) and ":" not in fields[at] and not ("." in fields[at] and re.search("[0-9]", fields[at])):
                    continue
            elif named:
                at = named[0]
                continue
            if at is None:
                raise Refused("no such column")
        r.rows += 1
        if at < len(fields) and fields[at]:
            r.entry(fields[at])
        else:
            r.errors += 1


def read_geofeed(r, text, kind, options):
    wanted = options.get("country", "").replace(" ", "").upper().split(",")
    for line in lines(text):
        line = line.strip(" \t")
        if line and not line.startswith("#"):
            fields = fields_of(line)
            if len(fields) < 2:
                r.errors += 1
            elif wanted != [""] and fields[1].upper() not in wanted:
                r.skipped += 1
            else:
                r.entry(fields[0])


def read_maxmind(r, text, kind, options):
    codes = options["country"].replace(" ", "").upper().split(",")
    wanted, part = [COUNTRY_IDS[code] for code in codes], None
    for row in [fields_of(line.strip(" \t")) for line in lines(text) if line.strip(" \t")]:
        names = [name.lower() for name in row]
        if names[:2] == ["network", "geoname_id"] or names[:1] == ["geoname_id"] and names[4:5] == ["country_iso_code"]:
            part = names[0]
        elif not part:
            raise Refused("header")
        elif part == "geoname_id":
            if len(row) > 4 and row[4].upper() in codes and not (re.fullmatch("[0-9]{1,12}", row[0]) and int(row[0]) == int(COUNTRY_IDS[row[4].upper()])):
                raise Refused("another number")
        elif len(row) < 2 or not row[1] and len(row) < 3:
            r.errors += 1
        elif (row[1] or row[2]) in wanted:
            r.entry(row[0])
        else:
            r.skipped += 1


def read_p2p(r, text, kind, options):
    for line in lines(text):
        line = line.strip(" \t")
        name, colon, span = line.rpartition(":")
        if line.startswith("#"):
            r.errors += bool(colon) and "-" in span and is_entry(span.strip(" \t"))
        elif line:
            if colon and "-" in span:
                r.entry(span.strip(" \t"))
            else:
                r.errors += 1


def read_dat(r, text, kind, options):
    for line in lines(text):
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        row = re.match(r"([0-9.]+)[ \t]*-[ \t]*([0-9.]+)[ \t]*,[ \t]*([0-9]{1,12})[ \t]*(,|$)", line)
        try:
            ends = [[int(part) for part in end.split(".")] for end in row.groups()[:2]]
            if any(len(part) > 3 for end in row.groups()[:2] for part in end.split(".")):
                raise ValueError(line)
            first, last = [ipaddress.IPv4Address(".".join(map(str, end))) for end in ends]
            if int(row[3]) < 127:
                r.span(first, last)
            else:
                r.skipped += 1
        except (ValueError, TypeError, AttributeError):
            r.errors += 1


class Members(list):
    """An object as (name, value) pairs: names may come twice."""


def no_constant(word):
    raise ValueError(word)


def check_depth(text):
    depth = 0
    for piece in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text, re.S):
        depth += piece[0] in "[{"
        depth -= piece[0] in "]}"
        if depth > 32:
            raise Refused("deep")


def load(text):
    check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=Members, parse_constant=no_constant)
    except ValueError as error:
        raise Refused(str(error))


def load_many(text):
    """Values with a line end between, and perhaps more inside."""
    decoder, roots, at = json.JSONDecoder(object_pairs_hook=Members, parse_constant=no_constant), [], 0
    check_depth(text)
    try:
        while at < len(text):
            if text[at] in " \t\r\n":
                at += 1
                continue
            if roots and "\n" not in text[end:at]:
                raise Refused("two values in a line")
            root, at = decoder.raw_decode(text, at)
            end = at
            roots.append(root)
    except ValueError as error:
        raise Refused(str(error))
    return roots


def walk(value, path=""):
    if isinstance(value, Members):
        for name, inner in value:
            yield from walk(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path + "[]")
    else:
        yield path, value


def is_over(duration):
    """A Go duration of no time left; whatever is none says nothing."""
    number = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
    if not isinstance(duration, str) or not 0 < len(duration.encode("utf-8", "surrogatepass")) < 40 or \
       not re.fullmatch(rf"[+-]?(0|(?:{number}(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)", duration, re.A):
        return False
    units = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
    total = sum(float(n) * units[unit] for n, unit in re.findall(rf"({number})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", duration))
    return total <= 9223372036 and (duration[0] == "-" or not total)  # 292 years: the most that Go says


def read_json(r, text, kind, options):
    many = kind in ("ndjson", "spamhaus-json")
    roots = load_many(text) if many else [load(text)]
    if kind == "crowdsec":
        for row in [dict(row) for root in roots if isinstance(root, list) for row in root if isinstance(row, Members)]:
            scope = row.get("scope", "ip")
            if not isinstance(row.get("value"), str):
                r.errors += 1
            elif row.get("type", "ban") != "ban" or not isinstance(scope, str) or scope.lower() not in ("ip", "range") or is_over(row.get("duration")):
                r.skipped += 1
            else:
                r.entry(row["value"])
        return
    paths = PATHS.get(kind) or "|".join(re.escape(p.strip()).replace(r"\*", r"[^.\[]+") for p in options["select"].split(","))
    r.needs_claim = kind == "spamhaus-json"
    for root in roots:
        if kind == "spamhaus-json" and isinstance(root, Members) and ("type", "metadata") in root:
            records = dict(root).get("records")
            if type(records) is int and 0 <= records < 10**12:
                r.says(records)
        for path, value in walk(root):
            if kind == "misp" and path == "type" and value not in ("cidr", "string"):
                raise Refused("type")
            if kind == "cloudflare" and path == "success" and value is not True:
                raise Refused("success")
            if re.fullmatch(paths, path):
                r.rows += 1
                if isinstance(value, str):
                    r.entry(value)
                else:
                    r.errors += 1
    if kind == "misp" and not any(path == "type" for root in roots for path, _ in walk(root)):
        raise Refused("no type")


READERS = {"plain": read_plain, "netset": read_plain, "spamhaus": read_plain, "tor": read_tor, "ipsum": read_ipsum, "dshield": read_dshield,
           "csv": read_csv, "abuse-ch": read_csv, "geofeed": read_geofeed, "maxmind": read_maxmind, "p2p": read_p2p, "dat": read_dat}


def check_text(body):
    """Raises Refused where @body is no text, or a web page."""
    begin = body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1024]
    if b"\0" in body or begin.startswith(b"<") or re.search(rb"(?i)<html|<!doctype", begin) or body.removeprefix(b"\xef\xbb\xbf")[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refused("no text")


def read(body, kind, **options):
    """The Reading of @body in format @kind; raises Refused."""
    check_text(body)
    is_json = kind not in READERS
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8" if is_json else "latin-1")
    except UnicodeDecodeError as error:
        raise Refused(str(error))
    if not is_json and text.lstrip(" \t\r\n").startswith("{" if kind == "p2p" else ("{", "[")):
        raise Refused("JSON")
    r = Reading()
    READERS.get(kind, read_json)(r, text, kind, options)
    if r.needs_claim and not r.claims or r.claims > 1:
        raise Refused(f"{r.claims} claims")
    if r.claim is not None and r.claim != r.rows:
        raise Refused(f"says {r.claim}, holds {r.rows}")
    if r.addresses is not None and r.addresses != sum(net.num_addresses for net in ipaddress.collapse_addresses(net for net in r.nets if net.version == 4)):
        raise Refused("addresses")
    if not r.nets or r.errors > 10 and r.errors > sum(r.entries.values()):
        raise Refused("no list")
    return r


def difference(fields, prefixes, body, kind, **options):
    """How the parser's reading of @body, its fields (or its refusal, a string) and prefixes, differs from the one here; "" where it does not."""
    try:
        want = read(body, kind, **options)
    except Refused as why:
        return "" if isinstance(fields, str) else f"refused here ({why}), not there: {fields}"
    if isinstance(fields, str):
        return f"refused there ({fields}), not here"
    nets = set(map(ipaddress.ip_network, prefixes))
    if nets != set(want.nets):
        return f"prefixes: {sorted(map(str, nets ^ set(want.nets)))[:10]}"
    got = [len(prefixes), *(int(fields[key]) for key in ("entries4", "entries6", "errors", "skipped", "host_bits"))]
    mine = [len(nets), want.entries[4], want.entries[6], want.errors, want.skipped, want.host_bits]
    if got != mine or len(nets) != len(want.nets) - int(fields["duplicates"]):
        return f"numbers: {got} there, {mine} here, {len(want.nets)} with duplicates here, {fields['duplicates']} are some there"
    return ""
