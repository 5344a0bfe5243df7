# SPDX-License-Identifier: GPL-2.0
"""The never-block rails with real packets: lists, commands and address changes, each beside a source that drops."""
import os, subprocess
import pytest
from lab import BUILD, EDGE, EDGE6, GATEWAY, run, wait_for

GATEWAY6, NEIGHBOUR, NEIGHBOUR6 = "fd99::fe", "10.99.0.77", "fd99::77"


def feed(agent, text):
    path = agent.dir / "wide.txt"
    path.write_text(text)
    return f"feeds:\n  - {{name: wide, path: \"{path}\", format: plain, action: block, private: block, interval: 12h}}\n"


def protected(one):
    return {row["address"]: row["why"] for row in one.ask("status")["protected"]}


def test_list_and_wide_block_spare_the_gateways(lab, agent):
    lab.ip(lab.edge, "-6", "route", "add", "default", "via", GATEWAY6, "dev", lab.iface)
    one = agent()
    one.write(feed(one, "10.99.0.0/24\nfd99::/64\n"))
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] >= 1, what="the list in force")
    assert [lab.probe(a) for a in (GATEWAY, GATEWAY6, NEIGHBOUR, NEIGHBOUR6)] == [20, 20, 0, 0]
    for address in (GATEWAY, GATEWAY6, EDGE, EDGE6):
        answer = one.ask("explain", address)
        assert (answer["verdict"], answer["reason"]) == ("pass", "protected"), address
    assert one.ask("explain", NEIGHBOUR)["verdict"] == "drop"
    assert {GATEWAY, GATEWAY6, EDGE, EDGE6} <= set(protected(one))
    assert one.ask("status")["packets"]["by_reason"]["protected"]["passed"] == 40
    named = {row["address"] for row in one.ask("feed", "show", "wide")["protected"]}
    assert named == {GATEWAY, GATEWAY6, EDGE, EDGE6}
    assert "LISTED BUT PROTECTED" in one.cli("feed", "show", "wide").stdout


REFUSED = [
    (GATEWAY, "this host's default gateway"), (EDGE, "an address of this host"), (EDGE6, "an address of this host"),
    ("10.99.0.0/24", "this host"), ("fd99::/64", "an address of this host"), ("126.0.0.0/7", "loopback or link-local"),
    ("127.0.0.1", "loopback and link-local"), ("169.254.7.0/24", "loopback and link-local"),
    ("fe80::1", "loopback and link-local"), ("::1", "loopback and link-local"),
]


def test_a_block_that_holds_one_is_refused(lab, agent):
    one = agent().start()
    for prefix, why in REFUSED:
        out = one.cli("block", "add", prefix, check=False)
        assert out.returncode == 1 and why in out.stderr and len(out.stderr.splitlines()) == 1, (prefix, out)
    assert one.ask("block", "list")["entries"] == []
    one.cli("block", "add", NEIGHBOUR)  # control
    assert [lab.probe(NEIGHBOUR), lab.probe(GATEWAY)] == [0, 20]


def test_slash_zero_is_refused_with_force_too(lab, agent):
    one = agent().start()
    for prefix in ("0.0.0.0/0", "::/0", "127.0.0.1", "fe80::/10", "0.0.0.0/1", "128.0.0.0/1", "192.0.0.0/2", "::/1", "2000::/3", "fc00::/6"):
        assert one.cli("block", "add", prefix, "--force", check=False).returncode == 1, prefix
    assert one.ask("block", "list")["entries"] == []
    path = one.dir / "import.txt"
    path.write_text("198.51.100.7\n192.0.0.0/2\n")
    out = one.cli("block", "import", path, "--force", check=False)
    assert out.returncode == 1 and "not even with --force" in out.stderr, out
    assert (lab.probe("198.51.100.7"), lab.probe("203.0.113.9")) == (20, 20)


