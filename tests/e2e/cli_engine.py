# SPDX-License-Identifier: GPL-2.0
"""A fake engine on a unix socket, for the command line: what it answers, what it was asked. And what a run of the command gives."""
import json
import os
import socket
import subprocess
import threading
import time

import pytest

BUILD = os.environ.get("SEKISHO_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
SEKISHO = os.path.join(BUILD, "sekisho")
HOSTILE = "bad \x1b]0;owned\x07\x1b[31m line\u009b2J\nsecond"
NOW = int(time.time())

FEED = {"name": "drop", "action": "block", "state": "held", "entries": 12, "entries_v4": 10, "entries_v6": 2,
        "last_success": NOW - 60, "next_try": NOW + 3600, "error": HOSTILE, "url": "http://192.0.2.9/l"}
DATA = {
    "status": {"version": "0.1.0", "mode": "enforce", "confirm_left_s": 42, "feeds": [FEED], "warnings": [HOSTILE],
               "interfaces": [{"name": "rl0", "attach": "native", "program_id": 7, "attached": True}],
               "table": {"generation": 3, "prefixes_v4": 10, "prefixes_v6": 2, "bytes": 36864},
               "packets": {"passed": 5, "dropped": 9, "would_drop": 0,
                           "by_reason": {"feed": {"passed": 0, "dropped": 9, "would_drop": 0}}},
               "entries": {"used": 1, "size": 4096}},
    "explain": {"address": "192.0.2.1", "verdict": "drop", "reason": "block", "protected": None, "differs": False,
                "advice": "sekisho block del 192.0.2.1", "mode": "enforce",
                "matches": [{"prefix": "192.0.2.1", "kind": "block", "source": "manual", "action": "drop",
                             "since": NOW - 90, "expires": None, "reason": HOSTILE, "by": "root"}]},
    "feed.list": {"feeds": [FEED]},
    "feed.show": dict(FEED, lines=20, duplicates=1, host_bits=0, left_out_v4=0, left_out_v6=0, coverage_v4=0.01,
                      coverage_v6=0.0, errors_total=1, errors=[{"line": 4, "reason": "trailing", "text": HOSTILE}]),
    "version": {"version": "0.1.0"},
}

LISTS_OF_DATA = ("feed.list", "limit.list")  # the others are pages of the engine's entries


def answer(request, entries):
    verb = request["verb"]
    if verb.endswith(".list") and verb not in LISTS_OF_DATA:
        start, limit = request.get("after") or 0, request["limit"]
        page = entries[start:start + limit]
        return {"ok": True, "data": {"entries": page, "next": start + limit if start + limit < len(entries) else None}}
    if request.get("prefix") == "198.51.100.66" or request.get("name") == "refused":
        return {"ok": False, "error": "refused: " + HOSTILE, "code": 1}
    if verb.endswith(".import"):
        bad = [{"index": i, "error": "it is protected"} for i, e in enumerate(request["entries"]) if e["prefix"] == "192.0.2.254"]
        if request.get("sync"):
            assert not request["entries"]
        host_bits = sum(e["prefix"].endswith(".7/24") for e in request["entries"])
        if request.get("stream"):
            return {"ok": True, "data": {"added": len(request["entries"]) - len(bad), "rejected": bad, "host_bits": host_bits}}
        entries.extend([] if bad else request["entries"])
        return {"ok": True, "data": {"added": 0 if request["more"] else len(entries), "rejected": bad, "host_bits": host_bits}}
    return {"ok": True, "data": DATA.get(verb, {})}


class Engine:
    """Answers on a socket in its own thread and keeps what it was asked."""

    def __init__(self, path):
        self.path, self.requests, self.entries, self.mute = path, [], [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as stream:
                for line in stream:
                    self.requests.append(json.loads(line))
                    if self.mute:
                        self.mute = False
                        break
                    stream.write(json.dumps(answer(self.requests[-1], self.entries)).encode() + b"\n")
                    stream.flush()


@pytest.fixture
def engine(tmp_path):
    one = Engine(str(tmp_path / "sekisho.sock"))
    yield one
    one.listener.shutdown(socket.SHUT_RDWR)  # else the thread might accept on the descriptor's next user
    one.thread.join()
    one.listener.close()


def run(engine, *words, text=None, env=None):
    path = engine if isinstance(engine, str) else engine.path
    full = dict(os.environ, SEKISHO_SOCKET=path, **(env or {}))
    return subprocess.run([SEKISHO, *words], input=text, env=full, capture_output=True, text=True, timeout=80)


def entry(i):
    return {"id": i, "prefix": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", "origin": "manual", "reason": None,
            "since": NOW, "expires": NOW + 3600, "by": "root"}
