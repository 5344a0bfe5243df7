# SPDX-License-Identifier: GPL-2.0
"""The table of hostile servers and lists: a real server (hostile_server.py) serves one agent a good list for each case, then
turns hostile. For each: what the update is told, what `feed show` says, and that the list in force is the one of before."""
import hashlib, json, pathlib, re, signal, socket, subprocess, tempfile, time
from concurrent.futures import ThreadPoolExecutor
import pytest
import hostile_server
from hostile_server import CONTROL, HARMLESS, NAMES, PRIVATE, RETRY, SCHEMES, SLOW, STATUS
from lab import PATIENCE, Agent, Lab, run, wait_for

GOOD = "203.0.113.9"
REFUSED = [case for case in NAMES if case not in HARMLESS and case not in SLOW and case != CONTROL]
# Read as `plain`, where a person said so; all others are recognised.
PLAIN = {"endless-line", "endless-chunks", "gzip-bomb", "zip-bomb", "xz-bomb", "zstd-bomb", "zstd-cut", "page-of-one-line-10mb",
         "page-of-lines-of-megabytes", "page-of-whole-internet", "page-of-whole-internet6", "page-of-range-of-all", "page-of-octal", "escapes", "some-bad-lines"}
NO_LIST, HTML, NUL, CODING = "not a list of addresses", "the answer is an HTML page", "NUL bytes: not a text", "encoded in a way that was not asked for"
SEVERAL = "a zip file with several files: pack the list alone"
NO_CHUNK, SLOWER = "Illegal or missing hexadecimal sequence in chunked-encoding", "timed out: Operation too slow. Less than 100 bytes/sec transferred the last 20 seconds"
ALL4, ALL6 = (f"held: it covers {v4}.00 % of routable IPv4 and {v6}.00 % of IPv6, more than max-coverage 2.00 %; *" for v4, v6 in ((100, 0), (0, 100)))
PORT = "redirect to port {} refused: it may be 80, 443 or the URL's own"
HEADERS, LONG_HEADER, INFLATED = "headers of more than 65536 bytes", "a header line of over 100 kB, or out of memory", "more than 256 MiB after inflation"

# case: the reason as `feed show` gives it; a * stands for what differs from run to run, or from one version of a library to the next
SAID = {f"redirect-to-{name}": f"redirect to {name}:// refused" for name in SCHEMES}
SAID |= {f"public-to-{name}": "redirect to a private address refused" for name in PRIVATE}
SAID |= dict.fromkeys(("public-to-this-host", "public-to-this-host6"), "redirect to an address of this host refused")
SAID |= {f"status-{code}": f"HTTP {code}" for code in STATUS} | {f"retry-{name}": "HTTP 429" for name in RETRY} | dict.fromkeys(SLOW, SLOWER)
SAID |= {f"page-of-{name}": HTML for name in ("html", "html-bom", "html-late", "html-upper", "html-fragment", "html-comment", "captcha", "xml", "rss", "php")}
SAID |= {f"page-of-{name}": NO_LIST for name in ("edge-error", "rate-words", "git-lfs", "base64", "pem", "hosts-file", "names", "dates", "ports", "numbers", "octal", "hex", "json-null",
                                                 "bad-masks", "zones", "sockets", "backwards", "invalid-utf8", "latin1", "pdf", "lines-of-megabytes")}
