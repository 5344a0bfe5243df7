# SPDX-License-Identifier: GPL-2.0
"""The kernel's map of bans as a test sees it, through bpftool: to look, and to put bans there that nobody told the agent of."""
import ctypes, ipaddress, json, os, platform, re, struct, tempfile, time
from lab import run

BPFTOOL = next((p for p in ("/usr/sbin/bpftool", "/sbin/bpftool") if os.path.exists(p)), "bpftool")
VALUE = struct.Struct("<9Q4I")  # struct sek_ban
FIELDS = ("since", "until", "trial_until", "generation", "dropped", "dropped_bytes", "dropped_first_s", "last", "last_second",
          "last_s", "level", "limit", "random")
N_BANS = 28  # bytes before sek_control.n_bans


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def pin(agent, name):
    return agent.layout() / name


def hexed(data):
    return ["hex", *(f"{b:02x}" for b in data)]


def key_of(prefix):
    net = ipaddress.ip_network(prefix)
    return net.network_address.packed.ljust(16, b"\0") + bytes([net.version, net.prefixlen, 0, 0])


def bans(agent):
    """{prefix: {field: value}} of what the kernel holds."""
    found = {}
    for row in json.loads(run(BPFTOOL, "-j", "map", "dump", "pinned", pin(agent, "bans")).stdout):
        key, value = (bytes(int(b, 16) for b in row[part]) for part in ("key", "value"))
        size = 4 if key[16] == 4 else 16
        found[f"{ipaddress.ip_address(key[:size])}/{key[17]}"] = dict(zip(FIELDS, VALUE.unpack(value)))
    return found


def poke_u64(agent, offset, change, form="<Q"):
    """Adds to one number of the control record."""
    control = json.loads(run(BPFTOOL, "-j", "map", "lookup", "pinned", pin(agent, "control"), "key", "0", "0", "0", "0").stdout)["value"]
    control = bytearray(int(b, 16) for b in control)
    struct.pack_into(form, control, offset, struct.unpack_from(form, control, offset)[0] + change)
    run(BPFTOOL, "map", "update", "pinned", pin(agent, "control"), "key", "0", "0", "0", "0", "value", *hexed(control))


def poke_u32(agent, offset, change):
    poke_u64(agent, offset, change, "<I")


def put(agent, prefixes, for_s=600, trial_s=600, random=None, **fields):
    """Puts bans there as the program would have, in one run of bpftool."""
    now, lines = boot_ns(), []
    for i, prefix in enumerate(prefixes):
        row = dict(dict.fromkeys(FIELDS, 0), since=now - 10**9, until=now + for_s * 10**9, trial_until=now + (for_s + trial_s) * 10**9,
                   random=i + 1 if random is None else random, **fields)
        lines.append(" ".join(["map update pinned", str(pin(agent, "bans")), "key", *hexed(key_of(prefix)), "value",
                               *hexed(VALUE.pack(*(row[f] for f in FIELDS)))]))
    control = json.loads(run(BPFTOOL, "-j", "map", "lookup", "pinned", pin(agent, "control"), "key", "0", "0", "0", "0").stdout)["value"]
    control = bytearray(int(b, 16) for b in control)
    struct.pack_into("<I", control, N_BANS, len(prefixes) + struct.unpack_from("<I", control, N_BANS)[0])
    lines.append(" ".join(["map update pinned", str(pin(agent, "control")), "key 0 0 0 0 value", *hexed(control)]))
    with tempfile.NamedTemporaryFile("w", suffix=".batch") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        run(BPFTOOL, "batch", "file", file.name)


GET, LOOKUP_BATCH, UPDATE_BATCH = 7, 24, 26  # enum bpf_cmd
SYS_BPF = 280 if platform.machine() == "aarch64" else 321
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attr):
    buf = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    answer = _libc.syscall(SYS_BPF, command, buf, 128)
    return answer, ctypes.get_errno() if answer < 0 else 0, buf


def _open(agent):
    path = ctypes.create_string_buffer(str(pin(agent, "bans")).encode())
    fd, errno, _ = _bpf(GET, struct.pack("<QII", ctypes.addressof(path), 0, 0))
    assert fd >= 0, os.strerror(errno)
    return fd


def fill(agent, n, for_s=600):
    """@n more bans in two system calls, of 10.0.0.0 and what follows. They hold until then, and the agent makes no record of them:
    their random 0 says that they are being written."""
    now, fd = boot_ns(), _open(agent)
    keys = ctypes.create_string_buffer(b"".join(struct.pack(">I", (10 << 24) + i).ljust(16, b"\0") + bytes([4, 32, 0, 0]) for i in range(n)))
    row = VALUE.pack(*(dict(dict.fromkeys(FIELDS, 0), since=now, until=now + for_s * 10**9, trial_until=now + 2 * for_s * 10**9)[f] for f in FIELDS))
    values = ctypes.create_string_buffer(row * n)
    answer, errno, _ = _bpf(UPDATE_BATCH, struct.pack("<QQQQIIQQ", 0, 0, ctypes.addressof(keys), ctypes.addressof(values), n, fd, 0, 0))
    os.close(fd)
    assert answer == 0, os.strerror(errno)
    poke_u32(agent, N_BANS, n)


def keys(agent, room):
    """The set of all keys of the map, which has no more than @room."""
    fd, token = _open(agent), ctypes.create_string_buffer(64)
    found, values = ctypes.create_string_buffer(20 * (room + 1)), ctypes.create_string_buffer(VALUE.size * (room + 1))
    answer, errno, attr = _bpf(LOOKUP_BATCH, struct.pack("<QQQQIIQQ", 0, ctypes.addressof(token), ctypes.addressof(found), ctypes.addressof(values), room + 1, fd, 0, 0))
    os.close(fd)
    assert answer == 0 or errno == 2, os.strerror(errno)  # ENOENT: that was all
    n = struct.unpack_from("<I", attr.raw, 32)[0]
    rows = found.raw
    return {rows[20 * i:20 * i + 18] for i in range(n)}
