# SPDX-License-Identifier: GPL-2.0
"""A feed's server that turns hostile: until SIGUSR1 it serves each case a good list of its own, from then on what REPLIES has
for it. Raw sockets on purpose: many cases break HTTP, or TLS, itself. usage: hostile_server.py FOLDER; FOLDER has the certificates.
It answers DNS, too, on 127.0.0.53: any name is 127.0.0.1 at first, and then what DNS has for it."""
import gzip, io, lzma, pathlib, random, signal, socket, ssl, struct, sys, threading, time, zipfile, zlib

PORT, TLS_PORT, DOOR_PORT = 8300, 8400, 8380  # TLS_PORT + the case's place in TLS; DOOR_PORT + that in DOORS
PUBLIC = "192.0.2.80"  # an address of ours that looks public: what it redirects to is a stranger's wish
OURS = "192.0.2.81"  # another
MIB = 1 << 20


def good(name):
    """Four entries of the case's own, none of them near another's."""
    i = NAMES.index(name)
    more = "".join(f"46.{i}.{j}.0/24\n" for j in range({"shrinks": 160, "grows": 160, "no-length-few": 20}.get(name, 0)))
    return f"# good\n45.{i}.0.0/24\n45.{i}.7.7\n45.{i}.8.8 ; why\n2001:db8:{i:x}::/48\n{more}".encode()


def new(name):
    """One more, that no one may find in force."""
    return good(name) + f"44.{NAMES.index(name)}.1.1\n".encode()


def http(body=b"", status="200 OK", *fields, length=None, ctype="text/plain"):
    head = ["HTTP/1.1 " + status, "Connection: close", *fields]
    if ctype:
        head.append("Content-Type: " + ctype)
    if length is not False:
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def moved(where, code="302 Found"):
    return http(b"", code, "Location: " + where)


def chunks(*parts, end=b"0\r\n\r\n", fields=()):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return http(body + end, "200 OK", "Transfer-Encoding: chunked", *fields, length=False)


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return room.getvalue()


UNIT, BOMB_MIB = b"#" * (MIB - 1) + b"\n", 300  # the fetcher takes 256 MiB


