# SPDX-License-Identifier: GPL-2.0
"""/metrics and its neighbours: both formats to the letter, counters that never go back, credit to every list, slow clients."""
import os, random, signal, socket, subprocess, time
import pytest
from exposition import read
from lab import run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
OPEN = "application/openmetrics-text"
PROMTOOL = "/usr/local/libexec/sekisho-tests/promtool"  # scripts/install-deps.sh puts it there
PROMISED = """sekisho_packets_total sekisho_bytes_total sekisho_would_drop_packets_total sekisho_feed_dropped_packets_total
sekisho_feed_dropped_bytes_total sekisho_feed_would_drop_packets_total sekisho_feed_entries sekisho_feed_last_success_timestamp_seconds
sekisho_feed_up sekisho_feed_held sekisho_feed_overlap_pair_ratio sekisho_feed_update_failures_total sekisho_feed_fetch_duration_seconds sekisho_entries sekisho_table_prefixes
sekisho_table_bytes sekisho_table_generation sekisho_table_build_seconds sekisho_attached sekisho_build_info""".split()


def lists(agent, **feeds):
    """A config with a list a word: name=(action, lines)."""
    text = "feeds:\n"
    for name, (action, lines) in feeds.items():
        path = agent.dir / f"{name}.txt"
        path.write_text("\n".join(lines) + "\n")
        text += f"  - {{name: {name}, path: \"{path}\", format: plain, action: {action}, interval: 12h, max-change: 0%}}\n"
    agent.write(text)


def in_force(agent, n):
    wait_for(lambda: agent.ask("status")["table"]["prefixes_v4"] == n, 20, f"{n} prefixes in force")


def scrape(agent):
    return read(agent.get("/metrics"), False)


def http(lab, *words):
    return run("nsenter", f"--net=/run/netns/{lab.edge}", "curl", "-sS", "-m", "10", *words).stdout


def test_both_formats_to_the_letter(lab, agent):
    one = agent()
    lists(one, drop=("block", [BAD]), watch=("monitor", [BAD, GOOD]))
    one.start()
    in_force(one, 2)
    one.cli("block", "add", "192.0.2.7", "--origin", 'evil"\\{x="1"}7')
    lab.probe(BAD), lab.probe(GOOD)
    text, opened = one.get("/metrics"), one.get("/metrics", OPEN)
    plain, kinds = read(text, False)
    other, open_kinds = read(opened, True)
    assert {name for name, _ in plain} >= set(PROMISED) and plain.keys() == other.keys()
    assert {family.removesuffix("_total"): kind for family, kind in kinds.items()} == open_kinds
    assert plain[("sekisho_entries", (("origin", 'evil\\"\\\\{x=\\"1\\"}7'),))] == 1
    assert plain[("sekisho_feed_dropped_packets_total", (("feed", "drop"),))] == 20
    assert plain[("sekisho_feed_would_drop_packets_total", (("feed", "watch"),))] == 40  # what another list dropped too
    assert not any(BAD in value for _, labels in plain for _, value in labels)
    assert run(PROMTOOL, "check", "metrics", input=text).stderr == ""  # it exits 0 on mere advice


def test_origins_past_the_fiftieth_are_one_other_with_its_namesake(agent):
    one = agent().start()
    rows = one.dir / "rows"
    rows.write_text("".join(f"192.0.2.{i} 1h o{i:02}\n" for i in range(60)) + "192.0.2.100 1h other\n192.0.2.101 1h other\n")
    one.cli("block", "import", rows)
    counts = {labels[0][1]: n for (name, labels), n in scrape(one)[0].items() if name == "sekisho_entries"}  # read() refuses a series that comes twice
    assert len(counts) == 51 and counts["other"] == 12 and sum(counts.values()) == 62
    one.cli("block", "flush", "--origin", "other")
    counts = {labels[0][1]: n for (name, labels), n in scrape(one)[0].items() if name == "sekisho_entries"}
    assert len(counts) == 51 and counts["other"] == 10


def test_paths_and_methods(lab, agent):
    one = agent().start()
    base = "http://127.0.0.1:9477"
    head = http(lab, "-I", base + "/metrics")
    assert head.startswith("HTTP/1.1 200") and "Content-Type: text/plain; version=0.0.4" in head
    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" in http(lab, "-I", "-H", f"Accept: {OPEN}", base + "/metrics")
    assert one.get("/healthz") == "ok\n" and one.get("/readyz") == "ready\n"
    for words, code in ((["/nothing"], "404"), (["/metrics/"], "404"), (["-X", "POST", "-d", "x=1", "/metrics"], "405"), (["-X", "DELETE", "/metrics"], "405"),
                        (["/metrics?x=1"], "200"), (["-H", "X: " + "y" * 20000, "/metrics"], "200"), (["-H", "X: " + "y" * 60000, "/metrics"], "431")):
        out = run("nsenter", f"--net=/run/netns/{lab.edge}", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *words[:-1],
                  base + words[-1], check=False).stdout
        assert out == code, (words[0][:20], out)
    assert "Allow: GET, HEAD" in http(lab, "-i", "-X", "PUT", base + "/metrics")


