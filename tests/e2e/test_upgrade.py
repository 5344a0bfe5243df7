# SPDX-License-Identifier: GPL-2.0
"""An upgrade and a downgrade across a change of the maps' layout: the program that is there goes on until the new maps hold
every list and entry; not one packet of a blocked source comes through and not one of an innocent is lost, killed or not."""
import json, os, random, shutil, signal, time
import pytest
from lab import BUILD, Stream, run, wait_for

RATE_PPS = 1000
BAD = ["198.51.100.7", "2001:db8:bad::7", "198.51.100.66", "192.0.2.66"]  # by a list, by its wider prefix, by entries
GOOD = ["203.0.113.9", "2001:db8:900d::9", "198.51.100.130"]  # the last is allowed inside a listed prefix
LIST = "198.51.100.7\n198.51.100.128/25\n2001:db8:bad::/48\n" + "".join(f"20.{i >> 12 & 255}.{i >> 4 & 255}.{(i & 15) * 9}\n" for i in range(200_000))
OTHER = 99  # the layout of the build in $(BUILD)/layout99
TURNS, KILLS = 3, 16


@pytest.fixture
def upgraded(lab, agent, request):
    """An agent in force with a list and entries, whose binary can be changed: one.use(True) is the other layout's."""
    one = agent(own_metrics=True)
    (one.dir / "list").write_text(LIST)
    one.write(f'on-exit: keep\nallow: ["198.51.100.130"]\nfeeds:\n  - {{name: some, path: "{one.dir}/list", format: plain, interval: 12h, max-coverage: 100%}}\n')
    words = one.words()
    one.use = lambda is_other: setattr(one, "words", lambda: [BUILD / ("layout99/sekishod" if is_other else "sekishod"), *words[1:]])
    one.start()
    for prefix in BAD[2:]:
        one.cli("block", "add", prefix)
    wait_for(lambda: not any(lab.probe(source) for source in BAD), 10, "every blocked source's block")
    return one


def said(one):
    return one.said()[getattr(one, "mark", 0):]


def folders(one):
    return sorted(path.name for path in one.pins.iterdir())


def verdict(stream):
    """What is wrong with a run, [] for nothing."""
    counts, overflow = stream.stop()
    wrong = [f"{s}: {counts[s][1]} of {counts[s][0]} came through" for s in BAD if counts[s][1]]
    wrong += [f"{s}: {counts[s][0] - counts[s][1]} of {counts[s][0]} lost (receiver's own {overflow})" for s in GOOD if counts[s][1] != counts[s][0]]
    return wrong + [f"{s}: nothing was sent" for s in BAD + GOOD if counts[s][0] < RATE_PPS]


@pytest.fixture
def stream(lab):
    streams = []

    def make():
        streams.append(Stream(lab, BAD + GOOD, RATE_PPS))
        return streams[-1]

    yield make
    for one in streams:
        one.close()


@pytest.fixture
def deaf(upgraded):
    """The other layout's agent beside an engine that never says that it is ready."""
    folder = upgraded.dir / "deaf"
    folder.mkdir()
    for source, name in (("layout99/sekishod", "sekishod"), ("sekisho-fetch", "sekisho-fetch"), ("e2e/fake_engine", "sekisho-engine")):
        shutil.copy(BUILD / source, folder / name)
    upgraded.stop()
    (upgraded.dir / "state/attack").write_text("deaf")
    words = upgraded.words()
    upgraded.words = lambda: [folder / "sekishod", *words[1:]]
    upgraded.start(wait=False)
    wait_for(lambda: "goes on until every last good list is in force" in said(upgraded), 10, "the program that goes on")
    return upgraded


def program_on(lab):
    link = json.loads(lab.ip(lab.edge, "-j", "link", "show", lab.iface).stdout)[0]
    return link["xdp"]["prog"]["id"] if "xdp" in link else 0


def taken_off(lab):
    """The last hold on a program of another layout is its pin, and what a pin held the kernel lets go of in its own time."""
    wait_for(lambda: not program_on(lab), what="the end of the program")


def test_up_and_down_without_a_gap(lab, upgraded, stream):
    one = upgraded
    control = stream()
    time.sleep(2)  # a length of traffic, not a wait
    assert not verdict(control)
    own = one.layout().name
    disturbed = stream()
    for turn in range(2 * TURNS):
        one.stop(signal.SIGTERM if turn % 4 < 2 else signal.SIGKILL)
        one.use(turn % 2 == 0)
        one.start()
        assert "goes on until" in said(one) and "adopted: the maps" not in said(one), said(one)
        assert folders(one) == [f"v{OTHER}" if turn % 2 == 0 else own]
        # The maps in force are the new agent's: what it is told holds.
        one.cli("block", "add", "198.51.100.99")
        assert lab.probe("198.51.100.99") == 0
        one.cli("block", "del", "198.51.100.99")
        assert lab.probe("198.51.100.99") == 20
        assert [i["program_id"] for i in one.ask("status")["interfaces"] if i["attached"]] == [program_on(lab)]
    assert not verdict(disturbed)


