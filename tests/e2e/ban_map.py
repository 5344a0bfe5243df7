# SPDX-License-Identifier: GPL-2.0
"""The kernel's map of bans as a test sees it, through bpftool: to look, and to put bans there that nobody told the agent of."""
import ipaddress, json, os, re, struct, tempfile, time
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


def poke_u64(agent, offset, change):
    """Adds to one number of the control record."""
    control = json.loads(run(BPFTOOL, "-j", "map", "lookup", "pinned", pin(agent, "control"), "key", "0", "0", "0", "0").stdout)["value"]
    control = bytearray(int(b, 16) for b in control)
    struct.pack_into("<Q", control, offset, struct.unpack_from("<Q", control, offset)[0] + change)
    run(BPFTOOL, "map", "update", "pinned", pin(agent, "control"), "key", "0", "0", "0", "0", "value", *hexed(control))


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
