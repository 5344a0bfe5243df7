# SPDX-License-Identifier: GPL-2.0
"""The documents against the programs: the README's tour is run as a reader would paste it, and every verb, option,
key, metric and file that the code knows is in a man page, and the other way round."""
import os, pathlib, re, subprocess
import pytest
from ban_map import put
from lab import BUILD, run, wait_for

TOP = pathlib.Path(__file__).parents[2]
MAN = TOP / "user/man"
PAGES = sorted(path.name for path in MAN.iterdir())
READ = {name: (MAN / name).read_text() for name in PAGES}


def rendered(name):
    """What a reader of the page sees, on one line: mandoc's text without overstrikes."""
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", MAN / name], check=True, capture_output=True, text=True).stdout
    return re.sub(r"\s+", " ", re.sub(".\x08", "", text).replace("\u2010", "-"))


def source(*paths):
    return "".join((TOP / path).read_text() for path in paths)


def verbs():
    return [tuple(filter(None, (g, v))) for g, v in re.findall(r'^\t\{"([a-z-]+)", (?:"([a-z]+)"|NULL), cmd_', source("user/cli/main.c"), re.M)]


def tour():
    text = (TOP / "README.md").read_text()
    section = text[text.index("## A minute inside a network namespace"):]
    lines = re.findall(r"^    (.*)$", section[:section.index("\n## ", 5)], re.M)
    assert len(lines) > 10
    return "\n".join(lines) + "\n"


def test_tour_runs_as_pasted(tmp_path):
    """The lines of the README go into a shell's standard input, as a paste does."""
    if subprocess.run(["sh", "-c", "command -v sudo"], capture_output=True).returncode:
        (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')  # root needs none
        (tmp_path / "sudo").chmod(0o755)
    env = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(["bash"], input=tour(), cwd=TOP, env=env, capture_output=True, text=True, timeout=300)
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert re.findall(r"(\d) received", said) == ["2", "0", "2"], said + done.stderr
    for piece in ("ready\n", "verdict         drop", "10.99.0.2 block manual block", "rl0       native"):
        assert piece in said, (piece, said, done.stderr)
    errors = [line for line in done.stderr.splitlines() if not line.startswith(("sekishod: ", "sekisho-engine: "))]
    assert errors == []
    left = run("pgrep", "-f", "sekishod -c scripts/sekisho.yaml -i rl0 --state-dir /run/state", check=False).stdout.split()
    assert not [pid for pid in left if os.path.realpath(f"/proc/{pid}/cwd") == str(TOP.resolve())]  # another tree's is none of ours
    assert not any(map(os.path.exists, ("/run/netns/peer", "/run/state", "/sys/class/net/rl0")))


def test_readme_names_every_folder_and_target():
    readme = (TOP / "README.md").read_text()
    for folder in [p.name for p in TOP.iterdir() if p.is_dir() and p.name in ("bpf", "include", "scripts", "tests", "user")]:
        assert f"`{folder}/" in readme, folder
    for folder in (TOP / "user").iterdir():
        assert f"`user/{folder.name}/`" in readme, folder
    for target in re.findall(r"`(?:sudo )?make ([a-z-]+)", readme):
        assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(), re.M), target


