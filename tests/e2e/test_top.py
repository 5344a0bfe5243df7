# SPDX-License-Identifier: GPL-2.0
"""`top` against the exact count of skewed traffic from more sources than its memory holds."""
import ipaddress, os, random, time
import pytest
from gun import Gun
from lab import wait_for

FLOOD, NET6, OTHER6 = "198.18.0.0", "2001:db8:bad:7::/64", "2001:db8:bad:8::1"
N_SOURCES, ROWS = 3000, 2048  # of the sources; of the kernel's memory a CPU
AT_ONCE = 16  # frames between two looks at the clock


@pytest.fixture
def gun(lab):
    """Sends from one CPU, so that one CPU's rows take it all."""
    gun, cpus = Gun(lab), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    yield gun
    os.sched_setaffinity(0, cpus)
    gun.socket.close()


def send_evenly(gun, frames, rate):
    """At @rate a second and never faster, however late we are."""
    for i in range(0, len(frames), AT_ONCE):
        begin = time.monotonic()
        gun.send(*frames[i:i + AT_ONCE])
        while time.monotonic() < begin + AT_ONCE / rate:
            time.sleep(0.001)


def skewed(gun):
    """Frames in random order: source i sends 1500 / (i + 1) of them, at least one; one IPv6 network sends from 600 addresses."""
    base, counts, frames = int(ipaddress.ip_address(FLOOD)), {}, []
    for i in range(N_SOURCES):
        source = str(ipaddress.ip_address(base + 37 * i))
        counts[source] = max(1, 1500 // (i + 1))
        frames += [gun.udp(source, 4000, 20 + i % 1000)] * counts[source]
    net = ipaddress.ip_network(NET6)
    frames += [gun.udp(str(net[i + 1]), 4000) for i in range(600)] + [gun.udp(OTHER6, 4000)] * 40
    counts.update({NET6: 600, OTHER6.replace("8::1", "8::/64"): 40})
    random.Random(7).shuffle(frames)
    return frames, counts


@pytest.mark.alone
def test_the_stated_error_holds_for_more_sources_than_rows(lab, agent, gun):
    """On a quiet CPU every packet counts: for each row PACKETS - ERROR <= what was sent <= PACKETS, bytes and drops are its own, and
    who sent more than its set's share is there. One IPv6 network is one row, however many addresses it uses."""
    one = agent().start()
    frames, counts = skewed(gun)
    bad = str(ipaddress.ip_address(int(ipaddress.ip_address(FLOOD)) + 37))  # the second busiest
    one.cli("block", "add", bad)
    before = one.ask("status")["packets"]
    send_evenly(gun, frames, 3000)
    rows = {by: one.ask("top", "--limit", "1000", "--by", by)["sources"] for by in ("packets", "bytes", "drops")}
    after = one.ask("status")["packets"]
    assert sum(after[k] - before[k] for k in ("passed", "dropped")) >= len(frames) and len(rows["packets"]) == 1000
    found = {row["address"]: row for row in rows["packets"]}
    inherited = 0
    for address, row in found.items():
        if address not in counts:
            continue  # the kernels at both ends talk to each other
        sent = counts[address]
        inherited += row["error"] > 0
        assert row["packets"] - row["error"] <= sent <= row["packets"], (address, sent, row)
        assert row["drops"] <= (sent if address == bad else 0), (address, row)
    assert inherited > 100  # the memory was too small, and said so
    busiest = sorted(counts, key=counts.get, reverse=True)[:20]
    assert [a for a in busiest if a not in found] == []
    assert NET6 in busiest and found[NET6]["packets"] - found[NET6]["error"] <= 600 <= found[NET6]["packets"]
    assert found[NET6]["bytes"] <= 600 * 82 and not any(a.startswith("2001:db8:bad:7:") and a != NET6 for a in found)
    assert set(list(found)[:3]) <= set(busiest[:6])
    row, = rows["drops"]
    assert row["address"] == bad and row["packets"] - row["error"] <= row["drops"] <= counts[bad]
    sizes = {a: len(f) for a, f in ((str(ipaddress.ip_address(f[26:30])), f) for f in frames if f[12:14] == b"\x08\0")}
    for row in rows["bytes"]:
        if row["address"] in sizes:
            assert (row["packets"] - row["error"]) * sizes[row["address"]] <= row["bytes"] <= counts[row["address"]] * sizes[row["address"]], row
    rates = [row["bytes_per_s"] for row in rows["bytes"]]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.alone
def test_chance_on_a_busy_cpu_is_as_the_manual_says(lab, agent, gun):
    """One packet in 64, at random: PACKETS are off either way, by a deviation of 8 times their root; five of these are the bound here."""
    one = agent().start()
    shares = [4, 2, 1, 1, 1]
    picks = random.Random(3).choices(range(5), shares, k=200000)
    frames = [gun.udp(f"198.18.0.{i + 1}", 9) for i in range(5)]
    seen = lambda: sum(one.ask("status")["packets"][k] for k in ("passed", "dropped"))
    before = seen()
    gun.send(*(frames[i] for i in picks))
    lost = max(0, len(picks) - (seen() - before))  # by a full queue before the program
    rows = {row["address"]: row for row in one.ask("top")["sources"]}
    sent = {f"198.18.0.{i + 1}": picks.count(i) for i in range(5)}
    for source, n in sent.items():
        assert rows[source]["error"] == 0 and -lost <= rows[source]["packets"] - n + 40 * n ** .5 <= 80 * n ** .5, (source, n, lost, rows[source])
    assert any(rows[source]["packets"] != n for source, n in sent.items())  # it was a sample
    assert "off by chance" in one.cli("top").stdout


def test_what_counts_as_one_ipv6_source(lab, agent, gun):
    """ipv6-source-prefix, from the start and by a reload; each row bears its length, a whole address none."""
    one = agent("ipv6-source-prefix: 56\n").start()
    shown = lambda: {row["address"]: row["packets"] for row in one.ask("top")["sources"] if row["address"].startswith("2001:db8:")}
    gun.send(*(gun.udp(f"2001:db8:0:12{i:02x}::{i}", 4000) for i in range(1, 10)))
    wait_for(lambda: shown() == {"2001:db8:0:1200::/56": 9}, 5, "one network")
    assert "2001:db8:0:1200::/56" in one.cli("top").stdout
    one.write("ipv6-source-prefix: 128\n")
    one.cli("reload")

    def two_addresses():
        gun.send(gun.udp("2001:db8:1::1", 4000), gun.udp("2001:db8:1::2", 4000))
        return {"2001:db8:1::1", "2001:db8:1::2"} <= shown().keys()

    wait_for(two_addresses, 5, "two sources")


def test_who_is_quiet_for_the_moment_is_shown_for_a_minute(lab, agent, gun):
    one = agent().start()
    gun.send(*[gun.udp("198.18.0.9", 4000)] * 9)
    row = lambda by="packets": next((r for r in one.ask("top", "--by", by)["sources"] if r["address"] == "198.18.0.9"), None)
    assert wait_for(lambda: row(), 5, "the source")["packets"] == 9
    wait_for(lambda: row() and row()["packets_per_s"] == 0, 10, "its row without a rate")
    assert (row()["packets"], row("bytes")["packets"], row("drops")) == (9, 9, None)