def test_a_wide_block_takes_force(lab, agent):
    one = agent().start()
    for prefix in ("240.0.0.0/4", "198.0.0.0/7", "2000::/15"):
        out = one.cli("block", "add", prefix, check=False)
        assert out.returncode == 1 and "wider than a /8 (IPv6: /16); --force overrides" in out.stderr, out
    for prefix in ("198.0.0.0/8", "2001::/16", "240.0.0.0/5"):
        assert one.cli("block", "add", prefix, *(["--force"] if "/5" in prefix else [])).returncode == 0
    assert [lab.probe(a) for a in ("198.51.100.7", "2001:db8::9", "203.0.113.9")] == [0, 0, 20]
    one.cli("block", "add", "224.0.0.0/3", "--force")
    one.stop()
    one.start()  # restored as it was
    assert len(one.ask("block", "list")["entries"]) == 4
    assert [lab.probe(a) for a in ("198.51.100.7", "203.0.113.9")] == [0, 20]


def test_force_lasts_as_long_as_its_entry(lab, agent):
    one = agent().start()
    assert lab.probe(GATEWAY) == 20
    one.cli("block", "add", "10.99.0.254/31", "--force", "--reason", "a person's own risk")
    assert [lab.probe(GATEWAY), lab.probe(NEIGHBOUR)] == [0, 20]
    lab.ip(lab.edge, "addr", "add", "10.99.7.1/24", "dev", lab.iface)
    wait_for(lambda: "10.99.7.1" in protected(one), 2, "the new address among the protected")
    assert lab.probe(GATEWAY) == 0
    engine = one.children()[0][0]
    os.kill(int(engine), 9)
    wait_for(lambda: one.cli("status", check=False).returncode == 0, what="an answering engine")
    assert lab.probe(GATEWAY) == 0
    for sig in (9, 15):
        one.stop(sig)
        assert lab.probe(GATEWAY) == 0
        one.start()
        assert lab.probe(GATEWAY) == 0
    one.stop()
    run("rm", "-r", one.layout())  # a reboot: only the state is left
    one.start()
    assert [lab.probe(GATEWAY), lab.probe(NEIGHBOUR)] == [0, 20]
    one.cli("block", "del", "10.99.0.254/31")
    assert lab.probe(GATEWAY) == 20
    assert one.cli("block", "add", "10.99.0.254/31", check=False).returncode == 1


def test_expiry_brings_the_rail_back(lab, agent):
    one = agent()
    one.write(feed(one, "10.99.0.0/24\n"))
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] >= 1, what="the list in force")
    one.cli("block", "add", GATEWAY, "--force", "--for", "2s")
    assert lab.probe(GATEWAY) == 0
    wait_for(lambda: lab.probe(GATEWAY) == 20, 6, "the rail again, though a list names the gateway")
    assert lab.probe(NEIGHBOUR) == 0


@pytest.mark.alone
@pytest.mark.parametrize("address, length, wide", [("10.99.44.9", 24, "10.99.44.0/24"), ("fd99:44::9", 64, "fd99:44::/64")])
def test_new_address_is_protected_within_two_seconds(lab, agent, address, length, wide):
    one = agent().start()
    one.cli("block", "add", wide)
    assert one.ask("explain", address)["verdict"] == "drop"
    lab.ip(lab.edge, "addr", "add", f"{address}/{length}", *(["nodad"] if ":" in address else []), "dev", lab.iface)
    answer = wait_for(lambda: (a := one.ask("explain", address))["reason"] == "protected" and a, 2, "protection", is_promise=True)
    assert answer["protected"] == "own address"
    lab.ip(lab.edge, "addr", "del", f"{address}/{length}", "dev", lab.iface)
    wait_for(lambda: one.ask("explain", address)["verdict"] == "drop", 2, "no protection any more", is_promise=True)


def ssh(one, *words):
    """A command as someone types it who came by SSH from 203.0.113.50, behind a sudo that clears the environment."""
    child = ["env", "-i", str(BUILD / "sekisho"), "-s", str(one.dir / "run/sekisho.sock"), *map(str, words)]
    return subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *child], text=True, capture_output=True,
                          env={**os.environ, "SSH_CONNECTION": "203.0.113.50 40000 10.99.0.1 22"})


