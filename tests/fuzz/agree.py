# SPDX-License-Identifier: GPL-2.0
"""A fuzz target beside a slow reference, on every entry of its corpus.
usage: agree.py TARGET FILE... (folders stand for the files in them). Each is run through the target once, whole, which tells what it
made of it (told.h). Prints how many were compared; ends with 1 where one differs, or where nothing could be compared."""
import os, pathlib, subprocess, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import feed_reference  # noqa: E402 - the path above has to be there first
import fuzz_reference  # noqa: E402

BATCH = 400  # files a run of the target
DETECT_BYTES = 64 << 10  # as FEED_DETECT_BYTES: a format is told from so many
SELECTS = ["prefixes[].ip_prefix", "cidr,ip", "[]", "*[]", "*.*.*", "list[],type"]


def feed_options(kind, pick):
    """As feed_fuzz.c."""
    separator = [",", ";", "|", "tab"][pick % 4]
    if kind == "csv":
        return {"column": str(pick % 5 or "dst_ip"), "separator": separator}
    if kind == "abuse-ch":
        return {"separator": separator}
    if kind in ("json", "ndjson"):
        return {"select": SELECTS[pick % 6]}
    if kind == "ipsum" and pick % 3:
        return {"threshold": str(pick % 3)}
    if kind == "maxmind" or kind == "geofeed" and pick % 2:
        return {"country": "DE, AT"}
    return {}


def unknown_difference(body, why):
    """Of a text that was recognised as no format. None where it is not for its form: how many lines make a list is the parser's to say."""
    is_json = body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"[")
    try:
        feed_reference.check_text(body)
        if is_json and len(body) <= DETECT_BYTES:
            feed_reference.load_many(body.removeprefix(b"\xef\xbb\xbf").decode())
    except (feed_reference.Refused, UnicodeDecodeError) as error:
        is_form = why.startswith(("not valid JSON", "UTF-16 text", "an HTML page", "NUL bytes"))
        return "" if is_form else f"refused for its form here ({error}), there: {why}"
    if why.startswith(("UTF-16 text", "an HTML page", "NUL bytes")) or why.startswith("not valid JSON") and len(body) <= DETECT_BYTES:
        return f"of sound form here, there: {why}"
    return "" if is_json else None


def feed_difference(body, lines):
    """Of one reading, told from "read KIND PICK RECOGNISED" on; None where there is none to compare."""
    _, given, pick, kind = lines[0].split(" ")
    fields, prefixes = lines[1][8:], []
    if not lines[1].startswith("refused "):
        fields, prefixes = dict(line.split(" ", 1) for line in lines[1:10]), [line[7:] for line in lines[10:]]
    if kind == "auto":
        return unknown_difference(body, fields)
    if given == "auto" and kind == "json":
        return None  # where addresses of an unnamed shape stand is the parser's to say
    if fields == "more entries than max-entries":
        return None
    return feed_reference.difference(fields, prefixes, body, kind, **feed_options(kind, int(pick)))


def readings(lines):
    """What is told of a feed, a list for each format it was read in."""
    at = [i for i, line in enumerate(lines) if line.startswith("read ")] + [len(lines)]
    return [lines[a:b] for a, b in zip(at, at[1:])]


def differences(target, body, lines):
    """A list: None for a reading that cannot be compared, "" for one that agrees, else how it differs."""
    if not target.startswith("fuzz_feed_") or target == "fuzz_feed_file":
        return [fuzz_reference.difference(target, body, lines)]
    return [feed_difference(body, one) for one in readings(lines)]


def told(binary, paths):
    """Runs @paths through the target; returns what it told of each."""
    with tempfile.NamedTemporaryFile() as file:
        # its search for leaks, done while fuzzing, would run some twice
        done = subprocess.run([binary, "-detect_leaks=0", *paths], env=os.environ | {"FUZZ_TOLD": file.name}, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{binary.name}: {done.stderr.decode(errors='replace')[-6000:]}")
        blocks = ("\n" + pathlib.Path(file.name).read_text("latin-1")).split("\ninput ")[1:]
    assert len(blocks) == len(paths), (binary.name, len(blocks), len(paths))
    return [block.rstrip("\n").split("\n") for block in blocks]


def main():
    binary, paths = pathlib.Path(sys.argv[1]), []
    for name in map(pathlib.Path, sys.argv[2:]):
        paths += sorted(path for path in name.rglob("*") if path.is_file()) if name.is_dir() else [name]
    compared = refused = differ = 0
    for at in range(0, len(paths), BATCH):
        some = paths[at:at + BATCH]
        for path, lines in zip(some, told(binary, some)):
            body = path.read_bytes()
            assert int(lines[0]) == len(body), (path, lines[0])
            for why in differences(binary.name, body, lines[1:]):
                compared += why is not None
                refused += why is None
                differ += bool(why)
                if why:
                    print(f"{binary.name}: {path}: the readings differ: {why}\n{body[:2000]!r}")
    print(f"agree: {len(paths)} corpus entries, {compared} readings compared with the reference, {differ} differ, {refused} have none to compare")
    return 0 if compared and not differ else 1


if __name__ == "__main__":
    sys.exit(main())
