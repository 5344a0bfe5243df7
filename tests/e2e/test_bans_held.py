# SPDX-License-Identifier: GPL-2.0
"""Bans that the kernel holds and the state or the config does not know: a limit that went, a scan that has not come yet. What
people are told of them is what packets meet."""
import pytest
from ban_map import bans, put
from lab import wait_for

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
