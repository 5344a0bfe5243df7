# SPDX-License-Identifier: GPL-2.0
"""Limits that ban, with real traffic: a flood that is banned and confirmed, a busy customer who is banned, rejected and
allowed, bans that end by themselves with the agent dead."""
import json, os, signal, socket, subprocess, threading, time
from ban_map import bans, fill, keys, put
from lab import BUILD, EDGE, Stream, wait_for

BAD, CUSTOMER, GOOD = "198.51.100.7", "198.51.100.50", "203.0.113.9"


def config(for_s=600, **more):
    keys = "".join(f", {k.replace('_', '-')}: {v}" for k, v in more.items())
    return f"""on-exit: keep
events: {{sample: 100/s}}
limits:
  - {{name: flood, protocol: udp, packets: 100/s, burst: 100, ban: {{after: 1s, for: {for_s}s{keys}}}}}
  - {{name: busy, protocol: tcp, packets: 60/s, burst: 60, ban: {{after: 1s, for: {for_s}s}}}}
"""


def banned(agent, source):
    find = lambda: next((r for r in agent.ask("review", "list")["bans"] if r["source"] == source and r["state"] == "live"), None)
    return wait_for(find, 20, f"a ban of {source}; log: {agent.said()}")


class Customer:
    """TCP connections from one address that keep talking, and a server that reads them."""

    def __init__(self, lab, n=8):
        lab.add_sources([CUSTOMER])
        self.server = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((EDGE, 8443))
        self.server.listen(64)
        self.received, self.running, self.threads = 0, True, []
        self.clients = []
        self.start(self.accept)
        for _ in range(n):
            client = lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_STREAM)
            client.bind((CUSTOMER, 0))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(5)
            client.connect((EDGE, 8443))
            self.clients.append(client)
        self.start(self.talk)

    def start(self, fn, *args):
        self.threads.append(threading.Thread(target=fn, args=args, daemon=True))
        self.threads[-1].start()

    def accept(self):
        while self.running:
            try:
                self.start(self.read, self.server.accept()[0])
            except OSError:
                return

    def read(self, connection):
        with connection:
            while self.running:
                try:
                    data = connection.recv(4096)
                except OSError:
                    return
                if not data:
                    return
                self.received += len(data)

    def talk(self):
        while self.running:
            for client in self.clients:
                try:
                    client.setblocking(False)
                    client.send(b"x" * 100)
                except OSError:
                    pass
            time.sleep(0.02)  # 8 connections: some 400 packets a second

    def is_silent(self, for_s):
        before = self.received
        time.sleep(for_s)
        return self.received == before

    def close(self):
        self.running = False
        for one in (self.server, *self.clients):
            one.close()


def test_a_flood_is_banned_and_confirmed(lab, agent):
    one = agent(config()).start()
    assert lab.probe(GOOD) == 20
    flood = Stream(lab, [BAD], 2000)
    try:
        row = banned(one, BAD)
        dropped = lambda: one.ask("review", "show", row["id"])["dropped"]
        wait_for(lambda: dropped()["packets"] - dropped()["first_second"] > 200, 10, "drops after the ban's first second")
        assert lab.probe(BAD) == 0 and lab.probe(GOOD) == 20
        said = one.ask("explain", BAD)
        assert (said["verdict"], said["reason"], said["stopped_by"], said["differs"]) == ("drop", "ban", "limit", None)
        assert "Stopped by a rate limit: flood" in said["answer"] and said["matches"][0]["source"] == "limit:flood"
        assert said["advice"] == f"sekisho review reject {row['id']}"
        assert said["recent"] and all(e["dport"] in (4000, 4001) and e["protocol"] == "udp" and e["reason"] in ("ban", "limit") for e in said["recent"])
        good = one.ask("explain", GOOD)
        assert (good["verdict"], good["stopped_by"], good["bans"], good["recent"]) == ("pass", "nobody", [], [])
    finally:
        sent, received = flood.stop()[0][BAD]
    shown = one.ask("review", "show", row["id"])
    e = shown["evidence"]
    assert shown["limit"] == "flood" and shown["threshold_per_s"] == 100 and 200 < shown["rate_per_s"] < 20000
    assert e["protocols"]["udp"] == e["packets"] > 100 and e["protocols"]["tcp"] == 0 and e["last_ports"] == [4001] and e["tcp"]["of_open_connections"] == 0
    assert e["over_limit"] > 50 and shown["packets"] and shown["packets"][0]["dport"] == 4001 and len(shown["packets"][0]["header"]) >= 84
    assert shown["dropped"]["packets"] + received <= sent and shown["dropped"]["first_second"] > 0 and not any(s["signal"] == "conversations" for s in shown["signals"])
    assert any(s["signal"] == "went-on" and s["says"] == "right" for s in shown["signals"]) and shown["config_hash"] != "0" * 16 and shown["generation"] > 0
    one.cli("review", "confirm", row["id"], "--reason", "a flood")
    assert lab.probe(BAD) == 0  # confirmed: it stays
    text = one.get("/metrics")
    for line in ('sekisho_bans_total{origin="limit:flood"} 1', 'sekisho_bans_confirmed_total{origin="limit:flood"} 1', "sekisho_bans_live 1", "sekisho_bans_undecided 0"):
        assert line in text, line
    assert "flood" in one.cli("explain", BAD).stdout and "SIGNS" in one.cli("review", "list").stdout and "a flood" in one.cli("review", "show", row["id"]).stdout


