# SPDX-License-Identifier: GPL-2.0
"""The whole path with real packets: lists and commands in, drops out, and everyone tells the same story.
Every drop has a control source that passes."""
import os, signal, socket, subprocess
import pytest
from lab import BUILD, GATEWAY, run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"
BAD6, GOOD6 = "2001:db8:bad::7", "2001:db8:900d::9"


def feed(agent, text, name="test-list", action="block"):
    path = agent.dir / f"{name}.txt"
    path.write_text(text)
    return f"feeds:\n  - {{name: {name}, path: \"{path}\", format: plain, action: {action}, interval: 12h}}\n"


@pytest.mark.parametrize("bad, good", [(BAD, GOOD), (BAD6, GOOD6)])
def test_block_add_is_in_force_when_it_returns(lab, agent, bad, good):
    one = agent().start()
    assert lab.probe(bad) == 20
    one.cli("block", "add", bad, "--reason", "test")
    assert lab.probe(bad) == 0
    assert lab.probe(good) == 20
    assert one.ask("status")["entries"]["used"] == 1
    answer = one.ask("explain", bad)
    assert (answer["verdict"], answer["reason"]) == ("drop", "block")
    one.cli("block", "del", bad)
    assert lab.probe(bad) == 20
    assert one.cli("block", "del", bad).returncode == 0  # of what is not there


def test_feed_drops_and_all_tell_the_same(lab, agent):
    one = agent()
    one.write(feed(one, f"# list\n{BAD}\n2001:db8:bad::/48\nnonsense\n"))
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="the list in force")
    assert [lab.probe(s) for s in (BAD, BAD6, GOOD, GOOD6)] == [0, 0, 20, 20]
    answer = one.ask("explain", BAD)
    assert (answer["verdict"], answer["reason"], answer["matches"][0]["source"]) == ("drop", "feed", "test-list")
    assert one.ask("explain", GOOD)["verdict"] == "pass"
    dropped = one.ask("status")["packets"]["dropped"]
    assert dropped == 40
    text = one.get("/metrics")
    assert 'sekisho_feed_dropped_packets_total{feed="test-list"} 40' in text
    assert f'sekisho_packets_total{{interface="{lab.iface}",verdict="drop",reason="feed"}} 40' in text
    assert "nonsense" in one.cli("feed", "show", "test-list").stdout


def test_allow_wins_over_feed_and_block(lab, agent):
    one = agent()
    one.write(f"allow: [{BAD}/32]\n" + feed(one, f"198.51.100.0/24\n"))
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 2, what="the allow entry and the list in force")
    one.cli("block", "add", BAD)
    assert lab.probe(BAD) == 20
    assert lab.probe("198.51.100.8") == 0


def test_monitor_list_drops_nothing_and_counts(lab, agent):
    one = agent()
    one.write(feed(one, f"{BAD}\n", action="monitor"))
    one.start()
    wait_for(lambda: one.ask("status")["table"]["prefixes_v4"] == 1, what="the list in force")
    assert lab.probe(BAD) == 20
    assert one.ask("explain", BAD)["verdict"] == "monitor"
    assert 'sekisho_feed_would_drop_packets_total{feed="test-list"} 20' in one.get("/metrics")


def test_protection_outlives_kill_and_restart(lab, agent):
    one = agent("on-exit: keep\n").start()
    one.cli("block", "add", BAD)
    for sig in (signal.SIGKILL, signal.SIGTERM):
        one.stop(sig)
        assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
        one.start()
        assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
        assert "adopted" in one.said()
    assert one.ask("block", "list")["entries"][0]["prefix"] == BAD


def test_engine_killed_is_started_again(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    before = [child for child in one.children()][0][0]
    os.kill(int(before), signal.SIGKILL)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    wait_for(lambda: one.cli("status", check=False).returncode == 0, what="an answering engine")
    assert one.children()[0][0] != before
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)


def test_gateway_is_never_blocked(lab, agent):
    one = agent().start()
    out = one.cli("block", "add", GATEWAY, check=False)
    assert out.returncode == 1 and "gateway" in out.stderr
    out = one.cli("block", "add", "0.0.0.0/0", check=False)
    assert out.returncode != 0


