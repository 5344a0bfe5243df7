# SPDX-License-Identifier: GPL-2.0
"""What counts as one source: an IPv6 network, a /24, a /48. All of it shares one bucket, one ban and one record, and each answer
names it; its neighbour has its own."""
import pytest
from lab import early_in_a_second, wait_for
from test_evidence import ban_of, boot_s
from test_limits import limits, row

HOST, NET = 4000, 5000
BAN = "packets: 1/m, burst: 10, ban: {after: 1s, for: 10m}"
CONFIG = limits(f"name: host, ports: [{HOST}], {BAN}", f"name: net, ports: [{NET}], per: [/24, /48], {BAN}")
ROWS = {  # name of the limit, port, five addresses of one source, one of it that never sends, one of its neighbour, the source
    "64": ("host", HOST, [f"2001:db8:1:2:{i}::{i}" for i in range(1, 6)], "2001:db8:1:2:ffff::", "2001:db8:1:3::1", "2001:db8:1:2::/64"),
    "48": ("net", NET, [f"2001:db8:5:{i:x}::1" for i in (0, 1, 0x7fff, 0x8000, 0xffff)], "2001:db8:5:aaaa::", "2001:db8:6::1", "2001:db8:5::/48"),
    "24": ("net", NET, [f"198.51.100.{i}" for i in (1, 64, 127, 128, 255)], "198.51.100.200", "198.51.101.1", "198.51.100.0/24"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_network_is_one_source(lab, agent, gun, kind):
    name, port, members, silent, neighbour, source = ROWS[kind]
    one = agent(CONFIG).start()
    dropped = lambda: row(one, name)["dropped"]
    state = lambda address: next(limit for limit in one.ask("explain", address)["limits"] if limit["name"] == name)
    early_in_a_second()
    gun.send(*[gun.udp(address, port) for address in members] * 4)  # 20 packets, of which the first ten pass
    begin = boot_s()
    wait_for(lambda: dropped() == 10, 5, "half of them")
    gun.send(*[gun.udp(neighbour, port)] * 9)
    said = one.ask("explain", silent)
    assert (said["verdict"], said["reason"], said["stopped_by"]) == ("drop", "limit", "limit")
    assert (state(silent)["source"], state(silent)["over"]) == (source, True) and not state(neighbour)["over"]
    assert source in one.cli("explain", silent).stdout
    if kind != "24" and name == "net":
        assert next(limit for limit in said["limits"] if limit["name"] == "host")["source"] == "2001:db8:5:aaaa::/64"
    wait_for(lambda: boot_s() > begin + 1.1, 5, "the limit's `after`")
    gun.send(gun.udp(members[-1], port))
    wait_for(lambda: ban_of(one, source), 5, "the ban")
    shown = one.ask("review", "show", ban_of(one, source)["id"])
    e = shown["evidence"]
    assert (shown["source"], shown["limit"], e["packets"], e["over_limit"], e["protocols"]["udp"]) == (source, name, 5 + 10 + 1, 11, 16)
    assert dropped() == 11  # the neighbour's nine passed
    for address in (silent, members[0]):
        said = one.ask("explain", address)
        assert (said["reason"], said["matches"][0]["prefix"], said["bans"][0]["source"], said["differs"]) == ("ban", source, source, None)
        assert said["answer"].startswith(f"Stopped by a rate limit: {name} banned {source} ")
        gun.send(gun.udp(address, 9))  # to a port that no limit asks for
    assert one.ask("explain", neighbour)["reason"] == "none" and one.ask("explain", neighbour)["bans"] == []
    wait_for(lambda: one.ask("review", "show", shown["id"])["dropped"]["packets"] == 2, 5, "what the ban dropped of any member")
    assert [e["prefix"] for e in one.ask("block", "list", "--origin", f"limit:{name}")["entries"]] == [source]