def test_a_busy_customer_is_rejected_and_allowed(lab, agent):
    one = agent(config()).start()
    customer = Customer(lab)
    try:
        row = banned(one, CUSTOMER)
        shown = one.ask("review", "show", row["id"])
        assert shown["limit"] == "busy" and shown["evidence"]["tcp"]["of_open_connections"] > 0
        assert any(s["signal"] == "conversations" and s["says"] == "wrong" for s in shown["signals"])
        wait_for(lambda: customer.is_silent(0.3), 10, "the end of what was on its way when the ban began")
        before = customer.received
        assert customer.is_silent(1) and one.ask("explain", CUSTOMER)["verdict"] == "drop"
        one.cli("review", "reject", row["id"], "--reason", "our customer", "--allow", "24h")
        wait_for(lambda: customer.received > before, 10, "the customer's next bytes")
        said = one.ask("explain", CUSTOMER)
        assert (said["verdict"], said["reason"], said["bans"][0]["verdict"]) == ("pass", "allow", "rejected")
        assert bans(one) == {} and "our customer" in one.cli("allow", "list").stdout
        time.sleep(2)  # busier than ever, and left alone
        assert len(one.ask("review", "list")["bans"]) == 1
        assert 'sekisho_bans_rejected_total{origin="limit:busy"} 1' in one.get("/metrics")
    finally:
        customer.close()


def test_a_limit_in_monitor_drops_nothing_and_shows_what_it_would_have(lab, agent):
    one = agent("events: {sample: 10k/s}\nlimits:\n  - {name: watch, protocol: udp, packets: 100/s, burst: 100, action: monitor}\n").start()
    flood, control = Stream(lab, [BAD], 1000), Stream(lab, [GOOD], 50, port=4003)
    limit = lambda: one.ask("limit", "list")["limits"][0]
    try:
        wait_for(lambda: limit()["would_drop"] > 1000 and limit()["over_now"] == 1, 10, "what it would have dropped")
        said = wait_for(lambda: (a := one.ask("explain", BAD))["reason"] == "limit" and a["recent"] and a, 10, "a moment in which it is over")
        assert (said["verdict"], said["reason"], said["stopped_by"]) == ("monitor", "limit", "nobody")
        assert said["answer"] == "Not stopped: the rate limit watch would, but for monitor."
        assert {(e["type"], e["reason"], e["limit"]) for e in said["recent"]} == {("would-drop", "limit", "watch")}
        assert one.ask("explain", GOOD)["verdict"] == "pass"
    finally:
        (counts, overflow), (calm, _) = flood.stop(), control.stop()
    sent, received = counts[BAD]
    assert received == sent > 1100 and not overflow and calm[GOOD][0] == calm[GOOD][1] > 0
    said = limit()
    assert said["dropped"] == 0 and sent - 100 * (sent / 1000 + 5) < said["would_drop"] < sent and said["bans"] == 0 and one.ask("review", "list")["bans"] == []
    text = one.get("/metrics")
    assert f'sekisho_limit_would_drop_packets_total{{limit="watch"}} {said["would_drop"]}\n' in text and 'sekisho_limit_dropped_packets_total{limit="watch"} 0\n' in text
    assert f'sekisho_would_drop_packets_total{{interface="{lab.iface}",reason="limit"}} {said["would_drop"]}\n' in text


def test_explain_tells_limit_list_entry_and_nobody_apart(lab, agent):
    """The question of the one screen, for each answer that there is."""
    one = agent()
    (one.dir / "list").write_text("198.51.100.99\n")
    one.write("events: {sample: 10k/s}\nlimits:\n  - {name: some, protocol: udp, packets: 50/s, burst: 50}\n" +
              f"feeds:\n  - {{name: bad, path: \"{one.dir}/list\", format: plain}}\n")
    one.start()
    one.cli("block", "add", "198.51.100.98")
    flood = Stream(lab, [BAD], 1000)
    try:
        said = wait_for(lambda: (lambda a: a["stopped_by"] == "limit" and "rate limit some" in a["answer"] and a["recent"] and a)(one.ask("explain", BAD)),
                        10, "the limit's drops")
        assert said["bans"] == []
    finally:
        flood.stop()
    for address, by, words in (("198.51.100.99", "list", "Stopped by a list: bad"), ("198.51.100.98", "entry", "made by manual"), (GOOD, "nobody", "Not stopped by Sekisho")):
        said = one.ask("explain", address)
        assert said["stopped_by"] == by and words in said["answer"] and said["answer"] in one.cli("explain", address).stdout, said


