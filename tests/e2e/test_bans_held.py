# SPDX-License-Identifier: GPL-2.0
"""Bans that the kernel holds and the state or the config does not know: a limit that went, a scan that has not come yet. What
people are told of them is what packets meet."""
import json, socket, sqlite3, struct, time
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


def crowd(agent, n, net=10, **fields):
    """Bans of @n sources, as a flood of spoofed ones makes them: more than the ring buffer tells of."""
    put(agent, [f"{net}.{i >> 16}.{i >> 8 & 255}.{i & 255}/32" for i in range(n)], **fields)


def test_flush_takes_what_the_state_does_not_know(lab, one):
    """Right after many bans began: a flush takes them all, says their number, and no scan finds any of them later."""
    n = 3000
    crowd(one, n)
    put(one, [ONE + "/32"], limit=1, random=n + 1)  # of another limit: it stays
    assert one.ask("block", "flush", "--origin", "limit:ssh")["deleted"] == n
    assert list(bans(one)) == [ONE + "/32"]
    told = one.ask("status")["bans"]
    assert (told["live"], told["unrecorded"]) == (1, 0)
    assert one.ask("block", "flush", "--origin", "limit:ssh")["deleted"] == 0
    assert {r["state"] for r in rows(one, "--limit", "ssh")} == {"lifted"}
    assert one.ask("block", "flush", "--origin", "limit:web")["deleted"] == 1 and bans(one) == {}


def test_a_ban_that_nobody_told_of_is_named_and_deleted(lab, one):
    """explain and block del ask the kernel, whose word a scan would bring later."""
    crowd(one, 2000)
    put(one, [ONE + "/32"], random=9999)
    said = one.ask("explain", ONE)
    assert (said["reason"], said["differs"], said["stopped_by"]) == ("ban", None, "limit") and "Stopped by a rate limit: ssh banned it" in said["answer"]
    assert said["advice"] == f"sekisho review reject {said['matches'][0]['id']}"
    put(one, [TWO + "/32"], random=9998)
    assert one.ask("block", "del", TWO, "--origin", "limit:web")["deleted"] == 0 and TWO + "/32" in bans(one)  # not its limit
    one.cli("block", "del", TWO, "--origin", "limit:ssh")
    assert TWO + "/32" not in bans(one) and lab.probe(TWO) == 20 and lab.probe(ONE) == 0
    assert one.ask("explain", TWO)["bans"][0]["state"] == "lifted"


def test_a_ban_that_cannot_be_recorded_is_still_called_one(one):
    """The state's file is held by somebody: the kernel's record says who it was, and nothing claims to have taken it away."""
    with sqlite3.connect(one.dir / "state/state.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        put(one, [ONE + "/32"])
        said = one.ask("explain", ONE)
        assert (said["reason"], said["stopped_by"], said["advice"]) == ("ban", "limit", f"sekisho allow add {ONE}")
        assert "Stopped by a rate limit: ssh banned it" in said["answer"] and "cannot be recorded" in said["answer"]
        out = one.cli("block", "del", ONE, "--origin", "limit:ssh", check=False)
        assert out.returncode == 1 and "cannot be written" in out.stderr and ONE + "/32" in bans(one)
        assert "0 in force, 1 more not recorded yet\n" in one.cli("status").stdout
        db.execute("ROLLBACK")
    wait_for(lambda: one.ask("status")["bans"]["unrecorded"] == 0, 10, "the next scan")
    assert one.ask("status")["bans"]["live"] == 1 and one.ask("explain", ONE)["matches"][0]["kind"] == "ban"


def test_bans_on_trial_are_not_in_force(one):
    put(one, ["192.0.2.1/32", "192.0.2.2/32"], for_s=-1, trial_s=600)
    put(one, [ONE + "/32"], random=3)
    wait_for(lambda: one.ask("status")["bans"]["trial"] == 2, 10, "both on trial")
    told = wait_for(lambda: (b := one.ask("status")["bans"])["live"] == 1 and b, 10, "the live one")
    assert (told["trial"], told["unrecorded"]) == (2, 0)
    assert "1 in force, 2 on trial, 3 wait for" in one.cli("status").stdout
    text = one.get("/metrics")
    assert "\nsekisho_bans_trial 2\n" in text and "\nsekisho_bans_unrecorded 0\n" in text and "\nsekisho_bans_live 1\n" in text


def test_a_flush_ends_no_trial(one):
    """A source on trial is not blocked: there is nothing of it to delete, and its past is not forgotten."""
    put(one, ["192.0.2.1/32"], for_s=-1, trial_s=600)
    put(one, [ONE + "/32"], random=3)
    assert one.ask("block", "flush", "--origin", "limit:ssh")["deleted"] == 1
    assert list(bans(one)) == ["192.0.2.1/32"]
    wait_for(lambda: one.ask("status")["bans"]["trial"] == 1, 10, "the one that stays on trial")


def test_a_scan_after_many_new_bans_comes_soon(one):
    """What recording takes is not rested for: bans that came meanwhile are known in seconds."""
    crowd(one, 20000)
    wait_for(lambda: one.ask("status")["bans"]["live"] == 20000, 30, "their records")
    crowd(one, 10, net=11)
    wait_for(lambda: one.ask("status")["bans"]["live"] == 20010, 14, "those that came later", is_promise=True)


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