SAID |= {f"page-of-{name}": NUL for name in ("nul", "nul-late", "utf32", "elf", "png", "random")}
SAID |= {f"page-of-{name}": "no entries" for name in ("empty", "blank", "comments", "bom-only", "newline")}
SAID |= {f"page-of-{name}": ALL4 for name in ("halves", "quarters", "slash8s")}
SAID |= {
    "page-of-half6": ALL6, "page-of-whole-internet": "no entries; line 1: *", "page-of-whole-internet6": "no entries; line 1: *",
    "page-of-range-of-all": "no entries; line 1: *", "page-of-one-line-10mb": "no entries; line 1: line over 4096 bytes",
    "page-of-html-after-text": "an HTML page, not a list", "page-of-json-error": "JSON without addresses at a known place",
    "page-of-utf16": "UTF-16 text: serve the list as ASCII or UTF-8", "page-of-utf16be": "UTF-16 text: serve the list as ASCII or UTF-8",
    "shrinks": "held: from 164 to 1 prefixes, a change over max-change 50 %*", "grows": "held: from 164 to 4000 prefixes, a change over max-change 50 %*",
    "too-many": "held: 6000 prefixes, more than max-entries 5000; *",
    "gzip-cut": "gzip stream cut short", "gzip-crc": "gzip stream damaged", "gzip-tail": "bytes after the end of the compressed stream", "gzip-bomb": INFLATED,
    "gzip-empty": "no entries", "gzip-in-gzip": NUL, "gzip-of-html": HTML, "zip-bomb": INFLATED, "zip-two": SEVERAL, "zip-many": SEVERAL, "zip-climbs": SEVERAL,
    "zip-encrypted": "an encrypted zip file", "zip-cut": "zip file cut short", "zip-in-zip": NUL, "zip-lzma": "a zip file packed in a way that is not deflate", "zip-no-file": NUL,
    "xz-bomb": INFLATED, "xz-cut": "xz stream cut short", "xz-greedy": "xz stream needs more than 192 MiB to unpack", "zstd-bomb": INFLATED, "zstd-cut": "zstd stream cut short",
    "7z": "7z is not unpacked: gzip, zip, xz and zstd are", "rar": NUL, "tar": NUL, "bzip2": "bzip2 is not unpacked: gzip, zip, xz and zstd are",
    "brotli": CODING, "deflate": CODING, "zstd-coding": CODING, "coding-unknown": CODING, "coding-twice": CODING,
    "coding-lies": "said to be gzip, but is not", "coding-with-zip": "said to be gzip, but is not",
    "status-304-unasked": "HTTP 304 without being asked", "http09": "Received HTTP/0.9 when not allowed", "garbage-status": "Received HTTP/0.9 when not allowed",
    "spaces": "Received HTTP/0.9 when not allowed", "short-status": "Unsupported response code*", "long-status": "Unsupported response code*", "version": "Unsupported HTTP version (3.7)*",
    "nothing": "Empty reply from server", "no-headers-end": "no entries", "header-nul": "Nul byte in header", "header-flood": HEADERS, "header-of-a-megabyte": LONG_HEADER,
    "etag-of-a-megabyte": LONG_HEADER, "endless-headers": HEADERS, "endless-continue": HEADERS, "endless-trailers": HEADERS,
    "endless-body": "more than 256 MiB", "endless-line": "more than 256 MiB", "endless-chunks": "more than 256 MiB", "endless-chunk-size": "Too long hexadecimal number*",
    "length-negative": "Invalid Content-Length*", "length-words": "Invalid Content-Length*", "length-huge": "more than 256 MiB", "length-overflow": "more than 256 MiB",
    "length-twice": "two Content-Length headers that differ", "short-body": "body cut short: * of 700300 bytes",
    "no-length-cut": "cut short, it seems: its last line has no end, and the server does not say how long it is",
    "no-length-few": "held: from 24 to 4 prefixes, a change over max-change 50 %*",
    "chunk-cut": "body cut short after * bytes", "chunk-cut-inside": "body cut short after * bytes", "chunk-garbage": NO_CHUNK, "chunk-negative": NO_CHUNK,
    "chunk-overflow": "Too long hexadecimal number*", "reset-at-once": "Recv failure: Connection reset by peer", "reset-midway": "Recv failure: Connection reset by peer",
    "port-closed": "Failed to connect to 127.0.0.1 port 8380: Connection refused",
    "redirect-to-itself": "more than 5 redirects", "redirect-without-end": "more than 5 redirects", "redirect-nowhere": "Failed to connect to 127.0.0.1 port 80: Connection refused", "redirect-to-a-port": PORT.format(22),
    "redirect-without-location": "HTTP 302", "redirect-to-nothing": "HTTP 302", "redirect-to-a-page": HTML, "redirect-with-a-long-url": HEADERS,
    "redirect-to-a-bad-url": "redirect to what is no URL", "redirect-to-port-0": PORT.format(0),
    "dns-metadata": "the name leads to a link-local address, refused",
    **{f"dns-{how}": f"Could not resolve host: dns-{how}.test" for how in ("no-such-name", "server-failure", "refused", "no-address", "garbage")},
    "tls:self-signed": "TLS: *self-signed certificate", "tls:expired": "TLS: *certificate has expired", "tls:not-yet": "TLS: *certificate is not yet valid",
    "tls:wrong-host": "TLS: *no alternative certificate subject name matches*", "tls:unknown-issuer": "TLS: *unable to get local issuer certificate",
    "tls:tls-1.1": "TLS: *protocol version", "tls:no-tls": "TLS: *wrong version number", "tls:tls-reset": "TLS: *reset by peer", "tls:tls-garbage": "TLS: *",
    "tls:tls-downgrade": "redirect from https:// to http:// refused",
}


