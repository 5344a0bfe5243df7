# SPDX-License-Identifier: GPL-2.0
"""Bans that the kernel holds and the state or the config does not know: a limit that went, a scan that has not come yet. What
people are told of them is what packets meet."""
import json, socket, struct
import pytest
from ban_map import bans, put
from lab import EDGE, wait_for

ONE, TWO = "198.51.100.7", "198.51.100.8"
SSH = "  - {name: ssh, protocol: tcp-syn, ports: [22], packets: 10/s, ban: {after: 1s, for: 10m}}\n"
WEB = "  - {name: web, packets: 100000/s}\n"
LIMITS = "on-exit: keep\nlimits:\n" + SSH + WEB


@pytest.fixture
def one(lab, agent):
    return agent(LIMITS).start()


def rows(agent, *words):
    return agent.ask("review", "list", *words)["bans"]


def test_a_ban_outlives_its_limit(lab, one):
    """A reload or a restart without the limit that made it lifts no ban, not even for a moment."""
    generation = lambda: one.ask("status")["table"]["generation"]
    put(one, [ONE + "/32"])  # as the program does it: nobody is told
    wait_for(lambda: rows(one), 10, "its record")
    assert lab.probe(TWO) == 20 and lab.probe(ONE) == 0
    for limits in (WEB, SSH.replace(", ban: {after: 1s, for: 10m}", "") + WEB, SSH.replace("10/s,", "10/s, per: /24,") + WEB, ""):
        one.write(LIMITS.split("limits:")[0] + ("limits:\n" + limits if limits else ""))
        before = generation()
        one.cli("reload")
        wait_for(lambda: generation() > before, 10, "the next table")
        assert (lab.probe(ONE), lab.probe(TWO)) == (0, 20), limits
        said = one.ask("explain", ONE)
        assert (said["reason"], said["differs"]) == ("ban", None), limits
    one.write(LIMITS)
    one.cli("reload")
    one.stop()
    one.write("on-exit: keep\nlimits:\n" + WEB)
    one.start()
    assert (lab.probe(ONE), lab.probe(TWO)) == (0, 20)


def test_evidence_that_was_missed_is_told(lab, agent):
    """More sources near a limit than records: each packet without one is counted, and status says so."""
    one = agent("limits:\n  - {name: one, protocol: udp, packets: 1/m, burst: 1}\n").start()
    missed = lambda: next(int(line.split()[1]) for line in one.get("/metrics").splitlines() if line.startswith("sekisho_limiter_evidence_missed_total "))
    assert missed() == 0 and not any("evidence" in w for w in one.ask("status")["warnings"])
    assert "\nsekisho_limiter_gave_up_total 0\n" in one.get("/metrics")
    mac = lambda ns, dev: bytes.fromhex(json.loads(lab.ip(ns, "-j", "link", "show", "dev", dev).stdout)[0]["address"].replace(":", ""))
    head = mac(lab.edge, lab.iface) + mac(lab.attacker, "atk0") + b"\x08\0"
    gun = lab.socket_in(lab.attacker, socket.AF_PACKET, socket.SOCK_RAW, 0)
    with gun:
        gun.bind(("atk0", 0))
        for i in range(6000):
            packet = struct.pack(">BBHHHBBH4s4sHHHH", 0x45, 0, 28, 0, 0, 64, 17, 0, struct.pack(">I", 0x0b000000 + i), socket.inet_aton(EDGE), 1, 9, 8, 0)
            for _ in range(2):
                gun.send(head + packet)
    wait_for(missed, 10, "packets without evidence")
    warning, = (w for w in one.ask("status")["warnings"] if "evidence" in w)
    assert "left no evidence in the last 15 minutes" in warning and int(warning.split()[0]) == missed()
