# SPDX-License-Identifier: GPL-2.0
"""Beside other XDP programs in libxdp's dispatcher: both filter, nobody loses theirs, and a restart leaves no gap.
Runs in the virtual machines of `make vmtest`, whose kernels have freplace; no row measures time there. The other program is Debian's xdp-filter."""
import os, pathlib, signal, socket, threading, time
import pytest
from lab import EDGE, PORT, run, wait_for
from test_hosts import second_link

OURS, THEIRS, GOOD = "198.51.100.7", "203.0.113.7", "203.0.113.9"
XDP_PINS = pathlib.Path("/sys/fs/bpf/xdp")
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python 3.11 has no name for it


def in_edge(lab, *words, **kw):
    return run("nsenter", f"--net=/run/netns/{lab.edge}", *words, **kw)


def load_filter(lab, *words):
    in_edge(lab, "xdp-filter", "load", *words, lab.iface)
    in_edge(lab, "xdp-filter", "ip", "-m", "src", THEIRS)


def unload_filter(lab):
    in_edge(lab, "xdp-filter", "unload", lab.iface)


def components(lab, iface=None):
    """(priority, name) of each program in the dispatcher on the edge's interface, or @iface, in their order."""
    rows = [line.split() for line in in_edge(lab, "xdp-loader", "status", iface or lab.iface).stdout.splitlines()]
    return [(int(row[1]), row[2]) for row in rows if row and row[0] == "=>"]


def verdicts(lab):
    return [lab.probe(source) for source in (OURS, THEIRS, GOOD)]


def start(agent, config="", **kw):
    one = agent(config, **kw).start()
    one.cli("block", "add", OURS)
    return one


BOTH = [(5, "sek_xdp"), (10, "xdpfilt_alw_all")]


@pytest.fixture(autouse=True)
def no_pins_of_others():
    """What a test before left in libxdp's folder: its namespaces are gone, and this bpffs is the run's own."""
    for path in sorted(XDP_PINS.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("first", ["filter", "sekisho"])
def test_both_filter_whoever_comes_and_goes_first(lab, agent, first):
    assert verdicts(lab) == [20, 20, 20]
    if first == "filter":
        load_filter(lab)
        assert verdicts(lab) == [20, 0, 20]
        one = start(agent)
    else:
        one = start(agent)
        assert components(lab) == BOTH[:1]
        assert verdicts(lab) == [0, 20, 20]
        load_filter(lab)
    assert (components(lab), verdicts(lab)) == (BOTH, [0, 0, 20])
    one.cli("detach")
    assert (components(lab), verdicts(lab)) == (BOTH[1:], [20, 0, 20])
    one.cli("reload")
    wait_for(lambda: components(lab) == BOTH, 10, "both programs after the reload")
    assert verdicts(lab) == [0, 0, 20]
    if first == "filter":
        unload_filter(lab)
        assert (components(lab), verdicts(lab)) == (BOTH[:1], [0, 20, 20])
        assert one.ask("status")["interfaces"][0]["attached"]
        one.cli("detach")
    else:
        one.cli("detach")
        unload_filter(lab)
    assert verdicts(lab) == [20, 20, 20]
    assert list(XDP_PINS.glob("dispatch-*")) == []


class Steady:
    """Packets from one source without a pause, counted where they arrive."""

    def __init__(self, lab, source):
        assert lab.probe(source) in (0, 20)  # gives the attacker the address
        self.source, self.sent, self.arrived, self.done = source, 0, 0, False
        self.sink = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("0.0.0.0", 0))
        self.sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)  # a slow reader is not a lost packet
        self.sink.settimeout(2)
        self.gun = lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_DGRAM)
        self.gun.bind((source, 0))
        self.threads = [threading.Thread(target=self.shoot), threading.Thread(target=self.count)]

    def shoot(self):
        while not self.done:
            self.gun.sendto(b"steady", (EDGE, self.sink.getsockname()[1]))
            self.sent += 1
            time.sleep(0.001)

    def count(self):
        while True:
            try:
                self.sink.recvfrom(100)
                self.arrived += 1
            except socket.timeout:
                if self.done:
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *what):
        self.done = True
        for thread in self.threads:
            thread.join()
        self.sink.close()
        self.gun.close()


def test_restart_in_the_dispatcher_leaves_no_gap(lab, agent):
    one = start(agent)
    load_filter(lab)
    with Steady(lab, OURS) as ours, Steady(lab, THEIRS) as theirs, Steady(lab, GOOD) as good:
        for sig in (signal.SIGKILL, signal.SIGTERM):
            one.stop(sig)
            assert components(lab) == BOTH
            one.start()
            assert components(lab) == BOTH
    assert "adopted, native, in a dispatcher" in one.said()
    assert min(ours.sent, theirs.sent, good.sent) > 500
    assert (ours.arrived, theirs.arrived, good.sent - good.arrived) == (0, 0, 0)


def test_an_interface_that_leaves_the_config_keeps_the_others_program(lab, agent):
    second_link(lab)
    one = agent("on-exit: keep\n")
    one.config.write_text(f"interfaces: [{lab.iface}, edge1]\nmetrics: off\non-exit: keep\n")
    one.start()
    in_edge(lab, "xdp-filter", "load", "edge1")
    assert (components(lab), components(lab, "edge1")) == (BOTH[:1], BOTH)
    one.stop()
    one.config.write_text(f"interfaces: [{lab.iface}]\nmetrics: off\non-exit: keep\n")
    one.start()
    wait_for(lambda: components(lab, "edge1") == BOTH[1:], 30, "ours off the interface that left the config")
    assert components(lab) == BOTH[:1]


