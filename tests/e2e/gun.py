# SPDX-License-Identifier: GPL-2.0
"""Frames of any source, written byte by byte and put on the attacker's end of the wire."""
import json, socket, struct
from lab import EDGE, EDGE6


class Gun:
    """Frames as they are written here, from the attacker's end of the wire."""

    def __init__(self, lab):
        self.socket = lab.socket_in(lab.attacker, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("atk0", 0))
        mac = json.loads(lab.ip(lab.edge, "-j", "link", "show", lab.iface).stdout)[0]["address"]
        self.to = bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x07"

    def ip4(self, source, proto, payload, ttl=64, fragment=0):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, fragment, ttl, proto, 0, socket.inet_aton(source), socket.inet_aton(EDGE))
        return self.to + b"\x08\0" + head + payload

    def ip6(self, source, proto, payload):
        address = lambda text: socket.inet_pton(socket.AF_INET6, text)
        return self.to + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(payload), proto, 64) + address(source) + address(EDGE6) + payload

    def udp(self, source, dport, n_bytes=20, ttl=64):
        data = struct.pack(">HHHH", 5353, dport, 8 + n_bytes, 0) + b"x" * n_bytes
        return self.ip6(source, 17, data) if ":" in source else self.ip4(source, 17, data, ttl)

    def tcp(self, source, dport, flags, n_bytes=0, ttl=64):
        return self.ip4(source, 6, struct.pack(">HHIIBBHHH", 5354, dport, 1, 1, 5 << 4, flags, 1024, 0, 0) + b"x" * n_bytes, ttl)

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)