def test_bans_end_on_time_with_the_whole_agent_killed(lab, agent):
    one = agent(config(for_s=12)).start()
    flood = Stream(lab, [BAD], 1000)
    try:
        row = banned(one, BAD)
        kernel = bans(one)[BAD + "/32"]
    finally:
        flood.stop()
    for pid, *_ in one.children():
        os.kill(int(pid), signal.SIGKILL)
    one.stop(signal.SIGKILL)
    assert lab.probe(BAD) == 0 and lab.probe(GOOD) == 20
    left_s = kernel["until"] / 1e9 - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 < left_s < 12
    time.sleep(left_s + 0.02)
    assert lab.probe(BAD) == 20
    one.start()
    wait_for(lambda: one.ask("review", "show", row["id"])["state"] in ("probation", "ended"), 10)


def test_repeat_offenders_are_banned_longer(lab, agent):
    one = agent(config(for_s=2, repeat=2)).start()
    flood = Stream(lab, [BAD], 1000)
    try:
        wait_for(lambda: len(one.ask("review", "list")["bans"]) >= 2, 20, "a second ban")
    finally:
        flood.stop()
    first, second = sorted(one.ask("review", "list")["bans"], key=lambda row: row["id"])[:2]  # a third may have begun
    assert (first["level"], second["level"]) == (0, 1) and first["state"] in ("probation", "ended")
    assert abs((second["until"] - second["since"]) - 4) <= 1 and any(s["signal"] == "repeat" for s in second["signals"])


def test_events_follow(lab, agent):
    one = agent(config()).start()
    out = open(one.dir / "events", "w+")
    follower = subprocess.Popen([BUILD / "sekisho", "-s", one.dir / "run/view.sock", "--json", "events", "--follow"], stdout=out)
    flood = Stream(lab, [BAD], 1000)
    try:
        banned(one, BAD)
        said = lambda: (one.dir / "events").read_text()
        wait_for(lambda: '"type":"ban"' in said() and '"type":"drop"' in said() and '"reason":"ban"' in said(), 10, "the ban among the events")
    finally:
        flood.stop()
        follower.terminate()
        follower.wait(20)
        out.close()
    events = [json.loads(line) for line in said().splitlines() if line.endswith("}")]
    assert [e["number"] for e in events] == list(range(events[0]["number"], events[0]["number"] + len(events)))
    assert any(e["source"] == BAD and e["limit"] == "flood" for e in events)
    latest = one.ask("events")["events"]  # without the older ones, where the flood's drops were many
    assert latest and latest[-1]["number"] >= events[-1]["number"] and any(e["source"] == BAD for e in latest)


def test_a_full_map_refuses_says_so_and_evicts_nobody(lab, agent):
    """At its real size: the metric, an event, status and the log tell; all that were banned stay, who is over is limited; with room
    for one it is banned."""
    before, bad6 = "192.0.2.77", "2001:db8:bad::7"
    one = agent(config()).start()
    size = one.ask("status")["bans"]["size"]
    put(one, [before + "/32"])
    refused = lambda: sum(int(line.split()[1]) for line in one.get("/metrics").splitlines() if line.startswith('sekisho_limit_bans_refused_total{limit="flood"}'))
    full = lambda: [line for line in one.ask("status")["warnings"] if "map of bans is full" in line]
    fill(one, size - 2)
    assert not full() and refused() == 0
    last = Stream(lab, [bad6], 1000, port=4003)  # the last one that finds room
    wait_for(lambda: one.ask("explain", bad6)["reason"] == "ban", 10, "the last ban")
    last.stop()
    held = keys(one, size)
    assert len(held) == size
    flood = Stream(lab, [BAD], 1000)
    try:
        wait_for(lambda: refused() > 100, 10, "refusals")
        assert full() and "warning: the map of bans is full" in one.cli("status").stdout
        assert one.ask("status")["bans"]["refused"] >= 100
        told = wait_for(lambda: [e for e in one.ask("events", "--rows", "1000")["events"] if e["type"] == "ban-refused"], 5, "the event")
        assert {(e["source"], e["limit"], e["dport"]) for e in told} == {(BAD, "flood", 4001)}
        wait_for(lambda: "the map of bans is full" in one.said(), 5, "the line in the log")
        assert keys(one, size) == held and lab.probe(before) == 0 and lab.probe(GOOD) == 20
        said = one.ask("explain", BAD)
        assert (said["verdict"], said["reason"], said["bans"]) == ("drop", "limit", [])
        one.cli("block", "del", before, "--origin", "limit:flood")
        wait_for(lambda: one.ask("explain", BAD)["reason"] == "ban", 10, "the ban that found room")
        assert keys(one, size) - held == {bytes([198, 51, 100, 7]).ljust(16, b"\0") + bytes([4, 32])}
    finally:
        sent, received = flood.stop()[0][BAD]
    assert 100 <= received <= 100 + 100 * flood.span_s[BAD] + 20 and sent > 2 * received  # limited all the while