def deflated():
    """Each MiB ends in a full flush, so that the next one can be the same bytes again."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (pack.compress(UNIT) + pack.flush(zlib.Z_FULL_FLUSH)) * BOMB_MIB + b"\x03\0"


def gzip_bomb():
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + deflated() + bytes(8)


def xz_bomb():
    pack = lzma.LZMACompressor(preset=0)
    return b"".join([pack.compress(UNIT) for _ in range(BOMB_MIB)] + [pack.flush()])


def zstd_bomb():
    """4 bytes a block of 128 KiB, all of it '#'. Source: RFC 8878, 3.1.1."""
    n = 8 * BOMB_MIB
    return b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(struct.pack("<I", 131072 << 3 | 2 | (i == n - 1))[:3] + b"#" for i in range(n))


def rar_like():
    return b"Rar!\x1a\x07\x01\0" + random.Random(1).randbytes(3000)


def page(text, head=""):
    return f"<!DOCTYPE html>\n<html><head>{head}<title>{text}</title></head><body><p>{text} 203.0.113.9</body></html>\n".encode()


# What takes more than one answer: each of these gets the connection and the case's name.
def endless_body(one, name):
    one.sendall(http(b"", length=False))
    while True:
        one.sendall(b"192.0.2.1\n" * 6000)


def endless_line(one, name):
    one.sendall(http(b"", length=False))
    while True:
        one.sendall(b"1" * 60000)


def endless_chunks(one, name):
    one.sendall(http(b"", "200 OK", "Transfer-Encoding: chunked", length=False))
    while True:
        one.sendall(b"ea60\r\n" + b"#" * 59999 + b"\n\r\n")


def endless_headers(one, name):
    one.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        one.sendall(b"X: " + b"y" * 1000 + b"\r\n")


def endless_continue(one, name):
    while True:
        one.sendall(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 500 + b"\r\n\r\n")


def endless_chunk_size(one, name):
    one.sendall(http(b"", "200 OK", "Transfer-Encoding: chunked", length=False))
    while True:
        one.sendall(b"0" * 60000)


def endless_trailers(one, name):
    one.sendall(chunks(new(name), end=b"0\r\n"))
    while True:
        one.sendall(b"X: " + b"y" * 1000 + b"\r\n")


def reset_at_once(one, name):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_midway(one, name):
    one.sendall(http(new(name), length=100000))
    time.sleep(0.2)  # so that the bytes are there before the reset takes them away
    reset_at_once(one, name)


def silent(one, name):
    time.sleep(100)


def drip_body(one, name):
    one.sendall(http(b"", length=100000))
    while True:
        one.sendall(b"1")
        time.sleep(0.5)


def drip_headers(one, name):
    one.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        one.sendall(b"X")
        time.sleep(0.5)


def stall_midway(one, name):
    one.sendall(http(new(name), length=100000))
    time.sleep(100)


SCHEMES = {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/x", "gopher": "gopher://127.0.0.1:6379/_x", "scp": "scp://127.0.0.1/etc/passwd",
           "sftp": "sftp://127.0.0.1/x", "dict": "dict://127.0.0.1:11211/stats", "ldap": "ldap://127.0.0.1/x", "tftp": "tftp://127.0.0.1/x",
           "smb": "smb://127.0.0.1/x", "imap": "imap://127.0.0.1/x", "telnet": "telnet://127.0.0.1:22", "data": "data:,192.0.2.1",
           "javascript": "javascript:alert(1)", "ws": "ws://127.0.0.1/x"}
PRIVATE = {"loopback": f"http://127.0.0.1:{PORT}/ok/redirect", "loopback6": f"http://[::1]:{PORT}/ok/redirect", "mapped": f"http://[::ffff:127.0.0.1]:{PORT}/ok/redirect",
           "metadata": "http://169.254.169.254/latest/meta-data/", "metadata6": "http://[fe80::1]/", "ten": "http://10.99.0.2/", "home": "http://192.168.1.1/",
           "carrier": "http://100.64.0.1/", "this-host": f"http://0.0.0.0:{PORT}/ok/redirect", "decimal": f"http://2130706433:{PORT}/ok/redirect",
           "octal": f"http://0177.0.0.1:{PORT}/ok/redirect", "hex": f"http://0x7f.1:{PORT}/ok/redirect", "short": f"http://127.1:{PORT}/ok/redirect", "nat64": "http://[64:ff9b::7f00:1]/",
           "6to4": "http://[2002:7f00:1::1]/", "unique-local": "http://[fd00::1]/", "a-name": f"http://localhost:{PORT}/ok/redirect", "multicast": "http://224.0.0.1/"}
STATUS = {"204": "204 No Content", "206": "206 Partial Content", "300": "300 Multiple Choices", "400": "400 Bad Request", "401": "401 Unauthorized",
          "403": "403 Forbidden", "404": "404 Not Found", "407": "407 Proxy Authentication Required", "410": "410 Gone", "418": "418 I'm a teapot",
          "451": "451 Unavailable For Legal Reasons", "500": "500 Internal Server Error", "502": "502 Bad Gateway", "504": "504 Gateway Timeout", "999": "999 No"}
RETRY = {"seconds": "7200", "date": "{date}", "absurd": "99999999999999999999999", "negative": "-5", "words": "soon"}
PAGES = {"html": page("Please log in"), "html-bom": b"\xef\xbb\xbf" + page("x"), "html-late": b"\n\n \t\r\n" + page("x"), "html-upper": page("x").upper(),
         "html-fragment": b"<script>location='/login'</script>203.0.113.9\n", "html-comment": b"<!-- 203.0.113.9 -->\n203.0.113.9\n",
         "html-after-text": b"Notice: something\n" + page("x"), "captcha": page("Just a moment...", "<meta http-equiv=refresh content=0>"),
         "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>\n', "rss": b"<rss version='2.0'><channel/></rss>\n",
         "json-error": b'{"status":500,"message":"Internal Server Error"}\n', "json-null": b"null\n",
         "edge-error": b"error code: 520\n", "rate-words": b"Too Many Requests. Your address 203.0.113.9 is throttled.\n",
         "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12345\n",
         "php": b"<br />\n<b>Warning</b>: mysqli_connect()\n203.0.113.9\n", "base64": b"MTkyLjAuMi4xCg==\n" * 40, "pem": b"-----BEGIN CERTIFICATE-----\nMIIB\n",
         "hosts-file": b"0.0.0.0 ads.example.com\n" * 50, "names": b"bad.example.com\nworse.example.net\n" * 30, "dates": b"2026-11-23\n" * 50,
         "ports": b"22\n80\n443\n" * 20, "numbers": b"3221225985\n" * 40, "octal": b"0177.0.0.1\n192.0.2.010\n" * 20, "hex": b"0x7f.0.0.1\n" * 40,
         "bad-masks": b"192.0.2.0/33\n192.0.2.0/-1\n192.0.2.0/\n2001:db8::/129\n" * 10, "zones": b"fe80::1%eth0\n" * 40,
         "sockets": b"192.0.2.1:80\n[2001:db8::1]:443\n" * 20, "backwards": b"192.0.2.9-192.0.2.1\n" * 40,
         "empty": b"", "blank": b" \n\r\n\t\n", "comments": b"# nothing today\n; nor tomorrow\n", "bom-only": b"\xef\xbb\xbf", "newline": b"\n",
         "whole-internet": b"0.0.0.0/0\n", "whole-internet6": b"::/0\n", "halves": b"0.0.0.0/1\n128.0.0.0/1\n", "quarters": b"".join(b"%d.0.0.0/2\n" % (64 * i) for i in range(4)),
         "slash8s": b"".join(b"%d.0.0.0/8\n" % i for i in range(1, 224)), "range-of-all": b"0.0.0.0-255.255.255.255\n", "half6": b"2000::/3\n",
         "shrinks": b"45.200.0.1\n", "grows": b"".join(b"43.%d.%d.1\n" % (i >> 8, i & 255) for i in range(4000)), "too-many": b"".join(b"43.%d.%d.1\n" % (i >> 8, i & 255) for i in range(6000)),
         "nul": b"192.0.2.1\n\0\n", "nul-late": b"192.0.2.1\n" * 500 + b"\0", "invalid-utf8": b"\xc0\x80\xfd\xfe\xff\n" * 50, "latin1": b"\xe9\xe8\xe0 \xb7\n" * 50,
         "utf16": "192.0.2.1\n".encode("utf-16"), "utf16be": "192.0.2.1\n".encode("utf-16-be"), "utf32": "192.0.2.1\n".encode("utf-32-le"),
         "elf": b"\x7fELF" + bytes(60), "png": b"\x89PNG\r\n\x1a\n" + bytes(60), "pdf": b"%PDF-1.7\n" + b"\xe2\xe3\xcf\xd3\n" * 50, "random": random.Random(7).randbytes(50000),
         "one-line-10mb": b"1" * (10 * MIB), "lines-of-megabytes": (b"1" * MIB + b"\n") * 12}
PACKED = {"gzip-cut": lambda n: gzip.compress(new(n) * 50)[:-9], "gzip-tail": lambda n: gzip.compress(new(n)) + b"x", "gzip-crc": lambda n: gzip.compress(new(n))[:-8] + bytes(8),
          "gzip-bomb": lambda n: gzip_bomb(), "gzip-in-gzip": lambda n: gzip.compress(gzip.compress(new(n))), "gzip-of-html": lambda n: gzip.compress(page("x")), "gzip-empty": lambda n: gzip.compress(b""),
          "zip-two": lambda n: zipped(("a", new(n)), ("b", new(n))), "zip-many": lambda n: zipped(*[(f"{i}", b"192.0.2.1\n") for i in range(3000)]),
          "zip-encrypted": lambda n: zipped(("a", new(n)))[:6] + b"\1" + zipped(("a", new(n)))[7:], "zip-cut": lambda n: zipped(("a", new(n)))[:60],
          "zip-climbs": lambda n: zipped(("../../../etc/cron.d/x", new(n)), ("/etc/passwd", new(n))), "zip-in-zip": lambda n: zipped(("a.zip", zipped(("a", new(n))))),
          "zip-bomb": lambda n: zip_bomb(), "zip-lzma": lambda n: zipped(("a", new(n)), method=zipfile.ZIP_LZMA), "zip-no-file": lambda n: zipped(),
          "xz-bomb": lambda n: xz_bomb(), "xz-cut": lambda n: lzma.compress(new(n) * 50)[:-20],
          "xz-greedy": lambda n: lzma.compress(new(n), filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]),
          "zstd-bomb": lambda n: zstd_bomb(), "zstd-cut": lambda n: zstd_bomb()[:100], "bzip2": lambda n: b"BZh91AY&SY" + random.Random(2).randbytes(500), "7z": lambda n: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(90),
          "rar": lambda n: rar_like(), "tar": lambda n: b"list.txt".ljust(257, b"\0") + b"ustar\0" + bytes(249) + new(n).ljust(512, b"\0")}


def zip_bomb():
    """One member; its checksum is wrong, and nobody gets that far."""
    data = deflated()
    sizes = struct.pack("<III", 0, len(data), BOMB_MIB * MIB)
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", 1, 0) + b"a"
    middle = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes + struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    return local + data + middle + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(middle), len(local) + len(data), 0)


def encoded(body, coding):
    return http(body, "200 OK", "Content-Encoding: " + coding)


HTTP = {  # what breaks the protocol
    "http09": lambda n: new(n), "garbage-status": lambda n: b"BLAH 200 OK\r\n\r\n" + new(n), "short-status": lambda n: b"HTTP/1.1 20\r\n\r\n" + new(n),
    "long-status": lambda n: b"HTTP/1.1 20000 OK\r\nContent-Length: 5\r\n\r\n1.1.1", "version": lambda n: b"HTTP/3.7 200 OK\r\n\r\n" + new(n),
    "nothing": lambda n: b"", "no-headers-end": lambda n: b"HTTP/1.1 200 OK\r\nX: y\r\n",
    "length-negative": lambda n: http(new(n), length=-5), "length-words": lambda n: http(new(n), length="many"), "length-huge": lambda n: http(new(n), length=1 << 62),
    "length-overflow": lambda n: http(new(n), length=1 << 70), "length-twice": lambda n: http(new(n), "200 OK", "Content-Length: 5"),
    "short-body": lambda n: http(new(n), length=700300), "chunk-cut": lambda n: chunks(new(n), end=b""), "chunk-cut-inside": lambda n: chunks(new(n), end=b"100\r\n192.0.2"),
    "chunk-garbage": lambda n: chunks(new(n), end=b"zz\r\nxx\r\n"), "chunk-overflow": lambda n: chunks(new(n), end=b"FFFFFFFFFFFFFFFFFF\r\n1.1.1.1\n"),
    "chunk-negative": lambda n: chunks(new(n), end=b"-1\r\n1.1.1.1\n"),
    "header-flood": lambda n: http(new(n), "200 OK", *[f"X-{i}: {'y' * 900}" for i in range(90)]), "header-of-a-megabyte": lambda n: http(new(n), "200 OK", "X: " + "y" * MIB),
    "etag-of-a-megabyte": lambda n: http(new(n), "200 OK", 'ETag: "' + "y" * MIB + '"'), "header-nul": lambda n: http(new(n), "200 OK", "X: a\0b"),
    "brotli": lambda n: encoded(new(n), "br"), "deflate": lambda n: encoded(zlib.compress(new(n)), "deflate"), "zstd-coding": lambda n: encoded(zstd_bomb()[:60], "zstd"), "coding-unknown": lambda n: encoded(new(n), "rot13"),
    "coding-lies": lambda n: encoded(new(n), "gzip"), "coding-twice": lambda n: encoded(gzip.compress(gzip.compress(new(n))), "gzip, gzip"), "coding-with-zip": lambda n: encoded(zipped(("a", new(n))), "gzip"),
    "no-length-cut": lambda n: http(new(n) + f"44.{NAMES.index(n)}.1.1".encode(), length=False), "no-length-few": lambda n: http(new(n)[:new(n).index(b"\n46.") + 1], length=False),
    "spaces": lambda n: b"\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + new(n)}
TALKS = {"endless-body": endless_body, "endless-line": endless_line, "endless-chunks": endless_chunks, "endless-headers": endless_headers,
         "endless-continue": endless_continue, "endless-chunk-size": endless_chunk_size, "endless-trailers": endless_trailers,
         "reset-at-once": reset_at_once, "reset-midway": reset_midway}
MOVES = {"redirect-to-itself": lambda n: moved("/redirect-to-itself"), "redirect-without-end": lambda n: moved(f"/redirect-without-end?{random.random()}"),
         "redirect-nowhere": lambda n: moved("http://127.0.0.1/"), "redirect-to-a-port": lambda n: moved("http://127.0.0.1:22/"), "redirect-without-location": lambda n: http(b"", "302 Found"), "redirect-to-nothing": lambda n: moved(""),
         "redirect-to-a-page": lambda n: moved("/page-of-html"), "redirect-with-a-long-url": lambda n: moved("/" + "y" * 70000), "redirect-to-a-bad-url": lambda n: moved("http://["),
         "redirect-to-port-0": lambda n: moved("http://127.0.0.1:0/")}
SLOW = {"silent": silent, "drip-body": drip_body, "drip-headers": drip_headers, "stall-midway": stall_midway}
HARMLESS = {  # whatever comes with it, the list is the good one
    "crlf": lambda n: http(good(n).replace(b"\n", b"\r\n")), "bom": lambda n: http(b"\xef\xbb\xbf" + good(n)), "no-last-newline": lambda n: http(good(n)[:-1]),
    "no-length": lambda n: http(good(n), length=False), "html-type": lambda n: http(good(n), ctype="text/html"), "duplicates": lambda n: http(good(n) * 20000),
    "long-comment": lambda n: http(good(n) + b"#" + b"x" * (8 * MIB) + b"\n"), "escapes": lambda n: http(good(n) + b"\x1b]0;pwned\x07\n\x1b[31m%s%n$(id)\n"),
    "etag-long": lambda n: http(good(n), "200 OK", 'ETag: "' + "y" * 5000 + '"'), "etag-escapes": lambda n: http(good(n), "200 OK", 'ETag: "\x1b[31m\x07"'), "etag-folded": lambda n: http(good(n), "200 OK", 'ETag: "a"\r\n b'),
    "date-garbage": lambda n: http(good(n), "200 OK", "Last-Modified: yesterday", "Date: never"), "date-9999": lambda n: http(good(n), "200 OK", "Last-Modified: Fri, 31 Dec 9999 23:59:59 GMT"),
    "reason-escapes": lambda n: http(good(n), "200 \x1b[31mOK"), "many-headers": lambda n: http(good(n), "200 OK", *[f"X-{i}: y" for i in range(200)]), "one-byte-chunks": lambda n: chunks(*[bytes([b]) for b in good(n)]),
    "gzip": lambda n: encoded(gzip.compress(good(n)), "gzip"), "gzip-file": lambda n: http(gzip.compress(good(n)), ctype="application/gzip"), "zip-climbs-alone": lambda n: http(zipped(("../../../etc/passwd", good(n)))),
    "some-bad-lines": lambda n: http(good(n) + b"0177.0.0.1\n192.0.2.1:80\n"), "redirect": lambda n: moved("/ok/" + n), "length-twice-the-same": lambda n: http(good(n), "200 OK", f"Content-Length: {len(good(n))}"), "trailers": lambda n: chunks(good(n), end=b"0\r\nETag: \"x\"\r\n\r\n"),
    "private-ranges": lambda n: http(good(n) + b"10.0.0.0/8\n192.168.0.0/16\n224.0.0.0/3\n")}
CONTROL = "control-new-list"  # a list that is taken: what changes would be seen

REPLIES = {f"redirect-to-{name}": lambda n, url=url: moved(url) for name, url in SCHEMES.items()}
REPLIES |= {f"public-to-{name}": lambda n, url=url: moved(url) for name, url in PRIVATE.items()}
REPLIES |= {"public-to-this-host": lambda n: moved(f"http://{OURS}:{PORT}/ok/redirect"), "public-to-this-host6": lambda n: moved(f"http://[::ffff:{OURS}]:{PORT}/ok/redirect")}
REPLIES |= {f"status-{name}": lambda n, line=line: http(new(n), line) for name, line in STATUS.items()}
REPLIES |= {f"retry-{name}": lambda n, value=value: http(b"", "429 Too Many Requests", "Retry-After: " + value.format(date=http_date(7200))) for name, value in RETRY.items()}
REPLIES |= {"status-304-unasked": lambda n: http(b"", "304 Not Modified", length=False)}
REPLIES |= {f"page-of-{name}": lambda n, body=body: http(body) for name, body in PAGES.items() if name not in ("shrinks", "grows", "too-many")}
REPLIES |= {name: lambda n, name=name: http(PAGES[name]) for name in ("shrinks", "grows", "too-many")}
REPLIES |= {name: lambda n, make=make: http(make(n)) for name, make in PACKED.items()}
REPLIES |= HTTP | MOVES | HARMLESS | {CONTROL: lambda n: http(new(n))}
TLS = ["self-signed", "expired", "not-yet", "wrong-host", "unknown-issuer", "tls-1.1", "no-tls", "tls-reset", "tls-garbage", "tls-downgrade"]
DOORS = ["port-closed"]
DNS = {"dns-no-such-name": 3, "dns-server-failure": 2, "dns-refused": 5, "dns-no-address": [], "dns-garbage": None, "dns-metadata": ["169.254.169.254"]}
NAMES = sorted([*REPLIES, *TALKS, *SLOW, *(f"tls:{name}" for name in TLS), *DOORS, *DNS])


def http_date(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


def url_of(name):
    if name.startswith("tls:"):
        return f"https://127.0.0.1:{TLS_PORT + TLS.index(name[4:])}/{name}"
    if name in DOORS:
        return f"http://127.0.0.1:{DOOR_PORT + DOORS.index(name)}/{name}"
    if name in DNS:
        return f"http://{name}.test:{PORT}/{name}"
    return f"http://{PUBLIC if name.startswith('public-to-') else '127.0.0.1'}:{PORT}/{name}"


class Server:
    def __init__(self, folder):
        self.folder, self.is_evil, self.doors = folder, False, []
        for host in ("0.0.0.0", "::1"):
            self.listen(host, PORT, self.answer)
        for i in range(len(DOORS)):
            self.doors.append(self.listen("0.0.0.0", DOOR_PORT + i, self.answer))
        for i, name in enumerate(TLS):
            self.listen("127.0.0.1", TLS_PORT + i, lambda one, name=name: self.answer_tls(one, name))
        threading.Thread(target=self.names, daemon=True).start()

    def listen(self, host, port, answer):
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64)
        threading.Thread(target=self.accept, args=(listener, answer), daemon=True).start()
        return listener

    def accept(self, listener, answer):
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(one, answer), daemon=True).start()

    def serve(self, one, answer):
        try:
            with one:
                answer(one)
        except (OSError, ssl.SSLError):
            pass

    def turn(self, *_):
        """From good to evil: the doors close, the rest answers otherwise."""
        self.is_evil = True
        for door in self.doors:
            door.shutdown(socket.SHUT_RDWR)
            door.close()
        print("evil", flush=True)

    def answer(self, one):
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = one.recv(65536)
            if not more:
                return
            asked += more
        path = asked.split(b" ")[1].decode().split("?")[0]
        name = path.rsplit("/", 1)[1]
        if not self.is_evil or path.startswith("/ok/") or name.startswith("tls:"):
            one.sendall(http(good(name)))
            return
        if name in TALKS or name in SLOW:
            (TALKS | SLOW)[name](one, name)
            return
        one.sendall(REPLIES[name](name))
        one.shutdown(socket.SHUT_WR)
        while one.recv(65536):  # until the other side has read it all: no reset cuts it off
            pass

    def answer_tls(self, one, name):
        if self.is_evil and name in ("no-tls", "tls-reset", "tls-garbage"):
            one.recv(65536)
            if name == "tls-reset":
                reset_at_once(one, name)
            else:
                one.sendall(http(new("tls:" + name)) if name == "no-tls" else b"\x16\x03\x03\x40\x00" + bytes(16384))
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = name if self.is_evil and (self.folder / f"{name}.pem").exists() else "good"
        if self.is_evil and name == "tls-1.1":
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self.folder / f"{pair}.pem", self.folder / f"{pair}.key")
        with context.wrap_socket(one, server_side=True) as secret:
            if self.is_evil and name == "tls-downgrade":
                secret.recv(65536)
                secret.sendall(moved(f"http://127.0.0.1:{PORT}/ok/redirect"))
            else:
                self.answer(secret)

    def names(self):
        """Answers for addresses, and none for all else. Source: RFC 1035, 4.1."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.53", 53))
            while True:
                asked, client = server.recvfrom(4096)
                end = asked.index(b"\0", 12) + 5
                name = asked[13:13 + asked[12]].decode()
                says = DNS.get(name) if self.is_evil else ["127.0.0.1"]
                if says is None:
                    server.sendto(asked[:2] + b"\x85\x80" + random.Random(3).randbytes(40), client)
                    continue
                rows = [] if isinstance(says, int) or asked[end - 4:end - 2] != b"\0\1" else says
                head = asked[:2] + struct.pack(">BBHHHH", 0x85, 0x80 | (says if isinstance(says, int) else 0), 1, len(rows), 0, 0)
                server.sendto(head + asked[12:end] + b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(row) for row in rows), client)


if __name__ == "__main__":
    server = Server(pathlib.Path(sys.argv[1]))
    signal.signal(signal.SIGUSR1, server.turn)
    print("ready", flush=True)
    while True:
        signal.pause()
