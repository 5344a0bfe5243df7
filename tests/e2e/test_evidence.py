# SPDX-License-Identifier: GPL-2.0
"""The evidence of a ban against packets that were counted one by one: what is recorded, what is shown, and which signals
appear. The limits here let ten packets through and then none for a minute, so that every number is known before."""
import time
import pytest
from lab import early_in_a_second, wait_for

BAD, CARRIER, SHARED, PLAIN, ONE_SYSTEM = "198.51.100.7", "100.64.1.7", "203.0.113.50", "203.0.113.51", "203.0.113.52"
SYN, ACK, FIN, RST, PSH = 2, 16, 1, 4, 8
CONFIG = """events: {sample: 10k/s}
limits:
  - {name: mix, packets: 1/m, burst: 10, ban: {after: 1s, for: 10m}}
"""


def boot_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ban_of(one, source):
    return next((row for row in one.ask("review", "list")["bans"] if row["source"] == source), None)


def show(one, source):
    return one.ask("review", "show", ban_of(one, source)["id"])


def signals(one, source):
    return {s["signal"]: s["says"] for s in show(one, source)["signals"]}


def over_for_a_second(gun, *frames):
    """The first packets fill the burst, all are sent at once; the last frame comes when the ban is due, and begins it."""
    early_in_a_second()
    gun.send(*frames[:-1])
    begin = boot_s()
    while boot_s() < begin + 1.1:  # the limit's own `after`, and two steps of its clock
        time.sleep(0.02)
    gun.send(frames[-1])


def test_what_is_recorded_is_what_was_sent(lab, agent, gun):
    one = agent()
    (one.dir / "watched").write_text("198.51.100.0/28\n")
    one.write(CONFIG + f"feeds:\n  - {{name: watched, path: \"{one.dir}/watched\", format: plain, action: monitor}}\n")
    one.start()
    wait_for(lambda: one.ask("explain", BAD)["verdict"] == "monitor", 5, "the list in force")
    said = one.ask("explain", BAD)
    since, generation = said["matches"][0]["since"], said["kernel"]["generation"]
    fill = [gun.udp(BAD, 4000)] * 10  # the first five use half of the burst: of the others there is a record
    mixed = ([gun.tcp(BAD, 22, SYN)] * 6 + [gun.tcp(BAD, 80, ACK | PSH, 100)] * 4 + [gun.tcp(BAD, 80, FIN | ACK)] * 2 + [gun.tcp(BAD, 80, RST)] * 3 +
             [gun.udp(BAD, 53, 500)] * 7 + [gun.ip4(BAD, 1, b"\x08\0" + b"x" * 62)] * 3 + [gun.ip4(BAD, 47, b"x" * 10)] * 2 +
             [gun.ip4(BAD, 17, b"x" * 1400, 57, 100)] * 2)
    trigger = gun.udp(BAD, 4001)
    before = time.time()
    over_for_a_second(gun, *fill, *mixed, trigger)
    wait_for(lambda: ban_of(one, BAD), 5, "the ban")
    early_in_a_second()
    gun.send(*[trigger] * 5)
    shown = show(one, BAD)
    recorded = fill[5:] + mixed + [trigger]
    e = shown["evidence"]
    assert (shown["limit"], shown["unit"], shown["generation"]) == ("mix", "packets", generation) and 900 < shown["window_ms"] < 5000
    assert shown["threshold_per_s"] == pytest.approx(1 / 60) and e["peak_packets_per_s"] == len(recorded) - 1
    assert shown["rate_per_s"] == pytest.approx((len(mixed) + 1) * 1000 / shown["window_ms"])  # from the first over it to the one that bans
    assert (e["packets"], e["bytes"], e["over_limit"]) == (len(recorded), sum(map(len, recorded)), len(mixed) + 1)
    assert e["peak_bytes_per_s"] == sum(map(len, recorded[:-1]))
    assert e["protocols"] == {"tcp": 15, "udp": 5 + 7 + 2 + 1, "icmp": 3, "other": 2}
    assert e["tcp"] == {"syn": 6, "ack": 6, "fin": 2, "rst": 3, "of_open_connections": 0, "looked_up": 1}
    assert e["last_ports"] == [4001, 53, 80, 22] and 4 <= e["distinct_ports"] <= 6 and e["fragments"] == 2
    assert e["sizes"] == {"<64": 5 + 6 + 2 + 3 + 2 + 1, "<128": 3, "<192": 4, "<768": 7, "<=1514": 2}
    assert (e["min_bytes"], e["max_bytes"], e["min_ttl"], e["max_ttl"]) == (len(mixed[-3]), len(mixed[-1]), 57, 64)
    assert before - 1 < e["first_seen"] and 1 < e["last_seen"] - e["first_seen"] < 2 and e["last_seen"] < time.time()
    p = shown["packets"][0]
    assert (p["protocol"], p["sport"], p["dport"], p["frame_bytes"], p["header"]) == (17, 5353, 4001, len(trigger), trigger.hex())
    assert {(row["list"], row["prefix"], row["action"], row["since"]) for row in shown["lists"]} == {("watched", "198.51.100.0/28", "monitor", since)}
    assert shown["how"] is None and shown["state"] == "live" and len(shown["config_hash"]) == 16
    wait_for(lambda: time.time() > shown["since"] + 2.2, 5, "a second that is not the ban's first")
    early_in_a_second()
    gun.send(*[trigger] * 3)
    dropped = lambda: show(one, BAD)["dropped"]
    wait_for(lambda: dropped()["packets"] == 8, 3, "the drops")
    d = dropped()
    assert (d["bytes"], d["first_second"], d["last_second"]) == (8 * len(trigger), 5, 3) and abs(d["last_seen"] - time.time()) < 3
    text = one.cli("review", "show", shown["id"]).stdout
    for words in ("35 packets", f"/s measured over {shown['window_ms']} ms", "15 tcp, 15 udp, 3 icmp, 2 other", "6 first SYNs, 6 ACKs, 2 FINs, 3 RSTs; 0 of 1 looked up", "4001 53 80 22",
                  "44 to 1434 bytes, TTL 57 to 64, 2 fragments", "<64: 19, <128: 3, <192: 4, <768: 7, <=1514: 2", "8 packets dropped, 5 in the first second, 3 in the last",
                  "watched", shown["config_hash"], "last dropped", "still in force"):
        assert words in text, (words, text)
    assert "how it ended" not in text and f"generation      {generation}" in text and "seen            first" in text
    one.cli("review", "reject", shown["id"], "--reason", "a test")
    assert show(one, BAD)["how"] == "rejected by root" and "how it ended    rejected by root" in one.cli("review", "show", shown["id"]).stdout