def test_interface_goes_and_comes_back(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    lab.ip(lab.edge, "link", "del", lab.iface)
    wait_for(lambda: "it is gone" in one.said(), 5, "word of the lost interface")
    lab.make_link()
    wait_for(lambda: one.said().count("attached,") >= 1, 5, "the new attachment")
    wait_for(lambda: lab.probe(BAD) == 0, 5, "drops on the new interface")
    assert lab.probe(GOOD) == 20


def test_interface_name_with_a_dot(lab, agent):
    lab.ip(lab.edge, "link", "set", lab.iface, "down")
    lab.ip(lab.edge, "link", "set", lab.iface, "name", "edge.100")
    lab.ip(lab.edge, "link", "set", "edge.100", "up")
    one = agent(iface="edge.100").start()
    one.cli("block", "add", BAD)
    assert lab.probe(BAD) == 0


def test_mode_monitor_goes_back_unless_confirmed(lab, agent):
    one = agent().start()
    one.cli("block", "add", BAD)
    one.cli("mode", "monitor", "--confirm", "3s")
    assert lab.probe(BAD) == 20
    wait_for(lambda: lab.probe(BAD) == 0, 5, "enforce again")
    refused = one.cli("mode", "monitor", "--confirm", "86401s", check=False)
    assert (refused.returncode, refused.stderr) == (1, "sekisho: --confirm takes at most 24h\n")
    with socket.socket(socket.AF_UNIX) as control:  # the number is 1 in 32 bits
        control.connect(str(one.dir / "run/sekisho.sock"))
        control.sendall(b'{"verb":"mode","mode":"monitor","confirm_s":4294967297}\n')
        assert "at most 24h" in control.recv(4096).decode()
    assert lab.probe(BAD) == 0
    one.cli("mode", "monitor")
    assert lab.probe(BAD) == 20


def test_detach_on_exit_leaves_nothing(lab, agent):
    one = agent("on-exit: detach\n").start()
    one.cli("block", "add", BAD)
    one.stop()
    assert lab.probe(BAD) == 20
    assert not list(one.pins.rglob("*"))


@pytest.mark.parametrize("case, said", [("twice", "in use by another sekishod"), ("iface", "no such interface"),
                                         ("port", "cannot listen"), ("config", "sekisho.yaml:3:")])
def test_refusals_are_one_line_and_change_nothing(lab, agent, case, said):
    one = agent()
    if case == "iface":
        one.iface = "nowhere0"
    one.write("nonsense: 1\n" if case == "config" else "")
    holder = None
    if case == "twice":
        one.start()
        words = one.words()
    elif case == "port":
        holder = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.edge}", "/usr/bin/python3", "-c",
                                   "import socket,time;s=socket.create_server(('127.0.0.1',9477));print(1,flush=True);time.sleep(60)"],
                                  stdout=subprocess.PIPE)
        holder.stdout.readline()
    out = run("nsenter", f"--net=/run/netns/{lab.edge}", *one.words(), check=False, timeout=80)
    if holder:
        holder.kill()
        holder.wait()
    assert out.returncode == 1 and said in out.stderr and len(out.stderr.strip().splitlines()) == 1, out.stderr
    if case != "twice":
        assert not list(one.pins.rglob("*"))


def test_engine_is_caged(lab, agent):
    """Its own user, no capability, seccomp and no_new_privs in force, and all it does still works."""
    one = agent().start()
    pid = next(child[0] for child in one.children() if "engine" in child[2])
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[caps], 16) == 0
    assert "0" not in status["Uid"].split()
    assert {line.split()[4] for line in run("cat", f"/proc/{pid}/limits").stdout.splitlines() if "core file" in line} == {"0"}
    one.cli("block", "add", BAD)
    assert one.ask("block", "list")["entries"][0]["by"] == "root"
    assert "# EOF" in one.get("/metrics", "application/openmetrics-text")
    assert not [line for line in one.said().splitlines() if "sandbox" in line]
