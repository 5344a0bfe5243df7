# SPDX-License-Identifier: GPL-2.0
"""What a host goes through: several interfaces at once, a reboot that leaves only the state on disk."""
import signal
from lab import wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
LISTED = "198.51.100.77"
LISTED6, GOOD6 = "2001:db8:bad::7", "2001:db8:900d::9"


def second_link(lab):
    """One more veth pair beside the lab's own, with the attacker's other addresses on it."""
    lab.ip(lab.edge, "link", "add", "edge1", "type", "veth", "peer", "name", "atk1")
    lab.ip(lab.edge, "link", "set", "atk1", "netns", lab.attacker)
    lab.ip(lab.edge, "addr", "add", "10.98.0.1/24", "dev", "edge1")
    lab.ip(lab.edge, "link", "set", "edge1", "up")
    lab.ip(lab.attacker, "addr", "add", "10.98.0.2/24", "dev", "atk1")
    lab.ip(lab.attacker, "addr", "add", "10.98.0.3/24", "dev", "atk1")
    lab.ip(lab.attacker, "link", "set", "atk1", "up")


def by_interface(agent, verdict, reason):
    """{interface: packets} of one verdict and reason, from /metrics."""
    found = {}
    for line in agent.get("/metrics").splitlines():
        if line.startswith("sekisho_packets_total{") and f'verdict="{verdict}",reason="{reason}"' in line:
            found[line.split('interface="')[1].split('"')[0]] = int(float(line.split()[-1]))
    return found


def test_several_interfaces_at_once(lab, agent):
    second_link(lab)
    one = agent()
    one.config.write_text(f'interfaces: ["{lab.iface}", edge1]\nmetrics: {{listen: "127.0.0.1:9477"}}\n')
    one.start()
    assert [(i["name"], i["attached"]) for i in one.ask("status")["interfaces"]] == [(lab.iface, True), ("edge1", True)]
    assert lab.probe("10.98.0.2", to="10.98.0.1") == 20
    for source in (BAD, "10.98.0.2"):
        one.cli("block", "add", source)
    assert [lab.probe(BAD), lab.probe("10.98.0.2", to="10.98.0.1")] == [0, 0]
    assert [lab.probe(GOOD), lab.probe("10.98.0.3", to="10.98.0.1")] == [20, 20]
    drops = by_interface(one, "drop", "block")
    assert (drops[lab.iface], drops["edge1"]) == (20, 20)
    one.config.write_text(f'interfaces: ["{lab.iface}"]\nmetrics: {{listen: "127.0.0.1:9477"}}\n')
    one.cli("reload")
    assert [lab.probe(BAD), lab.probe("10.98.0.2", to="10.98.0.1")] == [0, 20]  # edge1 left the config
    assert [i["name"] for i in one.ask("status")["interfaces"]] == [lab.iface]
    assert "not protected" not in one.cli("status").stdout
    assert 'sekisho_attached{interface="edge1"' not in one.get("/metrics")


def test_an_interface_that_leaves_the_config_is_free_after_a_restart_too(lab, agent):
    second_link(lab)
    one = agent("on-exit: keep\n")
    one.config.write_text(f'interfaces: ["{lab.iface}", edge1]\nmetrics: off\non-exit: keep\n')
    one.start()
    for source in (BAD, "10.98.0.2"):
        one.cli("block", "add", source)
    one.stop()
    one.config.write_text(f'interfaces: ["{lab.iface}"]\nmetrics: off\non-exit: keep\n')
    assert [lab.probe(BAD), lab.probe("10.98.0.2", to="10.98.0.1")] == [0, 0]
    one.start()
    assert [lab.probe(BAD), lab.probe("10.98.0.2", to="10.98.0.1")] == [0, 20]
    assert "detached from 1 interfaces" in one.said()
    assert "xdp" not in lab.ip(lab.edge, "link", "show", "dev", "edge1").stdout


def test_counters_stay_their_interfaces_own_over_a_restart(lab, agent):
    second_link(lab)
    one, names, seen = agent("on-exit: keep\n"), [lab.iface, "edge1"], None
    for order in (names, names[::-1], names[1:], names):
        one.config.write_text(f'interfaces: [{", ".join(order)}]\nmetrics: {{listen: "127.0.0.1:9477"}}\non-exit: keep\n')
        one.start()
        if not seen:
            lab.probe("10.98.0.2", 100, to="10.98.0.1")
        now = by_interface(one, "pass", "none")
        seen = seen or now
        assert now["edge1"] >= 100 and now[lab.iface] < 50, (order, now)
        assert all(now[name] >= seen[name] for name in names), (order, now, seen)
        one.stop()


def test_a_seventeenth_interface_name_is_protected(lab, agent):
    """There is room for 16; names that left the config hold none of it."""
    one = agent()
    one.start()
    for i in range(17):
        lab.ip(lab.edge, "link", "add", f"d{i}", "type", "veth", "peer", "name", f"e{i}")
        one.config.write_text(f'interfaces: ["{lab.iface}", d{i}]\nmetrics: {{listen: "127.0.0.1:9477"}}\n')
        one.cli("reload")
    shown = [(i["name"], i["attached"]) for i in one.ask("status")["interfaces"]]
    assert sorted(shown) == sorted([(lab.iface, True), ("d16", True)])
    assert by_interface(one, "pass", "none")["d16"] == 0


def test_reboot_keeps_lists_and_entries_without_network(lab, agent):
    one = agent()
    path = one.dir / "list.txt"
    path.write_text(f"{LISTED}\n2001:db8:bad::/48\n")
    one.write(f'feeds:\n  - {{name: list, path: "{path}", format: plain, interval: 12h}}\n')
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="the list in force")
    one.cli("block", "add", BAD)
    one.cli("block", "add", "203.0.113.200", "--for", "1h")
    one.cli("allow", "add", GOOD)
    left = one.ask("block", "list")
    one.stop(signal.SIGKILL)
    path.unlink()  # what the list came from is out of reach
    for pin in sorted(one.pins.rglob("*"), reverse=True):
        pin.rmdir() if pin.is_dir() else pin.unlink()
    assert lab.probe(BAD) == 20  # nothing protects now: as after a boot
    one.start()  # until it says ready
    assert [lab.probe(s) for s in (BAD, LISTED, LISTED6, "203.0.113.200")] == [0, 0, 0, 0]
    assert [lab.probe(s) for s in (GOOD, GOOD6)] == [20, 20]
    assert one.ask("explain", GOOD)["reason"] == "allow"
    again = one.ask("block", "list")
    assert [(e["prefix"], e["expires"]) for e in again["entries"]] == [(e["prefix"], e["expires"]) for e in left["entries"]]
    feed = one.ask("feed", "show", "list")
    assert feed["entries"] == 2 and feed["error"]
