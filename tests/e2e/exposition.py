# SPDX-License-Identifier: GPL-2.0
"""A strict reader of metrics documents: Prometheus text 0.0.4 and OpenMetrics 1.0.0. Any breach raises."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf'^({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)$')
META = re.compile(rf"^# (HELP|TYPE|UNIT) ({NAME}) (.+)$")


def read(text, is_open):
    """{(name, ((label, value), ...)): number}, and {family: kind}."""
    samples, kinds, helped, units, current, closed = {}, {}, set(), {}, None, set()
    assert text.endswith("\n") and "\r" not in text
    lines = text[:-1].split("\n")
    assert (lines[-1] == "# EOF") == is_open and "# EOF" not in lines[:-1]
    for line in lines[:-1] if is_open else lines:
        if line.startswith("#"):
            what, family, rest = META.match(line).groups()
            if family != current:
                assert family not in closed, f"{family} comes twice"
                closed.add(current)
                current = family
            if what == "HELP":
                assert family not in helped and not re.search(r"\\[^\\n\"]", rest)
                helped.add(family)
            elif what == "TYPE":
                assert family not in kinds and rest in ("counter", "gauge")
                kinds[family] = rest
            else:
                assert is_open and family.endswith("_" + rest) and family not in units
                units[family] = rest
            continue
        name, labels, number = SAMPLE.match(line).group(1, 2, 7)
        family = name[:-6] if is_open and name.endswith("_total") else name
        assert family == current and family in helped, line
        assert (kinds[family] == "counter") == name.endswith("_total"), line
        key = (name, tuple(sorted((m[0], m[1]) for m in re.findall(LABEL, labels or ""))))
        assert key not in samples, f"twice: {line}"
        assert len({label for label, _ in key[1]}) == len(key[1]), line
        samples[key] = float(number)
        assert samples[key] >= 0
    return samples, kinds
