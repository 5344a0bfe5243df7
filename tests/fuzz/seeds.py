# SPDX-License-Identifier: GPL-2.0
"""What a fuzzer of a binary format begins with: inputs as their targets read them, one for each thing that is checked.
usage: seeds.py TARGET FOLDER; writes nothing for a target that it does not know"""
import pathlib, struct, sys


def v4(*prefixes):
    return b"".join(struct.pack("<IB3x", addr, length) for addr, length in prefixes)


def v6(*prefixes):
    return b"".join(struct.pack("<QQB7x", hi, lo, length) for hi, lo, length in prefixes)


def error(text=b"what?", said=None):
    return struct.pack("<IIB51s4x", 4, 2, len(text) if said is None else said, text)


def origin(why=b"told by the config\0", fmt=1):
    return struct.pack("<QI116s", 3, fmt, why)


GOOD4 = ((0x0a000000, 8), (0x0a000000, 24), (0xc0000201, 32), (0xffffffff, 32))
GOOD6 = ((0x20010db8 << 32, 0, 32), (0x20010db8 << 32, 0, 64), (0x20010db8 << 32, 1, 128), (0x20010db8 << 32, 2, 127))


def list_file():
    """Three counts, a byte of choices (1: version 1, 2: another length), then the file's contents."""
    def one(n4=GOOD4, n6=GOOD6, rows=(error(),), tail=origin(), choices=0, rest=b""):
        return bytes((len(n4), len(n6), len(rows), choices)) + v4(*n4) + v6(*n6) + b"".join(rows) + tail + rest

    yield "good", one()
    yield "version_1", one(tail=b"", choices=1)
    yield "nothing", one((), (), ())
    yield "cut", one(choices=2)
    yield "too_long", one(choices=2, rest=bytes(100))
    for name, bad in (("len_0", (0, 0)), ("len_33", (0, 33)), ("host_bits", (0x0a000001, 8)), ("same", GOOD4[0]), ("order", (0x09000000, 8))):
        yield "v4_" + name, one(GOOD4[:1] + (bad,), ())
    for name, bad in (("len_0", (0, 0, 0)), ("len_129", (0, 0, 129)), ("host_bits_hi", (0x20010db800000001, 0, 32)), ("host_bits_lo", (0x20010db8 << 32, 1, 64)),
                      ("same", GOOD6[0]), ("order", (0x20010db7 << 32, 0, 32)), ("shorter", (0x20010db8 << 32, 0, 31))):
        yield "v6_" + name, one((), GOOD6[:1] + (bad,))
    yield "error_long", one(rows=(error(b"x" * 51), error(said=52)))
    yield "origin_no_end", one(tail=origin(b"x" * 116))
    yield "origin_format", one(tail=origin(fmt=250))


def role_msg():
    """A byte of choices (1: the magic is given, 2: cut to the input's length, 4: the last byte fills the rest), then the message."""
    for kind in range(0, 64):
        yield f"type_{kind}", struct.pack("<BHH", 1, kind, kind % 18)
    yield "own_magic", struct.pack("<BIHHIi", 0, 0x534b524d, 33, 0, 7, 0) + bytes(64)
    yield "cut", struct.pack("<BHHIi", 3, 1, 0, 7, -22) + bytes(16)
    yield "no_end", struct.pack("<BHHIi", 5, 5, 0, 7, -22) + b"x"


def table_check():
    """Patches (word, half, value) to a good image; one byte more stands for the image with ports."""
    for word in range(0, 96):
        for half, value in ((0, 0xffffffff), (1, 1), (1, 0)):
            yield f"{word}_{half}_{value:x}", struct.pack("<III", word, half, value) + b"p" * (word % 2)
    yield "several", b"".join(struct.pack("<III", word, 0, word) for word in range(5, 100, 7))


if __name__ == "__main__":
    target, folder = sys.argv[1].removeprefix("fuzz_"), pathlib.Path(sys.argv[2])
    makers = {"list_file": list_file, "role_msg": role_msg, "table_check": table_check}
    for name, data in makers.get(target, tuple)():
        (folder / name).write_bytes(data)
