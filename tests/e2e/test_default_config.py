# SPDX-License-Identifier: GPL-2.0
"""The default config as a new user has it, but for where its lists come from: every feed is read, the block lists drop, the
known-good ones judge no packet; and each list has its terms beside it."""
import json, os, pathlib, re
import pytest
from lab import wait_for

TOP = pathlib.Path(__file__).parents[2]
DEFAULT = TOP / "scripts/sekisho.yaml"
GOLDEN = TOP / "tests/golden/feeds"
OPEN = pathlib.Path(os.environ.get("SEKISHO_SHARED", TOP.parent / "shared")) / "feeds/open"
FILES = {  # feed: (a file of ours of its kind, the recorded one)
    "spamhaus-drop": ("drop_v4.json", "spamhaus_drop_v4_2025.json"), "spamhaus-drop-v6": ("drop_v4.json", None), "google-crawlers": ("google.json", "user-triggered-fetchers_2026.json"),
    "bingbot": ("google.json", None), "google-cloud": ("google.json", "gcp_cloud_2025.json"), "aws": ("aws.json", "aws_ip-ranges_2025.json"),
    "github": ("github.json", "github_meta_2025.json"), "cloudflare": ("cloudflare.json", None)}


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
        path = OPEN / recorded if kind == "recorded" and recorded else GOLDEN / own
        text, n = re.subn(rf"(- name: {name}\n +)url: \S+", rf"\1path: {path}", text)
        assert n == 1, name
    one.config.write_text(text.replace("interfaces: [auto]", f"interfaces: [{one.iface}]"))
    one.start()
    wait_for(lambda: all(f["state"] != "pending" for f in one.ask("feed", "list")["feeds"]), what="every list")
    one.cli("feed", "update")
    feeds = {f["name"]: f for f in one.ask("feed", "list")["feeds"]}
    assert {name: (f["state"], f["action"]) for name, f in feeds.items()} == {name: ("ok", "block" if "drop" in name else "none") for name in FILES}
    if kind == "recorded":
        assert feeds["aws"]["entries"] > 5000 and one.ask("feed", "show", "aws")["coverage_v4"] > 0.02
        assert feeds["spamhaus-drop"]["entries"] == 1406
        return
    listed = json.loads((GOLDEN / "drop_v4.json").read_text().splitlines()[0])["cidr"]
    good = json.loads((GOLDEN / "google.json").read_text())["prefixes"]
    inside = lambda prefix: prefix.split("/")[0].rpartition(".")[0] + ".9"
    crawler = inside(next(p["ipv4Prefix"] for p in good if "ipv4Prefix" in p))
    told = one.ask("explain", crawler)
    assert "google-crawlers" in [m["source"] for m in told["matches"] if m["action"] == "none"]
    assert one.ask("explain", inside(listed))["verdict"] == "drop"
    assert one.ask("status")["packets"]["would_drop"] == 0


def test_every_list_has_its_terms_beside_it():
    text = DEFAULT.read_text()
    for name, lines in feeds_of(text).items():
        above = text[:text.index(f"- name: {name}\n")]
        block = re.split(r"\n\n", above)[-1] if "known-good: true" in "\n".join(lines) else "\n".join(lines)
        assert "terms" in block or "terms" in above[above.rindex("\n\n  #"):], name
        assert "action: block" not in "\n".join(lines) or name.startswith("spamhaus-drop")
    off = text[text.index("\n# Off,"):text.index("\n# What one source")]
    for block in off.split("#   - name: ")[:-1]:
        comment = [line for line in block.splitlines() if line.startswith("#   # ")][-1:]
        assert comment and re.search(r"(?i)terms|commons|own|named", comment[0]), comment
    assert set(re.findall(r"action: (\w+)", off)) == {"monitor", "block"} and off.count("action: block") == 1  # the user's own