def test_two_agents_share_one_interface_and_detach_their_own(lab, agent):
    one = start(agent, "on-exit: detach\n")
    two = agent("on-exit: detach\nmetrics: {listen: \"127.0.0.1:9478\"}\n", own_metrics=True).start()
    two.cli("block", "add", THEIRS)
    assert (components(lab), verdicts(lab)) == (BOTH[:1] * 2, [0, 0, 20])
    one.stop(signal.SIGTERM)
    assert (components(lab), verdicts(lab)) == (BOTH[:1], [20, 0, 20])
    assert not os.path.exists(one.layout())
    two.stop(signal.SIGTERM)
    assert verdicts(lab) == [20, 20, 20]


def test_interface_goes_and_comes_back(lab, agent):
    one = start(agent)
    lab.ip(lab.edge, "link", "del", lab.iface)
    wait_for(lambda: "it is gone" in one.said(), 10, "word of the lost interface")
    wait_for(lambda: not list(XDP_PINS.glob("dispatch-*")), 10, "the end of its pins")  # the word comes first
    lab.make_link()
    wait_for(lambda: components(lab) == BOTH[:1], 10, "the program on the interface that came back")
    assert verdicts(lab) == [0, 20, 20]


def test_taken_out_by_somebody_is_put_back(lab, agent):
    one = start(agent)
    for pin in XDP_PINS.glob("dispatch-*/*"):
        pin.unlink()
    assert verdicts(lab) == [0, 20, 20]  # the agent holds its place as well
    in_edge(lab, "xdp-loader", "unload", lab.iface, "--all")
    wait_for(lambda: components(lab) == BOTH[:1], 10, "the program back in the dispatcher")
    assert "somebody has taken our program off" in one.said()
    assert verdicts(lab) == [0, 20, 20]


def test_generic_dispatcher_is_joined(lab, agent):
    load_filter(lab, "-m", "skb")
    one = start(agent)
    row = one.ask("status")["interfaces"][0]
    assert (row["attach"], row["dispatcher"]) == ("generic", True)
    assert "generic mode" in one.said()
    assert (components(lab), verdicts(lab)) == (BOTH, [0, 0, 20])
    one.cli("detach")
    assert (components(lab), verdicts(lab)) == (BOTH[1:], [20, 0, 20])


def test_dispatcher_in_the_other_mode_is_refused(lab, agent):
    load_filter(lab, "-m", "skb")
    one = agent("attach: native\n").start(wait=False)
    assert one.process.wait(200) == 1
    assert '("xdp_dispatcher", id ' in one.said() and "use attach: auto" in one.said()
    assert components(lab) == BOTH[1:]
    assert verdicts(lab) == [20, 0, 20]


def test_generic_of_our_own(lab, agent):
    one = start(agent, "attach: generic\n")
    assert one.ask("status")["interfaces"][0]["attach"] == "generic"
    one.stop(signal.SIGKILL)
    one.start()
    assert "adopted, generic, in a dispatcher" in one.said()
    assert verdicts(lab) == [0, 20, 20]
    one.cli("detach")
    assert verdicts(lab) == [20, 20, 20]


def test_foreign_program_alone_is_named_and_left(lab, agent, monkeypatch):
    monkeypatch.setenv("LIBXDP_SKIP_DISPATCHER", "1")
    load_filter(lab)
    monkeypatch.delenv("LIBXDP_SKIP_DISPATCHER")
    one = agent().start(wait=False)
    assert one.process.wait(200) == 1
    assert 'another XDP program is attached ("xdpfilt_alw_all", id ' in one.said()
    assert verdicts(lab) == [20, 0, 20]


def test_attached_alone_stays_alone_without_a_gap(lab, agent, monkeypatch):
    monkeypatch.setenv("LIBXDP_SKIP_DISPATCHER", "1")
    one = start(agent)
    assert not one.ask("status")["interfaces"][0]["dispatcher"]
    one.stop(signal.SIGKILL)
    monkeypatch.delenv("LIBXDP_SKIP_DISPATCHER")
    with Steady(lab, OURS) as ours, Steady(lab, GOOD) as good:
        one.start()
    assert "adopted, native, alone" in one.said()
    assert (ours.arrived, good.sent - good.arrived) == (0, 0)
    assert not one.ask("status")["interfaces"][0]["dispatcher"]
    one.cli("detach")
    one.cli("reload")
    wait_for(lambda: components(lab) == BOTH[:1], 10, "the dispatcher after detach and reload")
    assert verdicts(lab) == [0, 20, 20]


def test_jumbo_frames_in_a_native_dispatcher(lab, agent):
    for ns, name in ((lab.edge, lab.iface), (lab.attacker, "atk0")):
        lab.ip(ns, "link", "set", name, "mtu", "9000")
    one = start(agent, "attach: native\n")
    assert "attached, native, in a dispatcher" in one.said() and "no XDP dispatcher" not in one.said()
    row = one.ask("status")["interfaces"][0]
    assert (row["attach"], row["dispatcher"], row["attached"]) == ("native", True, True)
    assert str(row["program_id"]) in in_edge(lab, "xdp-loader", "status", lab.iface).stdout.split()
    sink = lab.socket_in(lab.edge, socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("0.0.0.0", PORT))
    sink.settimeout(5)
    for source in (OURS, GOOD):
        lab.ip(lab.attacker, "addr", "add", source + "/32", "dev", "atk0")
        with lab.socket_in(lab.attacker, socket.AF_INET, socket.SOCK_DGRAM) as gun:
            gun.bind((source, 0))
            gun.sendto(b"x" * 8000, (EDGE, PORT))
    with sink:
        assert sink.recvfrom(9000)[1][0] == GOOD
    assert one.ask("status")["packets"]["dropped"] == 1
