# SPDX-License-Identifier: GPL-2.0
"""Drives sekisho-fetch against a server that lies, stalls and cuts; each case checks status and why."""
import bz2, gzip, http.server, io, lzma, os, socket, struct, subprocess, threading, time, types, zipfile, zlib
import pytest

FETCH = os.path.join(os.path.abspath(os.environ.get("SEKISHO_BUILD", "build")), "sekisho-fetch")
MAGIC = 0x534B464A
JOB = struct.Struct("<IIIIQII64s2048s192s64s64s256s640sII64s256s64sc7xII104s")
RESULT = struct.Struct("<IIIIQQII192s64s48s256s")
LIST, UNCHANGED, FAILED = 1, 2, 3
GOOD = b"192.0.2.1\n192.0.2.2\n198.51.100.0/24\n203.0.113.9\n"


def zipped(*members, method=zipfile.ZIP_DEFLATED, streamed=False):
    room = io.BytesIO()
    pipe = types.SimpleNamespace(write=room.write, flush=room.flush)  # cannot seek: checksum and sizes stand behind the file
    with zipfile.ZipFile(pipe if streamed else room, "w", method) as archive:
        for i, data in enumerate(members):
            archive.writestr(f"list{i}.txt", data)
    return room.getvalue()


def named(*members):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return room.getvalue()


def zstd(data):
    """A frame of raw blocks. Source: RFC 8878, 3.1.1."""
    blocks = [data[i:i + 60000] for i in range(0, len(data), 60000)]
    head = b"\x28\xb5\x2f\xfd\x80\x58" + struct.pack("<I", len(data))
    return head + b"".join(struct.pack("<I", len(b) << 3 | (i == len(blocks) - 1))[:3] + b for i, b in enumerate(blocks))


def zstd_bomb(n):
    """4 bytes a block of 128 KiB, all of it '#'."""
    return b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(struct.pack("<I", 131072 << 3 | 2 | (i == n - 1))[:3] + b"#" for i in range(n))


def crc_off(data):
    at = data.index(b"PK\1\2") + 16
    return data[:14] + b"\0\0\0\0" + data[18:at] + b"\0\0\0\0" + data[at + 4:]


