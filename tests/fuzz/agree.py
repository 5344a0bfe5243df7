# SPDX-License-Identifier: GPL-2.0
"""The feed parsers and the slow reference on every entry of a fuzz target's corpus, each read as that target reads it.
usage: agree.py TARGET FOLDER; prints how many were compared, and ends with 1 at the first that differ."""
import pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from test_feed_formats import agrees, said, told  # noqa: E402 - the path above has to be there first

# As in feed_fuzz.c and the targets: the order counts.
TARGETS = {
    "fuzz_feed_csv": ["csv", "abuse-ch", "geofeed", "maxmind"], "fuzz_feed_dshield": ["dshield"], "fuzz_feed_parse": ["auto"],
    "fuzz_feed_json": "json ndjson aws aws-ipset google github cloudflare atlassian misp abuseipdb spamhaus-json crowdsec rir".split(),
    "fuzz_feed_ranges": ["p2p", "dat"], "fuzz_feed_text": ["plain", "netset", "spamhaus", "tor", "ipsum"],
}
SELECTS = ["prefixes[].ip_prefix", "cidr,ip", "[]", "*[]", "*.*.*", "list[],type"]


def options_of(kind, pick):
    if kind == "csv":
        return {"column": str(pick % 5 or "dst_ip"), "separator": [",", ";", "|", "tab"][pick % 4]}
    if kind in ("json", "ndjson"):
        return {"select": SELECTS[pick % 6]}
    if kind == "ipsum" and pick % 3:
        return {"threshold": str(pick % 3)}
    if kind == "maxmind" or kind == "geofeed" and pick % 2:
        return {"country": "DE, AT"}
    return {}


def compare(path, formats):
    """Compares; returns whether there is a reading to compare: of a text that auto refuses there is none."""
    body = path.read_bytes()
    pick = len(body) + (body[-1] if body else 0)
    kind = formats[pick % len(formats)]
    if kind == "auto":
        fields, _ = told(said(path))
        if isinstance(fields, str) or fields["format"] == "json":  # the places of an unnamed shape are the parser's own
            return False
        kind = fields["format"]
    agrees(path, kind, **options_of(kind, pick))
    return True


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    n = compared = 0
    for path in sorted(folder.iterdir()):
        n += 1
        try:
            compared += compare(path, TARGETS[target])
        except AssertionError as why:
            print(f"{target}: {path}: the readings differ: {why}\n{path.read_bytes()!r}")
            return 1
    print(f"{target}: the slow reference agrees on {compared} of {n} corpus entries; the others are refused by auto, or of a shape without a name")
    return 0 if compared else 1


if __name__ == "__main__":
    sys.exit(main())
