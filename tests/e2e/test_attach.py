# SPDX-License-Identifier: GPL-2.0
"""Attaching where the kernel has no dispatcher: alone, and never over somebody else's program."""
import os, signal
import pytest
from lab import EDGE, run, wait_for

BAD, GOOD = "198.51.100.7", "203.0.113.9"


def in_edge(lab, *words, **kw):
    return run("nsenter", f"--net=/run/netns/{lab.edge}", *words, **kw)


def program_on(lab):
    """The id of the XDP program on the edge's interface, 0 where there is none."""
    words = lab.ip(lab.edge, "link", "show", lab.iface).stdout.split()
    return int(words[words.index("prog/xdp") + 2]) if "prog/xdp" in words else 0


@pytest.fixture
def alone(monkeypatch):
    """Everybody attaches alone, as on a kernel without freplace."""
    monkeypatch.setenv("LIBXDP_SKIP_DISPATCHER", "1")


def test_alone_says_so(lab, agent, alone):
    one = agent().start()
    assert "no XDP dispatcher (LIBXDP_SKIP_DISPATCHER is set)" in one.said()
    one.cli("block", "add", BAD)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    row = one.ask("status")["interfaces"][0]
    assert (row["attach"], row["dispatcher"], row["program_id"]) == ("native", False, program_on(lab))


@pytest.mark.parametrize("attach", ["native", "generic"])
def test_attach_mode_is_honoured(lab, agent, alone, attach):
    one = agent(f"attach: {attach}\n").start()
    one.cli("block", "add", BAD)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    assert one.ask("status")["interfaces"][0]["attach"] == attach
    shown = lab.ip(lab.edge, "link", "show", lab.iface).stdout
    assert ("xdpgeneric" in shown) == (attach == "generic")


def test_foreign_program_alone_is_named_and_left(lab, agent, alone):
    in_edge(lab, "xdp-filter", "load", "-m", "skb", lab.iface)
    before = program_on(lab)
    assert before
    one = agent().start(wait=False)
    assert one.process.wait(80) == 1
    assert f'another XDP program is attached ("xdpfilt_alw_all", id {before}, generic); it is left alone' in one.said()
    assert len(one.said().strip().splitlines()) == 1  # what a start says on its way is no news where it failed
    assert program_on(lab) == before
    in_edge(lab, "xdp-filter", "unload", lab.iface)
    one.mark = len(one.said())
    one.start()
    assert program_on(lab) == one.ask("status")["interfaces"][0]["program_id"]


def test_foreign_program_cannot_replace_ours(lab, agent, alone):
    one = agent().start()
    before = program_on(lab)
    assert in_edge(lab, "xdp-filter", "load", lab.iface, check=False).returncode != 0
    assert in_edge(lab, "xdp-loader", "unload", lab.iface, "--all", check=False).returncode != 0
    assert program_on(lab) == before
    one.cli("block", "add", BAD)
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)


def test_detach_removes_ours(lab, agent, alone):
    one = agent("on-exit: detach\n").start()
    assert program_on(lab)
    one.stop(signal.SIGTERM)
    assert program_on(lab) == 0
    assert not os.path.exists(one.layout())


def test_detach_lasts_until_a_reload_which_takes_up_the_watch_again(lab, agent, alone):
    one = agent().start()
    one.cli("block", "add", BAD)
    one.cli("detach")
    assert program_on(lab) == 0 and (lab.probe(BAD), lab.probe(GOOD)) == (20, 20)
    is_own = lambda: EDGE in one.cli("status").stdout  # it looks at interfaces before it looks at addresses
    lab.ip(lab.edge, "link", "del", lab.iface)
    wait_for(lambda: not is_own(), 5, "word of the interface's end")
    lab.make_link()
    wait_for(is_own, 5, "word of its return")
    assert program_on(lab) == 0
    one.cli("reload")
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
    lab.ip(lab.edge, "link", "del", lab.iface)
    lab.make_link()
    wait_for(lambda: program_on(lab), 4, "the program on the interface that came back")
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)


def test_a_start_that_cannot_attach_leaves_mode_and_programs_of_before(lab, agent, alone):
    one = agent("on-exit: keep\n").start()
    one.cli("block", "add", BAD)
    one.stop()
    lab.ip(lab.edge, "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    in_edge(lab, "xdp-filter", "load", "-m", "skb", "other0")
    one.config.write_text(f"interfaces: [{lab.iface}, other0]\nmode: monitor\nmalformed: drop\n")
    one.start(wait=False)
    assert one.process.wait(80) == 1 and "interface other0: another XDP program" in one.said()
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20) and program_on(lab)
    in_edge(lab, "xdp-filter", "unload", "other0")
    one.mark = len(one.said())
    one.start()  # the control: the same config, with nothing in the way, monitors
    assert (lab.probe(BAD), lab.probe(GOOD)) == (20, 20)


def test_interface_that_came_back_is_attached_again(lab, agent, alone):
    one = agent().start()
    one.cli("block", "add", BAD)
    lab.ip(lab.edge, "link", "del", lab.iface)
    wait_for(lambda: "it is gone" in one.said(), 5, "word of the lost interface")
    lab.make_link()
    wait_for(lambda: program_on(lab), 5, "the program on the interface that came back")
    assert (lab.probe(BAD), lab.probe(GOOD)) == (0, 20)
