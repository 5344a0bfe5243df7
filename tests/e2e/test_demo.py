# SPDX-License-Identifier: GPL-2.0
"""`make demo` runs to its end with what it checks itself, and leaves nothing, nor does an interrupted one."""
import os, pathlib, re, signal, subprocess, time
from lab import BUILD, PATIENCE, run, wait_for

TOP = pathlib.Path(__file__).parents[2]
AGENT = "sekishod -c /run/sekisho.yaml --state-dir /run/state"


def names_in(folder, *names):
    return sorted(set(os.listdir(folder)) & set(names)) if os.path.isdir(folder) else []


def traces():
    """What a demo could leave behind; other runs' things on the same host do not count."""
    return [run("pgrep", "-f", AGENT, check=False).stdout, run("pgrep", "-f", "http.server -b 10.98.0.2", check=False).stdout,
            names_in("/run/netns", "attacker", "feedserver"), names_in("/sys/fs/bpf", "sekisho"), names_in("/run", "www", "sekisho.yaml"),
            names_in("/sys/class/net", "to-attacker", "to-feedserver")]


def test_demo_runs_and_cleans_up():
    before, start = traces(), time.monotonic()
    done = subprocess.run(["make", "-s", "demo", f"BUILD={BUILD}"], cwd=TOP, capture_output=True, text=True, timeout=480)
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert time.monotonic() - start < 90 * PATIENCE  # 25 s on an idle machine
    for piece in ("victim$ sekisho explain 198.51.100.7\n", "verdict         drop", "sekisho: feed bad-sources: Failed to connect",
                  "203.0.113.9 manual", "the mode goes back", 'sekisho_feed_would_drop_packets_total{feed="bad-sources"} 3',
                  "adopted, native", "That was Sekisho"):
        assert piece in said, piece
    flood = said[said.index("== A limit: 50 pings"):said.index("== Monitor mode")]
    for piece in ("answer          Stopped by a rate limit: pings banned it ", "evidence        sekisho review show 1\n", "limit:pings block",
                  "may be right    it went on: ", "rate            50 packets/s allowed, ", " icmp, 0 other\n", "packets dropped, ",
                  "review reject 1 --reason \"our own monitoring\" --allow 24h\n", " rejected rejected "):
        assert piece in flood, piece
    assert re.search(r"^203\.0\.113\.66 +review +\d+s +(1d|23h 59m) +root +ban 1 of limit pings rejected: our own monitoring$", flood, re.M), flood
    received = re.findall(r"-I (\S+) \S+\n3 packets transmitted, (\d) received", flood)
    assert received == [("203.0.113.66", "0"), ("203.0.113.9", "3"), ("203.0.113.66", "3")]
    assert re.search(r"^pings +icmp .* drop +\d{2,} +0 +\d+ +1 0 of 1$", flood, re.M), flood
    assert 'sekisho_bans_rejected_total{origin="limit:pings"} 1' in said
    assert max(len(line) for line in flood.splitlines() if "review show" not in line) <= 130
    assert "\x1b" not in said
    assert traces() == before


def test_interrupted_demo_cleans_up(tmp_path):
    before = traces()
    with open(tmp_path / "said", "w") as said:
        demo = subprocess.Popen([TOP / "scripts/demo.sh", BUILD], cwd=TOP, stdout=said, stderr=said, start_new_session=True)
    wait_for(lambda: "sekisho explain" in (tmp_path / "said").read_text(), 60, "the lab at work")
    assert traces() != before
    os.killpg(demo.pid, signal.SIGINT)  # what Ctrl-C does
    assert demo.wait(80) == 130
    assert "interrupted" in (tmp_path / "said").read_text()
    wait_for(lambda: traces() == before, 10, "nothing left")