def test_own_ssh_source_is_refused(lab, agent):
    one = agent().start()
    for prefix in ("203.0.113.50", "203.0.113.0/24"):
        out = ssh(one, "block", "add", prefix)
        assert out.returncode == 1 and "your own SSH session" in out.stderr and "203.0.113.50" in out.stderr, out
    assert ssh(one, "block", "add", "203.0.113.51").returncode == 0  # control
    assert [lab.probe("203.0.113.50"), lab.probe("203.0.113.51")] == [20, 0]
    assert ssh(one, "block", "add", "203.0.113.50", "--force").returncode == 0
    assert lab.probe("203.0.113.50") == 0


def test_import_names_what_is_protected_and_applies_nothing(lab, agent):
    one = agent().start()
    path = one.dir / "import.txt"
    path.write_text(f"# a bouncer's list\n198.51.100.1\n203.0.113.0/24\n{GATEWAY}\n198.51.100.2\n127.0.0.0/8\n")
    out = ssh(one, "block", "import", path)
    assert out.returncode == 1 and "nothing was applied: 3 bad lines" in out.stderr
    assert [line.split(":")[1] for line in out.stderr.splitlines()[:-1]] == [" line 3", " line 4", " line 6"]
    assert [lab.probe(a) for a in ("198.51.100.1", "203.0.113.50", GATEWAY)] == [20, 20, 20]
    assert ssh(one, "block", "import", "--force", path).returncode == 1  # 127/8 alone
    path.write_text(path.read_text().replace("127.0.0.0/8\n", ""))
    assert ssh(one, "block", "import", "--force", path).returncode == 0
    assert [lab.probe(a) for a in ("198.51.100.1", "203.0.113.50", GATEWAY)] == [0, 0, 0]


def test_ssh_session_that_started_the_agent_is_protected(lab, agent, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.60 40000 10.99.0.1 22")
    one = agent().start()
    monkeypatch.delenv("SSH_CONNECTION")
    assert "the SSH session from 203.0.113.60" in one.said()
    assert "SSH session" in protected(one)["203.0.113.60"]
    out = one.cli("block", "add", "203.0.113.0/24", check=False)
    assert out.returncode == 1 and "SSH session" in out.stderr
    one.cli("block", "add", "203.0.113.61")
    assert [lab.probe("203.0.113.60"), lab.probe("203.0.113.61")] == [20, 0]


def test_every_gateway_of_a_multipath_route_is_protected(lab, agent):
    lab.ip(lab.edge, "route", "replace", "default", "nexthop", "via", "10.99.0.251", "nexthop", "via", "10.99.0.252")
    lab.ip(lab.edge, "route", "add", "default", "metric", "9", "via", "inet6", GATEWAY6, "dev", lab.iface)
    one = agent().start()
    assert {"10.99.0.251", "10.99.0.252", GATEWAY6} <= set(protected(one))
    for address in ("10.99.0.251", "10.99.0.252", GATEWAY6):
        assert "gateway" in one.cli("block", "add", address, check=False).stderr
    one.cli("block", "add", "10.99.0.253")  # control
    lab.ip(lab.edge, "route", "replace", "default", "via", "10.99.0.253")
    wait_for(lambda: one.ask("explain", "10.99.0.253")["reason"] == "protected", 2, "the new gateway's protection")


def test_new_resolver_is_protected(lab, agent):
    one = agent()
    resolv = one.dir / "resolv.conf"
    resolv.write_text("nameserver 10.99.0.53\n")
    run("mount", "--bind", resolv, "/etc/resolv.conf")  # in the test run's own mount namespace
    try:
        one.start()
        assert "resolver" in protected(one)["10.99.0.53"]
        one.cli("block", "add", "10.99.0.54")
        assert [lab.probe("10.99.0.53"), lab.probe("10.99.0.54")] == [20, 0]
        resolv.write_text("nameserver 10.99.0.53\nnameserver 10.99.0.54\n")
        wait_for(lambda: one.ask("explain", "10.99.0.54")["reason"] == "protected", 3, "the new resolver's protection")
    finally:
        run("umount", "/etc/resolv.conf")