def feed_name(case):
    return re.sub("[:.]", "-", case)


def certificates(folder):
    """One CA, and what each case of TLS shows in place of the good one."""
    def make(name, *words):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.pem", "-subj", f"/CN={name}", *words)

    address = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")
    signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key")
    make("ca", "-days", "2")
    make("other-ca", "-days", "2")
    make("good", "-days", "2", *signed, *address)
    make("self-signed", "-days", "2", *address)
    make("wrong-host", "-days", "2", *signed, "-addext", "subjectAltName=IP:127.0.0.2,DNS:example.com", "-addext", "basicConstraints=CA:FALSE")
    make("unknown-issuer", "-days", "2", "-CA", folder / "other-ca.pem", "-CAkey", folder / "other-ca.key", *address)
    for name, start, end in (("expired", "20200101000000Z", "20200102000000Z"), ("not-yet", "20990101000000Z", "20990102000000Z")):
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\ndefault_md=sha256\n"
                                       "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n")
        run("openssl", "ca", "-batch", "-config", folder / "ca.cnf", "-cert", folder / "ca.pem", "-keyfile", folder / "ca.key", "-startdate", start, "-enddate", end,
            "-in", folder / f"{name}.csr", "-out", folder / f"{name}.pem", "-notext")


class Stage:
    """A lab with the server and an agent whose feeds are @cases, each with its good list in force."""

    def __init__(self, cases):
        self.cases, self.lab, self.server = cases, Lab(), None
        self.agent = Agent(self.lab)

    def start(self, folder):
        for address in (hostile_server.PUBLIC, hostile_server.OURS):
            self.lab.ip(self.lab.edge, "addr", "add", address + "/32", "dev", "lo")
        self.server = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.lab.edge}", "/usr/bin/python3", hostile_server.__file__, folder],
                                       stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"
        rows = [f'  - {{name: "{feed_name(case)}", url: "{hostile_server.url_of(case)}", interval: 12h{self.extra(folder, case)}}}\n' for case in self.cases]
        self.agent.write("feeds:\n" + "".join(rows))
        self.agent.start()
        wait_for(lambda: not any(f["state"] == "pending" for f in self.agent.ask("feed", "list")["feeds"]), 60, "every list")
        assert not [f for f in self.agent.ask("feed", "list")["feeds"] if f["state"] != "ok"]
        wait_for(lambda: self.blocks(self.cases[-1]), what="the table")

    @staticmethod
    def extra(folder, case):
        if case.startswith("tls:"):
            return f', ca-file: "{folder}/ca.pem"'
        return ", max-entries: 5000" if case == "too-many" else ", format: plain" if case in PLAIN else ""

    def ask(self, verb, **request):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60 * PATIENCE)
            sock.connect(str(self.agent.dir / "run/sekisho.sock"))
            sock.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            return json.loads(sock.makefile().readline())

    def blocks(self, case):
        """Is the case's good list in force in the kernel, and nothing else of it?"""
        i = NAMES.index(case)
        answer = [self.ask("explain", address=address)["data"]["verdict"] for address in (f"45.{i}.7.7", f"45.{i}.0.9", f"2001:db8:{i:x}::1", f"44.{i}.1.1")]
        return answer == ["drop", "drop", "drop", "pass"]

    def state(self):
        lists = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.agent.dir / "state/lists").glob("*.list")}
        feeds = {f["name"]: (f["entries"], f["last_success"]) for f in self.agent.ask("feed", "list")["feeds"]}
        return lists, feeds, self.agent.ask("status")["table"]["generation"]

    def turn(self):
        self.server.send_signal(signal.SIGUSR1)
        assert self.server.stdout.readline() == "evil\n"

    def update(self, cases):
        """{case: (when its update was answered, what `feed show` says then)}"""
        def one(case):
            assert self.ask("feed.update", name=feed_name(case))["ok"]
            return case, (time.time(), self.ask("feed.show", name=feed_name(case))["data"])

        with ThreadPoolExecutor(4) as pool:
            return dict(pool.map(one, cases))

    def close(self):
        self.agent.close()
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        self.lab.close()