def test_each_signal_appears_when_it_is_true_and_not_otherwise(lab, agent, gun):
    """Conversations and known-good lists have rows of their own; here: a shared address, and one that stopped by itself at once."""
    one = agent(CONFIG).start()
    ports = range(1000, 1016)
    many = lambda source, ttl: [gun.udp(source, port) for port in ports] + [gun.tcp(source, port, ACK, ttl=ttl) for port in ports]
    frames = {source: [gun.udp(source, 4000)] * 10 + more + [gun.udp(source, 4000)]
              for source, more in ((CARRIER, []), (SHARED, many(SHARED, 128)), (PLAIN, [gun.udp(PLAIN, 4000)] * 9), (ONE_SYSTEM, many(ONE_SYSTEM, 64)))}
    early_in_a_second()
    gun.send(*(frame for of in frames.values() for frame in [*of, of[-1]]))
    begin = boot_s()
    wait_for(lambda: boot_s() > begin + 1.1, 3, "the limit's `after`")
    gun.send(*(of[-1] for of in frames.values()))
    wait_for(lambda: all(ban_of(one, source) for source in frames), 5, "four bans")
    late = max(ban_of(one, source)["since"] for source in frames) + 5
    found = {source: signals(one, source) for source in frames}
    if time.time() < late:
        assert not any("stopped" in all_of for all_of in found.values())  # silence says nothing yet
    wait_for(lambda: time.time() > late - 3, 5, "the ban's second second")
    gun.send(*[frames[PLAIN][-1]] * 4)
    wait_for(lambda: "stopped" in signals(one, CARRIER), 10, "the end of its silence's trial")
    wait_for(lambda: time.time() > late + 1.5, 5, "the same of all others")
    found = {source: signals(one, source) for source in frames}
    assert found == {CARRIER: {"shared": "wrong", "stopped": "wrong"}, SHARED: {"shared": "wrong", "stopped": "wrong"}, PLAIN: {}, ONE_SYSTEM: {"stopped": "wrong"}}
    assert ban_of(one, SHARED)["brief"] == "?stopped ?shared" and ban_of(one, PLAIN)["brief"] == ""
    gun.send(*[frames[SHARED][-1]] * 4)  # it did not stop after all
    wait_for(lambda: "stopped" not in signals(one, SHARED), 5, "the signal's end")
