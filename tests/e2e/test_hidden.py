# SPDX-License-Identifier: GPL-2.0
"""A ban counts what it drops and no more. Where something stood over it for a time, silence is no sign that its source stopped."""
import time
from ban_map import boot_ns, put
from lab import wait_for

LIMITS = """on-exit: keep
limits:
  - {name: ssh, protocol: tcp-syn, ports: [22], packets: 10/s, ban: {after: 1s, for: 10m}}
  - {name: wide, packets: 1000/s, per: /24, ban: {after: 1s, for: 10m}}
"""
CONTROL = "192.0.2.200"


def rows(agent):
    return {row["source"]: row for row in agent.ask("review", "list")["bans"]}


def judged(agent):
    """The bans once the control's silence counts, six seconds after its beginning."""
    wait_for(lambda: rows(agent)[CONTROL]["brief"] == "?stopped", 15, "the sign of the one that was never hidden")
    return rows(agent)


def test_what_an_entry_or_an_allow_list_held_is_not_said_to_have_stopped(lab, agent):
    one = agent()
    (one.dir / "good").write_text("198.51.100.4\n")
    one.write(LIMITS)
    one.start()
    bans = {"198.51.100.1": "an entry", "198.51.100.2": "an entry", "198.51.100.3": "an entry", "198.51.100.4": "an allow list", "203.0.113.0/24": "an entry",
            "198.51.100.5": "an allow list", "2001:db8:7::/64": "an entry"}
    put(one, [source if "/" in source else source + "/32" for source in [*bans, CONTROL]])
    wait_for(lambda: len(rows(one)) == len(bans) + 1, 10, "the bans")
    (one.dir / "import").write_text("203.0.113.77\n2001:db8:7::9\n")
    for words in (["block", "add", "198.51.100.1"], ["block", "del", "198.51.100.1"], ["allow", "add", "198.51.100.2"], ["allow", "del", "198.51.100.2"],
                  ["block", "add", "198.51.100.2/31"], ["block", "del", "198.51.100.2/31"], ["block", "import", one.dir / "import"], ["block", "flush", "--origin", "manual"]):
        one.cli(*words)
    one.write(LIMITS + f"allow: [198.51.100.5]\nfeeds:\n  - {{name: good, path: \"{one.dir}/good\", format: plain, action: allow}}\n")
    one.cli("reload")
    found = judged(one)
    for source, why in bans.items():
        assert found[source]["brief"] == "" and found[source]["signals"] == [], (source, found[source])
        assert why in found[source]["dropped"]["not_known"], (source, found[source])
    assert found[CONTROL]["dropped"]["not_known"] is None
    number = found["198.51.100.1"]["id"]
    shown = one.cli("review", "show", number).stdout
    assert "not known       what it sent besides, and whether it went on: an entry held it for a time\n" in shown and "stopped" not in shown
    assert "not known  " not in one.cli("review", "show", found[CONTROL]["id"]).stdout
    one.stop()
    one.start()  # it is in the state
    assert one.ask("review", "show", number)["signals"] == [] and rows(one)[CONTROL]["brief"] == "?stopped"


def test_what_mode_monitor_or_a_detach_let_pass_is_not_said_to_have_stopped(lab, agent):
    one = agent(LIMITS).start()
    put(one, ["198.51.100.1/32"])
    wait_for(lambda: len(rows(one)) == 1, 10, "the first ban")
    one.cli("mode", "monitor")
    one.cli("mode", "enforce")
    begin = boot_ns() + 1.1e9  # a ban is put there as one that began a second ago
    wait_for(lambda: boot_ns() > begin, 10)
    put(one, ["198.51.100.2/32"], random=2)
    wait_for(lambda: len(rows(one)) == 2, 10, "the second ban")
    one.cli("detach")
    one.cli("reload")
    begin = boot_ns() + 1.1e9
    wait_for(lambda: boot_ns() > begin, 10)
    put(one, [CONTROL + "/32"], random=3)
    wait_for(lambda: len(rows(one)) == 3, 10, "the control")
    found = judged(one)
    assert [found[f"198.51.100.{i}"]["brief"] for i in (1, 2)] == ["", ""]
    assert found["198.51.100.1"]["dropped"]["not_known"] == "mode monitor was on for a time"
    assert found["198.51.100.2"]["dropped"]["not_known"] == "an interface was detached for a time"
    assert found[CONTROL]["dropped"]["not_known"] is None
    one.stop()
    for path in one.pins.rglob("*"):  # as a reboot does
        if path.is_file():
            path.unlink()
    one.start()
    wait_for(lambda: "reboot" in (rows(one)[CONTROL]["dropped"]["not_known"] or ""), 10, "the reboot's note")
    assert rows(one)[CONTROL]["brief"] == ""