def test_killed_at_any_moment_of_an_upgrade(lab, upgraded, stream):
    one, chooser = upgraded, random.Random(5)
    disturbed = stream()
    killed_before = 0
    for kill in range(KILLS):
        one.stop(signal.SIGKILL)
        one.use(kill % 4 < 2)
        one.start(wait=False)
        time.sleep(chooser.random() * 0.8)  # somewhere in a start
        killed_before += "ready:" not in said(one)
    one.stop(signal.SIGKILL)
    one.use(True)
    one.start()
    wait_for(lambda: folders(one) == [f"v{OTHER}"], 5, "the end of what the others left")
    assert killed_before >= 3, "no kill met a start"
    assert not verdict(disturbed)


def test_killed_between_the_new_program_and_its_pin(lab, upgraded):
    """The link runs the new program and is pinned in the former folder: either version goes on from there."""
    one = upgraded
    own, other = one.layout(), one.pins / f"v{OTHER}"
    for is_other in (True, False):
        one.stop(signal.SIGKILL)
        one.use(True)
        one.start()
        one.stop(signal.SIGKILL)
        own.mkdir()
        os.rename(other / f"link-{lab.iface}", own / f"link-{lab.iface}")
        one.use(is_other)
        before = program_on(lab)
        one.start()
        assert before and program_on(lab) not in (0, before)
        assert [lab.probe(source) for source in BAD + GOOD] == [0] * len(BAD) + [20] * len(GOOD)


def test_until_the_engine_is_ready_the_former_program_runs(lab, deaf):
    before = program_on(lab)
    assert [lab.probe(source) for source in BAD + GOOD] == [0] * len(BAD) + [20] * len(GOOD)
    time.sleep(2.5)  # two looks around
    assert program_on(lab) == before and said(deaf).count("goes on until") == 1
    deaf.stop()
    assert f"interface {lab.iface} stays protected" in deaf.said()
    assert program_on(lab) == before
    deaf.use(False)  # downgrade before anything was taken over
    deaf.start()
    assert folders(deaf) == [deaf.layout().name]
    assert [lab.probe(source) for source in BAD + GOOD] == [0] * len(BAD) + [20] * len(GOOD)


def test_a_failed_start_leaves_the_former_program(lab, deaf):
    before = program_on(lab)
    deaf.stop(signal.SIGKILL)
    deaf.use(True)
    out = run("nsenter", f"--net=/run/netns/{lab.edge}", *deaf.words(), "-i", lab.iface, "-i", "nowhere0", check=False, timeout=80)
    assert out.returncode == 1 and "there is no such interface" in out.stderr
    assert program_on(lab) == before and lab.probe(BAD[0]) == 0
    deaf.config.write_text(deaf.config.read_text().replace("on-exit: keep", "on-exit: detach"))
    deaf.start()
    deaf.stop()
    taken_off(lab)
    assert folders(deaf) == []
    assert lab.probe(BAD[0]) == 20


def test_detached_while_the_former_program_runs(lab, deaf):
    deaf.config.write_text(deaf.config.read_text().replace("on-exit: keep", "on-exit: detach"))
    deaf.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload: done" in said(deaf), 10, "the reload")
    deaf.stop()
    taken_off(lab)
    assert lab.probe(BAD[0]) == 20 and folders(deaf) == []


def test_a_former_program_on_an_interface_nobody_wants_is_taken_off(lab, upgraded):
    one = upgraded
    lab.ip(lab.edge, "link", "add", "second0", "type", "veth", "peer", "name", "second1")
    lab.ip(lab.edge, "link", "set", "second0", "up")
    text = one.config.read_text()
    one.config.write_text(text.replace(f'"{lab.iface}"', f'"{lab.iface}", second0'))
    one.cli("reload")
    xdp = lambda: "xdp" in json.loads(lab.ip(lab.edge, "-j", "link", "show", "second0").stdout)[0]
    assert xdp()
    one.stop()
    one.config.write_text(text)
    one.use(True)
    one.start()
    assert "with it 1 of its programs, on interfaces that are not in the config" in said(one), said(one)
    wait_for(lambda: not xdp(), what="the end of its program")  # the kernel lets go of it in its own time
    assert folders(one) == [f"v{OTHER}"]
    assert (lab.probe(BAD[0]), lab.probe(GOOD[0])) == (0, 20)


def test_an_interface_gone_from_the_config_stays_off(lab, upgraded):
    one = upgraded
    lab.ip(lab.edge, "link", "add", "second0", "type", "veth", "peer", "name", "second1")
    one.config.write_text(one.config.read_text().replace(f'"{lab.iface}"', "second0"))
    one.cli("reload")
    end = time.monotonic() + 2.5  # two looks around
    while time.monotonic() < end:
        assert program_on(lab) == 0
        time.sleep(0.1)
    assert lab.probe(BAD[0]) == 20