def test_every_make_target_has_help():
    makefile = (TOP / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()
    said = run("make", "-s", "help", cwd=TOP).stdout
    for target in targets:
        assert re.search(rf"^ *{target} ", said, re.M), target
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_clean(name):
    assert run("mandoc", "-T", "lint", "-W", "warning", MAN / name, check=False).stdout == ""
    for page, section in re.findall(r"([a-z.\\-]+) \(([158])\)", READ[name]):
        assert f"{page}.{section}" in [*PAGES, "xdp\\-filter.8"]


def test_cli_verbs_are_in_the_page_and_nothing_else():
    page = READ["sekisho.1"]
    body = page[page.index(".SH COMMANDS"):page.index(".SH UNITS")]
    heads = [re.sub(r"\\f.|\\|\"", "", line.split(None, 1)[1]) for line in
             re.findall(r"^\.T[PQ]\n(\..*)$", body, re.M)]
    known = [" ".join(v) for v in verbs()] + ["help"]
    assert len(known) > 20
    for verb in known:
        assert any(head == verb or head.startswith(verb + " ") for head in heads), verb
    for head in heads:
        assert any(head == verb or head.startswith(verb + " ") for verb in known), head


def test_cli_options_are_in_help_and_page():
    page = rendered("sekisho.1")
    code = set(re.findall(r'"(--[a-z]+)"', source(*[f"user/cli/{p.name}" for p in (TOP / "user/cli").glob("*.c")])))
    assert {"--for", "--json", "--confirm"} <= code
    shown = run(BUILD / "sekisho", "--help").stdout
    for verb in verbs():
        shown += run(BUILD / "sekisho", *verb, "--help").stdout
    for option in code - {"--help", "--version"}:
        assert option in shown, option
    assert code == set(re.findall(r"(?<![\w-])--[a-z]+", page))
    for verb in verbs():  # an option a verb's help shows is one it takes: with no agent that is 3, not 2
        words = run(BUILD / "sekisho", *verb, "--help").stdout.splitlines()[0]
        for option in re.findall(r"--[a-z]+", words):
            value = {"--for": ["1h"], "--confirm": ["1m"], "--origin": ["x"], "--reason": ["x"], "--limit": ["5"], "--by": ["drops"], "--packets": ["5/s"], "--bits": ["5M/s"], "--rows": ["5"], "--allow": ["1h"],
                     "--days": ["5"], "--format": ["plain"], "--action": ["block"], "--url": ["http://x/"], "--path": ["/dev/null"]}.get(option, [])
            needed = ["--origin", "x"] if verb[1:] == ("flush",) and option != "--origin" else []
            argument = re.findall(r"^usage: sekisho [a-z -]+?(PREFIX|FILE|enforce|NAME\|all|ID|URL\|PATH|NAME \[--url\])", words)
            done = run(BUILD / "sekisho", "-s", "/nowhere", *verb, *({"PREFIX": ["192.0.2.1"], "FILE": ["/dev/null"],
                       "enforce": ["enforce"], "NAME|all": ["all"], "ID": ["1"], "URL|PATH": ["http://x/"],
                       "NAME [--url]": ["x"] if option in ("--url", "--path") else ["x", "http://x/"]}[argument[0]] if argument else []), option, *value, *needed, check=False)
            assert done.returncode in (0, 3), (verb, option, done.stderr)


def test_agent_options_are_in_help_and_page():
    page, shown = rendered("sekishod.8"), run(BUILD / "sekishod", "--help").stdout
    code = set(re.findall(r'\{ ?"([a-z-]+)", (?:required|no)_argument', source("user/keeper/main.c")))
    assert len(code) > 8
    assert code == set(re.findall(r"(?<![\w-])--([a-z-]+)", page)) - {"force"} == set(re.findall(r"(?<![\w-])--([a-z-]+)", shown))


def test_files_and_exit_statuses_are_in_the_pages():
    defaults = re.findall(r'_(?:path|dir) = "(/[^"]+)"', source("user/keeper/main.c"))
    assert len(defaults) == 4
    for path in defaults:
        assert path in rendered("sekishod.8"), path
    for name in re.findall(r'"%s/(?:lists|state\.db)"|listen_unix\(options->run_dir, "([^"]+)"', source("user/engine/main.c", "user/keeper/prepare.c")):
        assert not name or name in rendered("sekishod.8"), name
    assert re.search(r'CLIENT_DEFAULT_SOCKET "([^"]+)"', source("user/sys/client.h")).group(1) in rendered("sekisho.1")
    codes = re.findall(r"\tCLI_\w+ = (\d),", source("user/cli/cli.h"))
    page = READ["sekisho.1"]
    assert codes == re.findall(r"^\.B (\d)$", page[page.index(".SH EXIT STATUS"):], re.M) == ["0", "1", "2", "3"]
    for variable in set(re.findall(r'getenv\("(\w+)"\)', source(*[f"user/cli/{p.name}" for p in (TOP / "user/cli").glob("*.c")]))):
        assert re.search(rf"^\.B {variable}$", page, re.M), variable


def test_config_keys_are_in_the_page_and_nothing_else():
    code = source("user/lib/config.c", "user/lib/config_feed.c", "user/lib/config_limit.c", "user/lib/config_crowdsec.c")
    tables = re.findall(r"const struct config_key (\w*keys)\[\] = \{(.*?)\};", code, re.S)
    keys = {name: re.findall(r'\{ ?"([a-z0-9-]+)", (\w+)', body) for name, body in tables}
    page = READ["sekisho.yaml.5"].replace("\\-", "-")
    heads = lambda start, end: {key for line in re.findall(r"^\.TP\n\.BR? (.*)$", page[page.index(start):page.index(end)], re.M)
                                for key in line.replace('"', "").replace(" , ", " ").split()}
    assert heads(".SH KEYS", ".SH FEED KEYS") == {key for key, _ in keys["top_keys"]}
    assert heads(".SH FEED KEYS", ".SH LIMIT KEYS") == {key for key, _ in keys["feed_keys"]}
    assert heads(".SH LIMIT KEYS", ".SH BAN KEYS") == {key for key, _ in keys["limit_keys"]}
    assert heads(".SH BAN KEYS", ".SH CROWDSEC KEYS") == {key for key, _ in keys["ban_keys"]}
    assert heads(".SH CROWDSEC KEYS", ".SH UNITS") == {key for key, _ in keys["crowdsec_keys"]}
    seed = TOP / "tests/golden/config/every_key"  # what the fuzzing of configs begins with
    assert run(BUILD / "sekisho", "check-config", seed).returncode == 0
    assert {key for table in keys.values() for key, _ in table} - {"country", "threshold"} <= set(re.findall(r"([a-z0-9-]+):", seed.read_text()))


def test_formats_are_in_the_page_and_nothing_else():
    code = re.findall(r'\[FETCH_\w+\] = \{ ?"([a-z0-9-]+)"', source("user/lib/feed_parse.c"))
    page = READ["sekisho.yaml.5"].replace("\\-", "-")
    section = page[page.index(".SH FORMATS"):page.index(".SH PRECEDENCE")]
    heads = [word for line in re.findall(r"^\.TP\n\.BR? (.*)$", section, re.M) for word in line.replace('"', "").replace(",", " ").split()]
    assert len(code) > 20 and sorted(heads + ["auto"]) == sorted(code)
    assert f"Feeds in {len(code) - 1} formats" in (TOP / "README.md").read_text()


def test_metrics_are_in_the_page_and_nothing_else(lab, agent):
    one = agent()
    path = one.dir / "list"
    path.write_text("198.51.100.7\n")
    one.write(f"feeds:\n  - {{name: one, path: \"{path}\", format: plain}}\n  - {{name: two, path: \"{path}\", format: plain}}\n"
              "limits:\n  - {name: l, packets: 1k/s}\n"
              "crowdsec: {url: \"http://127.0.0.1:1\", key-file: /nowhere}\n")
    one.start()
    one.cli("block", "add", "192.0.2.1")
    put(one, ["198.51.100.7/32"])
    wait_for(lambda: one.ask("review", "list")["bans"] and one.ask("feed", "quality")["overlaps"], 10, "a ban, and two lists that overlap")
    one.cli("review", "confirm", "1")  # precision is told of what was judged
    said = set(re.findall(r"^(sekisho_\w+)", one.get("/metrics"), re.M))
    assert len(said) > 15
    assert said == set(re.findall(r"sekisho_\w+", rendered("sekishod.8")))


def test_default_config_and_example_are_good(tmp_path):
    assert run(BUILD / "sekisho", "check-config", TOP / "scripts/sekisho.yaml").returncode == 0
    text = (TOP / "scripts/sekisho.yaml").read_text()
    bare = tmp_path / "all.yaml"  # every line that is commented out, in force
    bare.write_text(re.sub(r"^# ((?:allow|feeds|limits|crowdsec):|  +[-a-z])", r"\1", text, flags=re.M))
    assert "\nlimits:\n" in bare.read_text() and "\nfeeds:\n" in bare.read_text() and "\ncrowdsec:\n" in bare.read_text() and "\n  - name: mine" in bare.read_text()
    done = run(BUILD / "sekisho", "check-config", bare, check=False)
    assert done.returncode == 0, done.stdout
    page = READ["sekisho.yaml.5"]
    bare.write_text(page[page.index(".nf\n") + 4:page.index(".fi\n")].replace("\\-", "-"))
    done = run(BUILD / "sekisho", "check-config", bare, check=False)
    assert done.returncode == 0, done.stdout
