# SPDX-License-Identifier: GPL-2.0
"""The unit under a systemd that booted the machine: `make vmtest` has it as pid 1 of a virtual machine (SEKISHO_SYSTEMD=1)."""
import json, re, subprocess
import pytest
from lab import BUILD, PATIENCE, run, wait_for

PEER, EDGE = "10.99.0.2", "10.99.0.1"
UNIT = "/usr/lib/systemd/system/sekishod.service"


@pytest.fixture(scope="module")
def installed():
    """What `make install` installs, a config, and a neighbour in a namespace of its own on a veth pair."""
    run("make", "-o", "all", "install", f"BUILD={BUILD}")  # built long ago: the guest is too slow to look
    with open("/etc/sekisho/sekisho.yaml", "w") as config:
        config.write("interfaces: [rl0]\nmetrics: {listen: \"127.0.0.1:9477\"}\n")
    for words in ("netns add peer", "link add rl0 type veth peer name rl1 netns peer", f"addr add {EDGE}/24 dev rl0", "link set rl0 up",
                  f"-n peer addr add {PEER}/24 dev rl1", "-n peer link set rl1 up"):
        run("ip", *words.split())
    run("systemctl", "daemon-reload")


def show(what):
    return run("systemctl", "show", "sekishod", "-p", what, "--value").stdout.strip()


def systemctl(verb, deadline_s=30):
    """Returns when systemd says that it is done, which for a start is when the agent says READY=1."""
    try:
        run("systemctl", verb, "sekishod", timeout=deadline_s * PATIENCE)
    except subprocess.SubprocessError as error:
        raise AssertionError(run("systemctl", "status", "-l", "--no-pager", "sekishod", check=False).stdout) from error


def answered():
    """How many of three pings from the neighbour came back?"""
    out = run("ip", "netns", "exec", "peer", "ping", "-q", "-c", "3", "-i", "0.3", "-W", "1", EDGE, check=False).stdout
    return int(re.search(r"(\d+) received", out).group(1))


def status():
    return json.loads(run("sekisho", "--json", "status").stdout)


def test_start_is_over_when_the_agent_is_ready(installed):
    assert answered() == 3
    systemctl("start")
    assert [show(what) for what in ("ActiveState", "SubState", "Type", "NRestarts")] == ["active", "running", "notify", "0"]
    assert [one["name"] for one in status()["interfaces"]] == ["rl0"]
    assert answered() == 3
    run("sekisho", "block", "add", PEER)
    assert answered() == 0


def test_the_units_hardening_is_in_force(installed):
    said = dict(line.split(":\t", 1) for line in open(f"/proc/{show('MainPID')}/status").read().splitlines() if ":\t" in line)
    wanted = set(re.search(r"^CapabilityBoundingSet=(.*)$", open(UNIT).read(), re.M).group(1).lower().split())
    has = set(run("capsh", f"--decode={said['CapPrm']}").stdout.strip().split("=")[1].split(","))
    assert has == wanted - {"cap_chown", "cap_dac_read_search", "cap_setpcap"}  # these go when it has started
    assert int(said["CapBnd"], 16) == 0
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    mounts = [line.split() for line in open(f"/proc/{show('MainPID')}/mountinfo")]
    options = {words[4]: words[5].split(",") for words in mounts}
    assert "ro" in options["/"] and "rw" in options["/var/lib/sekisho"] and "rw" in options["/sys/fs/bpf/sekisho"]


def test_reload_takes_the_new_config_and_keeps_the_process(installed):
    before = show("MainPID")
    with open("/etc/sekisho/sekisho.yaml", "a") as config:
        config.write("mode: monitor\n")
    systemctl("reload")
    wait_for(lambda: status()["mode"] == "monitor", 10, "the new mode")
    assert (show("MainPID"), answered()) == (before, 3)
    run("sekisho", "mode", "enforce")
    assert answered() == 0


def test_restart_and_a_death_are_another_process_with_the_same_blocks(installed):
    run("sed", "-i", "/^mode:/d", "/etc/sekisho/sekisho.yaml")
    before = show("MainPID")
    systemctl("restart")
    restarted = show("MainPID")
    assert restarted != before and answered() == 0
    run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "sekishod")
    wait_for(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", 30, "the restart after a death")
    assert show("MainPID") != restarted and answered() == 0


def test_stop_is_a_success_and_protection_goes_on(installed):
    systemctl("stop")
    assert [show(what) for what in ("ActiveState", "SubState", "Result", "MainPID")] == ["inactive", "dead", "success", "0"]
    assert answered() == 0  # on-exit: keep