@pytest.fixture(scope="module")
def played():
    """All of it, once: {case: (when its update was answered, what `feed show` says, is its good list in force)}, and the state
    before and after the refused ones. The slow ones have an agent of their own, beside it."""
    with tempfile.TemporaryDirectory(prefix="sekisho-hostile-") as name:
        folder = pathlib.Path(name)
        certificates(folder)
        for path in [folder, *folder.iterdir()]:
            path.chmod(0o755)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
        run("mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf")  # in the test run's own mount namespace
        stages = []
        try:
            for cases in ([c for c in NAMES if c not in SLOW], sorted(SLOW)):
                stages.append(Stage(cases))
                stages[-1].start(folder)
            yield play(*stages)
        finally:
            for stage in stages:
                stage.close()
            run("umount", "/etc/resolv.conf")


def play(stage, slow):
    before, slow_before = stage.state(), slow.state()
    for one in (stage, slow):
        one.turn()
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(slow.update, slow.cases)
        told = stage.update(REFUSED)
        after = stage.state()
        told |= stage.update([CONTROL, *HARMLESS])
        told |= waiting.result()
    return {"told": {case: (*answer, (slow if case in SLOW else stage).blocks(case)) for case, answer in told.items()}, "stage": stage,
            "before": (before, slow_before), "after": (after, slow.state())}


def test_enough_and_all_of_them():
    assert set(SAID) == set(REFUSED + sorted(SLOW)) and len(SAID) >= 70


@pytest.mark.parametrize("case", SAID)
def test_refused(played, case):
    _, shown, is_as_before = played["told"][case]
    assert re.fullmatch(re.escape(SAID[case]).replace(r"\*", ".*"), shown["error"]), shown["error"]
    assert is_as_before
    assert shown["state"] == ("held" if SAID[case].startswith("held: ") or case in ("shrinks", "grows") else "retrying")


def test_nothing_that_was_refused_changed_anything(played):
    """The lists on disk, byte for byte, what is known of each feed, and the table in the kernel."""
    assert played["after"] == played["before"]


@pytest.mark.parametrize("case", HARMLESS)
def test_harmless(played, case):
    """Something odd about it, and yet the very same list."""
    _, shown, is_as_before = played["told"][case]
    assert (shown["state"], shown["error"], shown["entries"] - shown["left_out_v4"], is_as_before) == ("ok", None, 4, True), shown


def test_a_list_that_is_taken_shows(played):
    """The control: what is in force changes where it should."""
    _, shown, is_as_before = played["told"][CONTROL]
    assert (shown["state"], shown["entries"], is_as_before) == ("ok", 5, False)


@pytest.mark.parametrize("case, least_s, most_s", [("seconds", 7100, 8700), ("date", 7000, 8700), ("absurd", 86000, 105000), ("negative", 30, 70), ("words", 30, 70)])
def test_retry_after(played, case, least_s, most_s):
    when, shown, _ = played["told"][f"retry-{case}"]
    assert least_s < shown["next_try"] - when < most_s


def test_people_are_told_too(played):
    """The words of the command line, and the packets' own."""
    stage = played["stage"]
    assert HTML in stage.agent.cli("feed", "show", "page-of-html").stdout
    out = stage.agent.cli("feed", "update", "page-of-html", check=False)
    assert (out.returncode, out.stderr) == (1, f"sekisho: feed page-of-html: {HTML}\n")
    shown = stage.agent.cli("feed", "show", "escapes").stdout
    assert "\x1b" not in shown and "\x07" not in shown and "$(id)" in shown
    stage.lab.ip(stage.lab.edge, "route", "add", "45.0.0.0/8", "dev", stage.lab.iface)
    listed = f"45.{NAMES.index('page-of-html')}.7.7"
    assert (stage.lab.probe(listed), stage.lab.probe(GOOD)) == (0, 20)