PACKED = {  # name: (body, why it is refused)
    "zip": (zipped(GOOD), ""), "zip-stored": (zipped(GOOD, method=zipfile.ZIP_STORED), ""),
    "zip-streamed": (zipped(GOOD, streamed=True), ""), "xz": (lzma.compress(GOOD), ""), "zstd": (zstd(GOOD), ""),
    "zip-big": (zipped(GOOD + b"#" * 900000), ""), "zstd-big": (zstd(GOOD + b"#x\n" * 100000), ""),
    "gzip-members": (gzip.compress(GOOD[:13]) + gzip.compress(GOOD[13:]), ""), "gzip-zeros": (gzip.compress(GOOD) + bytes(9000), ""),
    "gzip-empty-member": (gzip.compress(b"") + gzip.compress(GOOD) + gzip.compress(b""), ""),
    "gzip-members-tail": (gzip.compress(GOOD) * 2 + b"x", "bytes after the end of the compressed stream"),
    "gzip-zeros-tail": (gzip.compress(GOOD) + b"\0\0" + gzip.compress(GOOD), "bytes after the end of the compressed stream"),
    "gzip-members-short": (gzip.compress(GOOD) + gzip.compress(GOOD * 99)[:-9], "gzip stream cut short"),
    "gzip-members-crc": (gzip.compress(GOOD) + gzip.compress(GOOD)[:-8] + bytes(8), "gzip stream damaged"),
    "gzip-members-bomb": (gzip.compress(b"#" * (1 << 19)) * 3, "more than 1 MiB after inflation"),
    "xz-streams": (lzma.compress(GOOD[:13]) + bytes(8) + lzma.compress(GOOD[13:]), ""), "xz-zeros": (lzma.compress(GOOD) + bytes(4), ""),
    "xz-odd-zeros": (lzma.compress(GOOD) + bytes(3), "xz stream cut short"),
    "xz-streams-short": (lzma.compress(GOOD) + lzma.compress(GOOD * 99)[:-20], "xz stream cut short"),
    "xz-streams-bomb": (lzma.compress(b"#" * (1 << 19)) * 3, "more than 1 MiB after inflation"),
    "zstd-frames": (zstd(GOOD[:13]) + zstd(GOOD[13:]), ""), "zstd-skip": (b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstd(GOOD), ""),
    "zstd-skip-behind": (zstd(GOOD) + b"\x5f\x2a\x4d\x18\4\0\0\0abcd", ""),
    "zstd-frames-short": (zstd(GOOD) + zstd(GOOD)[:-5], "zstd stream cut short"), "zstd-frames-bomb": (zstd_bomb(5) * 2, "more than 1 MiB after inflation"),
    "zip-folder": (named(("d/", b""), ("d/a.txt", GOOD)), ""), "zip-macos": (named(("a.txt", GOOD), ("__MACOSX/._a.txt", b"xx\0")), ""),
    "zip-macos-first": (named(("__MACOSX/", b""), ("__MACOSX/._a.txt", b"xx\0"), ("a.txt", GOOD)), ""),
    "zip-folder-two": (named(("d/", b""), ("d/a.txt", GOOD), ("d/b.txt", GOOD)), "a zip file with several files: pack the list alone"),
    "zip-folder-alone": (named(("d/", b"")), "a zip file without a list"),
    "zip-two": (zipped(GOOD, GOOD), "a zip file with several files: pack the list alone"),
    "zip-two-streamed": (zipped(GOOD, GOOD, streamed=True), "a zip file with several files: pack the list alone"),
    "zip-short": (zipped(GOOD)[:60], "zip file cut short"), "zip-no-end": (zipped(GOOD)[:-10], "zip file cut short"),
    "zip-tail": (zipped(GOOD) + b"x", "zip file damaged, or with several files"),
    "zip-crc": (crc_off(zipped(GOOD)), "zip file damaged: its checksum differs"),
    "zip-secret": (zipped(GOOD)[:6] + b"\1" + zipped(GOOD)[7:], "an encrypted zip file"),
    "zip-lzma": (zipped(GOOD, method=zipfile.ZIP_LZMA), "a zip file packed in a way that is not deflate"),
    "zip-bomb": (zipped(b"#" * (1 << 24)), "more than 1 MiB after inflation"),
    "xz-bomb": (lzma.compress(b"#" * (1 << 24)), "more than 1 MiB after inflation"),
    "xz-short": (lzma.compress(GOOD * 99)[:-20], "xz stream cut short"),
    "xz-tail": (lzma.compress(GOOD) + b"x", "xz stream cut short"),
    "xz-rot": (lzma.compress(GOOD)[:20] + b"\xff\xff\xff" + lzma.compress(GOOD)[23:], "xz stream damaged"),
    "xz-greedy": (lzma.compress(GOOD, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]), "xz stream needs more than 192 MiB to unpack"),
    "zstd-bomb": (zstd_bomb(128), "more than 1 MiB after inflation"), "zstd-short": (zstd(GOOD)[:-5], "zstd stream cut short"),
    "zstd-tail": (zstd(GOOD) + b"x", "bytes after the end of the compressed stream"),
    "zstd-rot": (zstd(GOOD)[:6] + b"\xff" * 20, "zstd stream damaged, or with a window over 128 MiB"),
    "bzip2": (bz2.compress(GOOD), "bzip2 is not unpacked: gzip, zip, xz and zstd are"), "bzip2-empty": (bz2.compress(b""), "bzip2 is not unpacked: gzip, zip, xz and zstd are"),
    "bzip2-not": (b"BZh91 is no address\n" + GOOD, ""),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24), "7z is not unpacked: gzip, zip, xz and zstd are"),
    "lzma": (lzma.compress(GOOD, format=lzma.FORMAT_ALONE), "lzma is not unpacked: gzip, zip, xz and zstd are"),
    "nul": (b"192.0.2.1\n\0\n", "NUL bytes: not a text"), "elf": (b"\x7fELF" + bytes(60), "NUL bytes: not a text"),
}


