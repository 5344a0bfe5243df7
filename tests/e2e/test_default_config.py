# SPDX-License-Identifier: GPL-2.0
"""The default config as a new user has it, but for where its lists come from: every feed is read, the block lists drop, what
names honest people too only counts, the known-good ones judge no packet; and each list has its terms beside it."""
import os, pathlib, re
import pytest
from lab import wait_for

TOP = pathlib.Path(__file__).parents[2]
DEFAULT = TOP / "scripts/sekisho.yaml"
GOLDEN = TOP / "tests/golden/feeds"
OPEN = pathlib.Path(os.environ.get("SEKISHO_SHARED", TOP.parent / "shared")) / "feeds/open"
LISTED, LISTED6, OFTEN, SELDOM, TOR, CRAWLER, GOOD = "192.0.2.9", "2001:db8:1::9", "198.51.100.10", "198.51.100.11", "198.51.100.20", "203.0.113.66", "203.0.113.9"
DROP = '{{"cidr":"{}","sblid":"SBL1","rir":"apnic"}}\n{{"type":"metadata","timestamp":1744682874,"size":51,"records":1,"copyright":"(c)"}}\n'
FILES = {  # feed: (a file or text of ours of its kind, the recorded one)
    "spamhaus-drop": (DROP.format("192.0.2.0/28"), "spamhaus_drop_v4_2025.json"), "spamhaus-drop-v6": (DROP.format("2001:db8:1::/48"), None),
    "ipsum": (f"# IPsum Threat Intelligence Feed\n#\n{OFTEN}\t3\n{SELDOM}\t2\n", "ipsum_counts.txt"), "tor-exits": (f"{TOR}\n", "tor_exit_2022.txt"),
    "google-crawlers": ('{"creationTime": "2026", "prefixes": [{"ipv4Prefix": "203.0.113.64/28"}]}', "user-triggered-fetchers_2026.json"),
    "bingbot": ("google.json", None), "google-cloud": ("google.json", "gcp_cloud_2025.json"), "aws": ("aws.json", "aws_ip-ranges_2025.json"),
    "github": ("github.json", "github_meta_2025.json"), "cloudflare": ("cloudflare.json", None)}

ACTIONS = {"spamhaus-drop": "block", "spamhaus-drop-v6": "block", "ipsum": "monitor", "tor-exits": "monitor"}  # the others: none


def feeds_of(text):
    """{name: its lines and the comment above} of the feeds that are on."""
    blocks, comment, name = {}, [], None
    for line in text[text.index("\nfeeds:\n") + 8:text.index("\n# Off,")].splitlines():
        if line.strip().startswith("#"):
            comment.append(line)
        elif line.startswith("  - name: "):
            name = line.split(": ")[1]
            blocks[name], comment = [*comment, line], comment if comment else []
        elif line.strip():
            blocks[name].append(line)
        if line.startswith("    "):
            comment = []
    return blocks


@pytest.mark.parametrize("kind", ["golden", "recorded"])
def test_every_feed_is_read(lab, agent, kind):
    if kind == "recorded" and not OPEN.is_dir():
        pytest.skip("the recorded lists are not beside the tree (SEKISHO_SHARED): test_every_feed_is_read[golden] reads files of the same forms")
    one = agent(own_metrics=True)
    text, on = DEFAULT.read_text(), feeds_of(DEFAULT.read_text())
    assert set(on) == set(FILES)
    for name, (own, recorded) in FILES.items():
        path = OPEN / recorded if kind == "recorded" and recorded else one.dir / name
        if kind == "golden" or not recorded:
            path.write_text(own if "\n" in own or "{" in own else (GOLDEN / own).read_text())
            path.chmod(0o644)
        text, n = re.subn(rf"(- name: {name}\n +)url: \S+", rf"\1path: {path}", text)
        assert n == 1, name
    one.config.write_text(text.replace("interfaces: [auto]", f"interfaces: [{one.iface}]"))
    one.start()
    wait_for(lambda: all(f["state"] != "pending" for f in one.ask("feed", "list")["feeds"]), what="every list")
    one.cli("feed", "update")
    feeds = {f["name"]: f for f in one.ask("feed", "list")["feeds"]}
    assert {name: (f["state"], f["action"]) for name, f in feeds.items()} == {name: ("ok", ACTIONS.get(name, "none")) for name in FILES}
    if kind == "recorded":
        assert feeds["aws"]["entries"] > 5000 and one.ask("feed", "show", "aws")["coverage_v4"] > 0.02
        assert (feeds["spamhaus-drop"]["entries"], feeds["ipsum"]["entries"], feeds["tor-exits"]["entries"]) == (1406, 14217, 2030)
        return
    wait_for(lambda: lab.probe(LISTED, 5) == 0, what="the lists in force")
    assert (lab.probe(LISTED6), lab.probe(CRAWLER), lab.probe(SELDOM), lab.probe(GOOD)) == (0, 20, 20, 20)
    assert one.ask("explain", LISTED)["verdict"] == "drop"
    assert "google-crawlers" in [m["source"] for m in one.ask("explain", CRAWLER)["matches"] if m["action"] == "none"]
    assert one.ask("status")["packets"]["would_drop"] == 0
    for source, name in ((OFTEN, "ipsum"), (TOR, "tor-exits")):  # seen, and let pass
        told = one.ask("explain", source)
        assert (told["verdict"], told["matches"][0]["source"], lab.probe(source)) == ("monitor", name, 20)
    wait_for(lambda: one.ask("status")["packets"]["would_drop"] == 40, what="what both would have dropped")


def test_every_list_has_its_terms_beside_it():
    text = DEFAULT.read_text()
    for name, lines in feeds_of(text).items():
        above = text[:text.index(f"- name: {name}\n")]
        block = above[above.rindex("\n\n  #"):] if "known-good: true" in "\n".join(lines) else "\n".join(lines)  # those share a comment
        assert re.search("(?i)terms", block), name
        action = re.search(r"^    action: (\w+)", "\n".join(lines), re.M)[1]
        assert action == ACTIONS.get(name, "none"), name
    off = text[text.index("\n# Off,"):text.index("\n# What one source")]
    for block in off.split("#   - name: ")[:-1]:
        comment = [line for line in block.splitlines() if line.startswith("#   # ")][-1:]
        assert comment and re.search(r"(?i)terms|commons|own|named", comment[0]), comment
    assert set(re.findall(r"action: (\w+)", off)) == {"monitor", "block"} and off.count("action: block") == 1  # the user's own
