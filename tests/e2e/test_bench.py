# SPDX-License-Identifier: GPL-2.0
"""The benchmark at a size of nothing: every row is printed and every verdict check passes. No time is judged."""
import pathlib, re, subprocess
from lab import BUILD

ROOT = pathlib.Path(__file__).parents[2]
ROWS = ("sek_xdp", "parse and drop", "LPM trie", "hash, exact", "one block list", "one more list", "an allow list",
        "a monitor list", "monitor mode", "a block entry", "an allow entry")


def test_bench_prints_every_row():
    out = subprocess.run([ROOT / "scripts/bench.sh", BUILD, "--lists-only", "--rounds", "1", "--adds", "3", "--packets", "256", "1000"], text=True,
                         capture_output=True, timeout=1200)
    assert out.returncode == 0, out.stdout + out.stderr
    for row in ROWS:
        found = re.findall(rf"^  {row} +-?[0-9.]+ +-?[0-9.]+ ", out.stdout, re.M)
        assert len(found) == (4 if row in ("sek_xdp", "parse and drop") else 2), (row, out.stdout)
    for peer in ("nftables", "ipset"):
        assert len(re.findall(rf"^  {peer} +[0-9.]+ +-?[0-9.]+ +-?[0-9.]+ ", out.stdout, re.M)) == 2, out.stdout
        assert len(re.findall(rf"^  {peer} +[0-9.]+ +[0-9.]+x +[0-9.]+ +[0-9.]+x ", out.stdout, re.M)) == 2, out.stdout
    assert len(re.findall(r"^  load [0-9.]+ s, atomic replace [0-9.]+ s$", out.stdout, re.M)) == 2, out.stdout
    assert len(re.findall(r"^  keeper and engine: RSS [0-9.]+ MiB", out.stdout, re.M)) == 2, out.stdout
    assert len(re.findall(r"first dropped packet: median [0-9.]+ ms, +p99 [0-9.]+ ms, 3 adds$", out.stdout, re.M)) == 2
    aims = out.stdout.split("\naims\n")[1].strip().splitlines()
    assert len(aims) == 13 and sum("met" in aim or "missed" in aim for aim in aims[1:]) >= 2, out.stdout


LIMIT_ROWS = ("parse and pass", "GCRA in an LRU hash", "the same, our clocks", "sek_xdp, no limit", "one limit", "16 limits, 1 matches",
              "16 limits, 4 match", "one limit with bans", "a banned source")


def test_bench_of_limits_prints_every_row():
    out = subprocess.run([ROOT / "scripts/bench.sh", BUILD, "limits", "--rounds", "1", "--packets", "256", "--played", "0.1"], text=True,
                         capture_output=True, timeout=240)
    assert out.returncode == 0, out.stdout + out.stderr
    for row in LIMIT_ROWS:
        assert len(re.findall(rf"^  {row}  .*\| +-?[0-9.]+ +-?[0-9.]+ +(-|-?[0-9.]+) +[0-9.]+$", out.stdout, re.M)) == 1, (row, out.stdout)
    assert re.search(r"^  1 source -?[0-9.]+ \(floor [0-9.]+(, noisy)?\), 50000 sources ", out.stdout, re.M), out.stdout
    flood = re.findall(r"^  (sek_xdp|GCRA in an LRU hash) +([0-9]+)/s +[0-9]+ +[0-9]+ +[0-9]+ +[0-9.]+x +0.0000% ", out.stdout, re.M)
    assert len([row for row in flood if row[0] == "sek_xdp"]) == 4, out.stdout
    aims = out.stdout.split("\naims\n")[1].strip().splitlines()
    assert len(aims) == 15 and all("met" in aim or "missed" in aim for aim in aims[1:]), out.stdout
