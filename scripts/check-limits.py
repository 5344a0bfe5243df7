#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Checks the sizes of C code: functions of at most 60 lines; of the product, files of at most 500 and, in user/, lines of at most
100 columns. A message may be longer, so that it can be searched for. usage: check-limits.py, in the tree's first folder"""
import re, subprocess, sys

FUNCTION_LINES, FILE_LINES, COLUMNS = 60, 500, 100
WIDE = re.compile("user/sys/bpf_|user/lib/table_v[46]|user/(engine/(feeds|verbs_entries)|sys/http)\\.c$")  # still; the last three have too many lines for it
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def columns(line):
    """Of the code alone, with the shortest of strings."""
    return len(STRING.sub('""', line).expandtabs(8))


def complaints(name, lines):
    start = None
    if len(lines) > FILE_LINES and not name.startswith("tests/"):
        yield f"{name}: {len(lines)} lines, more than {FILE_LINES}"
    for number, line in enumerate(lines, 1):
        if name.startswith("user/") and not WIDE.match(name) and columns(line) > COLUMNS:
            yield f"{name}:{number}: over {COLUMNS} columns"
        if line == "{":
            start = number
        elif line.startswith("}"):
            if line == "}" and start and number - start - 1 > FUNCTION_LINES:
                yield f"{name}:{start}: a function of {number - start - 1} lines, more than {FUNCTION_LINES}"
            start = None


if __name__ == "__main__":
    names = subprocess.run(["git", "ls-files", "*.c", "*.h"], text=True, capture_output=True, check=True).stdout.split()
    bad = [said for name in names for said in complaints(name, open(name, encoding="utf-8").read().splitlines())]
    for said in bad:
        print("check-limits:", said, file=sys.stderr)
    if not bad:
        print(f"check-limits: all well, {len(names)} files")
    sys.exit(bool(bad))
