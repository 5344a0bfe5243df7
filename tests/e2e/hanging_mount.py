# SPDX-License-Identifier: GPL-2.0
"""A mount that does not answer: a FUSE file system with one file, LIST, of mode MODE. An open of it is taken and never
answered, as by a server of NFS that is gone, until a file ANSWER is there; a process that waits for that cannot even be killed.
usage: hanging_mount.py FOLDER LIST ANSWER OPENS MODE (lines of process ids go to OPENS); speaks the kernel's own protocol, fuse(4)."""
import ctypes, os, pathlib, select, struct, sys

folder, name, answer, opens = (pathlib.Path(word) for word in sys.argv[1:5])
FILE_MODE = 0o100000 | int(sys.argv[5], 8)
HEAD = struct.Struct("<IIQQIIIHH")
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 15, 17, 18, 25, 26, 36, 42
ROOT, FILE, ENOSYS, ENOENT = 1, 2, 38, 2
data = b"198.51.100.99\n"

libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
if libc.mount(b"hanging", bytes(folder), b"fuse", 0, b"fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other" % fuse):
    raise OSError(ctypes.get_errno(), "mount")


def attributes(node):
    mode = 0o40755 if node == ROOT else FILE_MODE
    return struct.pack("<6Q10I", node, 0 if node == ROOT else len(data), 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def reply(unique, body=b"", error=0):
    try:
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
    except OSError:
        pass  # who asked is gone


def handle(request):
    _, what, unique, node, _, _, pid, _, _ = HEAD.unpack_from(request)
    rest = request[HEAD.size:]
    if what == INIT:
        reply(unique, struct.pack("<4I2H2I2HI7I", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, *[0] * 8))
    elif what == LOOKUP and rest.rstrip(b"\0") == bytes(name):
        reply(unique, struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE))
    elif what == LOOKUP:
        reply(unique, error=ENOENT)
    elif what == GETATTR:
        reply(unique, struct.pack("<QII", 0, 0, 0) + attributes(node))
    elif what == OPEN:
        with open(opens, "a") as log:
            log.write(f"{pid}\n")
        waiting.append(unique)
    elif what == READ:
        offset, size = struct.unpack_from("<QI", rest, 8)
        reply(unique, data[offset:offset + size])
    elif what == STATFS:
        reply(unique, struct.pack("<5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6))
    elif what in (RELEASE, FLUSH):
        reply(unique)
    elif what not in (FORGET, BATCH_FORGET, INTERRUPT):
        reply(unique, error=ENOSYS)


waiting = []
print("ready", flush=True)
while True:
    if select.select([fuse], [], [], 0.02)[0]:
        try:
            handle(os.read(fuse, 1 << 17))
        except OSError as error:
            if error.errno != ENOENT:  # a request that was taken back
                sys.exit(0)  # unmounted
    if answer.exists():
        for unique in waiting:
            reply(unique, struct.pack("<QII", 0, 0, 0))
        waiting = []