class Evil(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code=200, body=b"", length=None, **fields):
        self.close_connection = True
        self.send_response(code)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def chunked(self, *chunks):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def do_GET(self):
        try:
            self.serve(self.path)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def serve(self, path):
        port = self.server.server_address[1]
        redirects = {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/x", "self": "/redir/self",
                     "good": "/good", "private": f"http://127.0.0.1:{port}/good",
                     "plain": "http://127.0.0.1:1/"}
        if path == "/good":
            assert self.headers["Accept-Encoding"] == "gzip"
            self.answer(body=GOOD, ETag='"one"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        elif path == "/etag":
            same = self.headers["If-None-Match"] == '"one"'
            self.answer(304 if same else 200, b"" if same else GOOD, ETag='"one"')
        elif path == "/always304":
            self.answer(304)
        elif path == "/gzip":
            self.answer(body=gzip.compress(GOOD), Content_Encoding="gzip")
        elif path == "/gzfile":
            self.answer(body=gzip.compress(GOOD))
        elif path == "/gztrunc":
            self.answer(body=gzip.compress(GOOD * 9999)[:-40])
        elif path == "/gztail":
            self.answer(body=gzip.compress(GOOD) + b"garbage")
        elif path == "/gzbomb":
            self.answer(body=gzip.compress(b"#" + b"x" * (1 << 23)), Content_Encoding="gzip")
        elif path == "/notgzip":
            self.answer(body=GOOD, Content_Encoding="gzip")
        elif path == "/brotli":
            self.answer(body=GOOD, Content_Encoding="br")
        elif path == "/torn":
            self.answer(body=GOOD, length=700300)
        elif path == "/tornchunk":
            self.chunked(GOOD, GOOD)
        elif path == "/endless":
            self.chunked(*[GOOD * 1000] * 200)
        elif path == "/million":
            self.answer(length=10**9)
        elif path == "/html":
            self.answer(body=b"\n <!DOCTYPE html><p>203.0.113.9\n")
        elif path == "/headers":
            self.answer(body=GOOD, **{f"X_{i}": "y" * 900 for i in range(90)})
        elif path == "/hang":
            time.sleep(30)
        elif path == "/retryafter":
            self.answer(503, Retry_After="99999999")
        elif path == "/crlf":
            self.answer(body=b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
        elif path.startswith("/status/"):
            self.answer(int(path[8:]))
        elif path.startswith("/redir/"):
            self.answer(302, Location=redirects[path[7:]])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass


def start(context=None):
    server = Server(("127.0.0.1", 0), Evil)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def base():
    server = start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    import ssl
    where = tmp_path_factory.mktemp("tls")
    cert, key = str(where / "cert.pem"), str(where / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-subj", "/CN=feed", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-days", "2"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = start(context)
    yield f"https://127.0.0.1:{server.server_address[1]}", cert
    server.shutdown()


class Result:
    def __init__(self, data, fds):
        values = RESULT.unpack(data)
        text = [v.split(b"\0")[0].decode("ascii") for v in values[8:]]
        self.status, self.code = values[1], values[2]
        self.body_bytes, self.wire_bytes, self.retry_after_s = values[4], values[5], values[7]
        self.etag, self.last_modified, self.server, self.why = text
        self.list = b""
        assert values[0] == MAGIC
        assert len(fds) == (self.status == LIST)
        for fd in fds:
            self.list = os.pread(fd, 1 << 20, 0)
            with pytest.raises(OSError):
                os.write(fd, b"x")
            os.close(fd)


def spawn(job, netns=None):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(job)
    # High numbers first, so that moving one to 3 does not close the other.
    keep = [os.dup2(theirs.fileno(), 103, inheritable=True)]
    shell = "exec 3<&103 103<&-"
    # bash, not sh: dash takes one-digit descriptors only.
    there = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    process = subprocess.Popen([*there, "/bin/bash", "-c", shell + '; exec "$0"', FETCH], pass_fds=keep, stderr=subprocess.PIPE)
    theirs.close()
    for fd in keep:
        os.close(fd)
    return ours, process


def fetch(url, is_file=False, etag="", ca="", private=1, timeout=8, limit=1 << 20, secret=b"", kind=1, countries=b"", netns=None):
    job = JOB.pack(MAGIC, kind, is_file, 100000, limit, timeout, private, b"test", url.encode(), etag.encode(),
                   b"", b"sekisho/test", ca.encode(), secret, 0, 0, b"", b"", countries, b"\0", 0, 0, b"")
    ours, process = spawn(job, netns)
    ours.settimeout(20)
    data, fds, _, _ = socket.recv_fds(ours, 4096, 4)
    stderr = process.communicate(timeout=10)[1]
    assert process.returncode == 0, stderr
    ours.close()
    return Result(data, fds)


@pytest.mark.parametrize("name", PACKED)
def test_packed(name, tmp_path):
    """From a file, where the fetcher's cage is the narrowest: the libraries need no call that it refuses."""
    body, why = PACKED[name]
    (tmp_path / name).write_bytes(body)
    result = fetch(str(tmp_path / name), is_file=True)
    assert (result.status, result.why) == (FAILED if why else LIST, why)
    if not why:
        assert struct.unpack_from("<I", result.list, 12)[0] == 4


@pytest.mark.parametrize("path", ["/good", "/gzip", "/gzfile", "/crlf", "/redir/good", "/etag"])
def test_list(base, path):
    result = fetch(base + path)
    assert (result.status, result.why, result.code) == (LIST, "", 200)
    assert struct.unpack_from("<Q", result.list)[0] == 0x3154534C4B455353
    assert struct.unpack_from("<I", result.list, 12)[0] == 4


def test_validators(base):
    result = fetch(base + "/good")
    assert (result.etag, result.last_modified) == ('"one"', "Thu, 01 Jan 2026 00:00:00 GMT")
    assert fetch(base + "/etag", etag='"one"').status == UNCHANGED


@pytest.mark.parametrize("path, why", [
    ("/always304", "HTTP 304 without being asked"), ("/gztrunc", "gzip stream cut short"),
    ("/gztail", "bytes after the end of the compressed stream"), ("/gzbomb", "more than 1 MiB after inflation"),
    ("/notgzip", "said to be gzip, but is not"), ("/brotli", "encoded in a way that was not asked for"),
    ("/torn", "body cut short: 48 of 700300 bytes"), ("/endless", "more than 1 MiB"), ("/million", "more than 1 MiB"),
    ("/html", "the answer is an HTML page"), ("/headers", "headers of more than 65536 bytes"),
    ("/redir/file", "redirect to file:// refused"), ("/redir/ftp", "redirect to ftp:// refused"),
    ("/redir/self", "more than 5 redirects"),
] + [(f"/status/{code}", f"HTTP {code}") for code in (204, 206, 301, 403, 404, 429, 500, 503)])
def test_refused(base, path, why):
    result = fetch(base + path)
    assert (result.status, result.why) == (FAILED, why)


def test_torn_chunk(base):
    result = fetch(base + "/tornchunk")
    assert result.status == FAILED and result.why


def test_hang(base):
    begin = time.monotonic()
    result = fetch(base + "/hang", timeout=1)
    assert result.status == FAILED and result.why.startswith("timed out")
    assert time.monotonic() - begin < 10  # the server takes thirty seconds


def test_retry_after_is_capped(base):
    assert fetch(base + "/retryafter").retry_after_s == 86400


def test_private_redirect(base):
    result = fetch(base + "/redir/private", private=0)
    assert (result.status, result.why) == (FAILED, "redirect to a private address refused")
    assert fetch(base + "/redir/private", private=1).status == LIST


def serve_in(lab, netns, address, port, replies):
    """Answers on @address in @netns with what @replies has for the path; the paths that came."""
    class Replies(Evil):
        def serve(self, path):
            came.append(path)
            self.answer(**replies[path])

    came, listener = [], lab.socket_in(netns, socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((address, port))
    listener.listen()
    server = Server((address, port), Replies, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, came


def test_a_neighbour_does_not_lead_to_this_host(lab):
    """A feed on a private address may redirect in the private network, but only one that is ours itself to what listens here."""
    away = {"own": "http://10.99.0.1/x", "loopback": "http://127.0.0.1/x", "loopback8": "http://127.9.9.9/x", "unspecified": "http://0.0.0.0/x",
            "mapped": "http://[::ffff:10.99.0.1]/x", "by-name": "http://localhost/x", "neighbour": "http://10.99.0.3/x"}
    replies = {"/x": {"body": GOOD}} | {f"/{name}": {"code": 302, "Location": to} for name, to in away.items()}
    lab.ip(lab.attacker, "addr", "add", "10.99.0.3/24", "dev", "atk0")
    (near, _), (other, _), (inside, came) = servers = [serve_in(lab, lab.attacker, "10.99.0.2", 8100, replies), serve_in(lab, lab.attacker, "10.99.0.3", 80, replies),
                                                       serve_in(lab, lab.edge, "0.0.0.0", 80, replies)]
    try:
        for name in away:
            result = fetch(f"http://10.99.0.2:8100/{name}", netns=lab.edge)
            if name != "neighbour":
                assert (result.status, result.why, came) == (FAILED, "redirect to an address of this host refused", []), name
            else:
                assert (result.status, result.why, came) == (LIST, "", [])
        for host in ("10.99.0.1", "127.0.0.1", "localhost"):  # its own address is here: so may be what it redirects to
            for name in ("own", "loopback"):
                assert fetch(f"http://{host}/{name}", netns=lab.edge).status == LIST, (host, name)
        assert came.count("/x") == 6
    finally:
        for server, _ in servers:
            server.shutdown()
            server.server_close()


def test_link_local_is_refused_from_the_first_hop_on(base):
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]"):
        result = fetch(f"http://{host}/", private=0, timeout=2)
        assert (result.status, result.why) == (FAILED, "the name leads to a link-local address, refused"), host
    assert fetch(base + "/good", private=0).status == LIST  # a private address is not


def test_no_proxy_of_the_environment(base, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(base + "/good").status == LIST


def test_scheme(base):
    assert fetch("file:///etc/passwd").status == FAILED


def test_tls(tls):
    url, cert = tls
    result = fetch(url + "/good")
    assert result.status == FAILED and result.why.startswith("TLS: ")
    assert fetch(url + "/good", ca=cert).status == LIST
    result = fetch(url + "/redir/plain", ca=cert)
    assert (result.status, result.why) == (FAILED, "redirect from https:// to http:// refused")


def test_ca_file_out_of_reach(tls, tmp_path):
    """Absent, or in a folder that is another's: told as what it is, not as a fetcher that died."""
    (tmp_path / "closed").mkdir(mode=0o700)
    os.chown(tmp_path / "closed", 65534, 65534)
    for name in ("absent.pem", "closed/ca.pem", "closed/deeper/ca.pem"):
        result = fetch(tls[0] + "/good", ca=str(tmp_path / name))
        assert result.status == FAILED and result.why.startswith("TLS: error setting certificate") and name in result.why, result.why


def test_file(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(GOOD)
    os.mkfifo(tmp_path / "fifo")
    for name, status, why in (("list", LIST, ""), ("fifo", FAILED, "not a regular file"),
                              (".", FAILED, "a directory, not a regular file"),
                              ("none", FAILED, "the file cannot be opened: No such file or directory")):
        result = fetch(str(tmp_path / name), is_file=True)
        assert (result.status, result.why) == (status, why)


def test_bad_job():
    for job in (b"x", b"\0" * JOB.size):
        ours, process = spawn(job)
        assert process.communicate(timeout=10)[1]
        assert process.returncode == 1
        ours.close()
