# SPDX-License-Identifier: GPL-2.0
"""A person's word on a ban, taken back and given again: what stays allowed, what stays lifted, and what the answers say of it."""
import time
import pytest
from ban_map import bans, put
from lab import wait_for

ONE, TWO = "198.51.100.7", "198.51.100.8"
LIMITS = """on-exit: keep
limits:
  - {name: ssh, protocol: tcp-syn, ports: [22], packets: 10/s, ban: {after: 1s, for: 10m}}
"""


@pytest.fixture
def one(lab, agent):
    return agent(LIMITS).start()


def ban(agent, source, random):
    """A further ban of @source; its number."""
    before = {row["id"] for row in agent.ask("review", "list")["bans"]}
    put(agent, [source + "/32"], random=random)
    find = lambda: next((row["id"] for row in agent.ask("review", "list")["bans"] if row["id"] not in before and row["source"] == source), None)
    return wait_for(find, 10, f"the ban of {source}")


def allowed(agent):
    return {entry["prefix"]: entry["expires"] for entry in agent.ask("allow", "list")["entries"]}


def test_a_confirm_leaves_the_allow_of_another_reject(one):
    first = ban(one, ONE, 1)
    one.cli("review", "reject", first)
    second = ban(one, ONE, 2)
    one.cli("review", "reject", second)
    said = one.ask("review", "confirm", first)
    assert ONE in allowed(one) and one.ask("explain", ONE)["reason"] == "allow"
    assert said["allowed"] is True and f"{ONE} stays allowed: ban {second} is rejected too" in said["text"]
    said = one.ask("review", "confirm", second)  # now none stands rejected
    assert allowed(one) == {} and said["allowed"] is False and one.ask("explain", ONE)["reason"] == "none"


def test_a_confirm_after_a_reject_says_that_the_ban_stays_lifted(one):
    number = ban(one, ONE, 1)
    one.cli("review", "reject", number)
    shown = one.ask("review", "show", number)
    assert (shown["state"], shown["verdict"]) == ("rejected", "rejected")
    out = one.cli("review", "confirm", number).stdout
    assert out == f"ban {number} stays lifted; the source's next offence begins a new one\n" and bans(one) == {}
    shown = one.ask("review", "show", number)
    assert (shown["state"], shown["verdict"]) == ("lifted", "confirmed")
    assert "rejected by" in shown["how"] and "later confirmed by" in shown["how"] and "stays lifted" in shown["how"]
    live = ban(one, TWO, 2)
    assert one.cli("review", "confirm", live).stdout == "" and one.ask("review", "show", live)["state"] == "live"  # nothing to say


def test_a_reject_says_what_the_allow_list_says(one):
    number = ban(one, ONE, 1)
    said = one.ask("review", "reject", number, "--allow", "1h")
    assert said["allowed"] is True and said["allowed_until"] == allowed(one)[ONE] and 3500 < said["allowed_until"] - time.time() < 3700
    said = one.ask("review", "reject", number, "--allow", "1m")  # the later end stays
    assert said["allowed_until"] == allowed(one)[ONE] and said["allowed_until"] - time.time() > 3500
    said = one.ask("review", "reject", number, "--allow", "-1")
    assert (said["allowed"], said["allowed_until"]) == (True, None) and allowed(one) == {ONE: None}
    said = one.ask("review", "reject", number, "--allow", "1h")
    assert (said["allowed"], said["allowed_until"]) == (True, None) and allowed(one) == {ONE: None}