def test_counters_never_go_back(lab, agent):
    one = agent("on-exit: keep\n")
    lists(one, a=("block", [BAD]), b=("block", [BAD, GOOD]))
    one.start()
    in_force(one, 2)
    before, sent = {}, 0

    def check():
        nonlocal before, sent
        lab.probe(BAD)
        sent += 20
        now, kinds = scrape(one)
        for key, value in before.items():
            if key[0].endswith("_total"):
                assert now.get(key, 0) >= value, key
        for name in ("a", "b"):
            assert now[("sekisho_feed_dropped_packets_total", (("feed", name),))] == sent, name
        before = now

    check()
    one.cli("feed", "update")  # another generation
    check()
    time.sleep(11)  # so that totals were stored once
    check()
    os.kill(next(int(c[0]) for c in one.children() if "engine" in c[2]), signal.SIGKILL)
    wait_for(lambda: one.cli("status", check=False).returncode == 0, what="an answering engine")
    wait_for(lambda: one.get("/readyz") == "ready\n", what="ready")
    check()
    one.stop()
    one.start()
    check()
    one.stop(signal.SIGKILL)
    one.start()
    check()
    lists(one, a=("block", [BAD]), b=("monitor", [BAD, GOOD]))  # what b has dropped it has
    one.cli("reload")
    wait_for(lambda: one.ask("explain", GOOD)["verdict"] == "monitor", what="the new action")
    lab.probe(BAD)
    now, _ = scrape(one)
    assert now[("sekisho_feed_dropped_packets_total", (("feed", "b"),))] == sent
    assert now[("sekisho_feed_would_drop_packets_total", (("feed", "b"),))] == 20
    assert now[("sekisho_feed_dropped_packets_total", (("feed", "a"),))] == sent + 20


def test_credit_after_more_sets_of_lists_than_counters(lab, agent):
    """Each generation has over 3000 sets of lists of its own; three of them use up 4095 counters twice over."""
    one = agent()
    rng = random.Random(5)
    holders = {}
    sent = dict.fromkeys([f"l{i}" for i in range(14)], 0)
    for generation in range(3):
        held = {name: [] for name in sent}
        for i in range(3300):
            for name in sent:
                if rng.random() < 0.5:
                    held[name].append(f"198.60.{i >> 8}.{i & 255}")
        holders = {name for name in sent if rng.random() < 0.5} | {"l3"}
        for name in holders:
            held[name].append(BAD)
        lists(one, **{name: ("block", lines) for name, lines in held.items()})
        if generation:
            one.cli("reload")
            one.cli("feed", "update")
        else:
            one.start()
        wait_for(lambda: {m["source"] for m in one.ask("explain", BAD)["matches"]} == holders, 20, "the lists")
        one.cli("feed", "update")
        assert lab.probe(BAD) == 0
        for name in holders:
            sent[name] += 20
        now, _ = scrape(one)
        assert {name: now[("sekisho_feed_dropped_packets_total", (("feed", name),))] for name in sent} == sent, generation
    assert lab.probe(GOOD) == 20


def test_slow_and_many_scrapers(lab, agent):
    one = agent().start()
    socks = []
    for i in range(60):  # half requests, and requests whose answer nobody reads
        sock = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", 9477))
        sock.sendall(b"GET /metr" if i % 2 else b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        socks.append(sock)
    begin = time.monotonic()
    assert one.ask("status")["mode"] == "enforce" and time.monotonic() - begin < 8  # idle ones are closed after 10
    wait_for(lambda: "sekisho_build_info" in http_or_nothing(lab), 20, "an answer once the idle ones are closed")
    for sock in socks:
        sock.close()


def http_or_nothing(lab):
    return run("nsenter", f"--net=/run/netns/{lab.edge}", "curl", "-sS", "-m", "3", "http://127.0.0.1:9477/metrics", check=False).stdout


def test_reload_moves_the_port(lab, agent):
    """The new port answers before the old one closes; one that cannot be had refuses the reload and changes nothing."""
    one = agent(own_metrics=True)
    listen = lambda where, more="": one.write(f'metrics: {{listen: "{where}"}}\n{more}')

    def answers(port, host="127.0.0.1"):
        out = run("nsenter", f"--net=/run/netns/{lab.edge}", "curl", "-sS", "-m", "3", f"http://{host}:{port}/healthz", check=False)
        return out.returncode == 0

    def refused_to(where, *words):
        listen(where, "mode: monitor\n")
        out = one.cli("reload", check=False)
        assert out.returncode == 1 and all(word in out.stderr for word in words), out.stderr
        assert answers(9478) and one.ask("status")["mode"] == "enforce"  # the whole old config

    listen("127.0.0.1:9477")
    one.start()
    assert answers(9477)
    listen("127.0.0.1:9478")
    one.cli("reload")
    wait_for(lambda: answers(9478) and not answers(9477), 5, "the move")
    assert "sekisho_build_info" in one.get("/metrics", port=9478)
    with lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 9479))
        holder.listen()
        refused_to("127.0.0.1:9479", "cannot listen on 127.0.0.1 port 9479", "Address already in use", "change metrics: listen")
    refused_to("127.0.0.1:81", "port 81: Permission denied", "below 1024 takes a restart")
    refused_to("192.0.2.9:9480", "192.0.2.9 port 9480: Cannot assign requested address")
    with lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("10.99.0.1", 9478))
        holder.listen()
        refused_to("0.0.0.0:9478", "cannot listen on 0.0.0.0 port 9478", "Address already in use")
        for _ in range(3):
            assert answers(9478)
    listen("0.0.0.0:9478")  # the old one is in its way
    one.cli("reload")
    wait_for(lambda: answers(9478, "10.99.0.1"), 5, "the port on every address")
    with lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_STREAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError):
            thief.bind(("0.0.0.0", 9478))
    engine = next(int(pid) for pid, comm, *_ in one.children() if comm == "sekisho-engine")
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: answers(9478, "10.99.0.1"), 10, "the next engine's answer")
    one.write("metrics: {listen: off}\n")
    one.cli("reload")
    wait_for(lambda: not answers(9478), 5, "the end of the port")
    listen("127.0.0.1:9477")
    one.cli("reload")
    wait_for(lambda: answers(9477), 5, "the port's return")
    one.stop()
    listen("127.0.0.1:81")
    one.start()
    assert answers(81)
