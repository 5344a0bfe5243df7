# SPDX-License-Identifier: GPL-2.0
"""fail2ban's bans as Sekisho's block entries: /etc/fail2ban/action.d/sekisho.py. In jail.local: banaction = sekisho.py

Each jail is an origin of its own, fail2ban:JAIL, and lifts only its own bans. A command a ban would take a process each; this
action keeps one connection to the agent and hands over what waits together, so that ten thousand bans that a start restores take
seconds. A ban waits for its answer, and one that the agent was not there for is kept and tried again. Nothing is run by a shell.
"""
import collections
import hashlib
import json
import socket
import threading
import time

from fail2ban.server.action import ActionBase

SOCKET = "/run/sekisho/sekisho.sock"
BATCH = 1000  # bans a request
ANSWER_S = 10  # what a ban waits for before it is reported as failed; it is tried on all the same
PAUSE_S = 0.5  # between two tries to reach the agent
ORIGIN_BYTES = 63  # an origin of the agent's is no longer


def origin_of(jail):
    """fail2ban:JAIL. An origin is one short word: a name that is none is cut, and the hash of all of it keeps two such jails apart."""
    word = "_".join(jail.split())
    whole = "fail2ban:" + "".join(char if char.isprintable() else "_" for char in word)
    if whole == "fail2ban:" + jail and len(whole.encode()) <= ORIGIN_BYTES:
        return whole
    mark = "~" + hashlib.sha256(jail.encode(errors="surrogateescape")).hexdigest()[:16]
    return whole.encode(errors="replace")[:ORIGIN_BYTES - len(mark)].decode(errors="ignore") + mark


class Request:
    """One command for the agent on its way, and what came of it."""

    def __init__(self, is_watched, fields):
        self.is_watched, self.fields, self.done, self.error = is_watched, fields, threading.Event(), None

    @property
    def is_ban(self):
        return "verb" not in self.fields


class SekishoAction(ActionBase):
    def __init__(self, jail, name, socket=SOCKET, **_):
        """@socket: of the agent. What banaction hands over besides (port, protocol, chain) is not for us: all of a source is dropped."""
        super().__init__(jail, name)
        self.origin, self.path = origin_of(jail.name), socket
        self.waiting, self.ready = collections.deque(), threading.Condition()
        self.worker, self.stream, self.is_stopping, self.is_lost = None, None, False, False

    def clearAllParams(self):
        """fail2ban's reload: this object stays, reload() comes next."""

    def reload(self, socket=SOCKET, **_):
        self.path = socket

    def start(self):
        if not self.worker:
            self.is_stopping = False
            self.worker = threading.Thread(target=self._work, name="sekisho", daemon=True)
            self.worker.start()

    def stop(self):
        """What still waits goes out first, where the agent is there."""
        if self.worker:
            with self.ready:
                self.is_stopping = True
                self.ready.notify()
            self.worker.join(ANSWER_S)
            self.worker = None

    def ban(self, info):
        left_s = int(info["bantime"])
        if left_s >= 0:  # a restored ban has had a part of it; a second more, so that fail2ban is the one to end it
            left_s = max(1, int(info["time"] + left_s - time.time()) + 1)
        why = "%d failures" % info["failures"] if info["failures"] else "by hand"  # fail2ban-client set JAIL banip: no line of a log
        self._do(not info["restored"], prefix=str(info["ip"]), for_s=left_s, origin=self.origin, reason=why)

    def reban(self, info):
        self.ban(info)

    prolong = reban  # a longer ban is the same entry with a later end
    _prolongable = True

    def unban(self, info):
        self._do(True, verb="block.del", prefix=str(info["ip"]), origin=self.origin)

    def flush(self):
        self._do(True, verb="block.flush", origin=self.origin)
        return True

    def _do(self, is_watched, **fields):
        request = Request(is_watched, fields)
        self.start()
        with self.ready:
            self.waiting.append(request)
            self.ready.notify()
        if not is_watched:
            return
        if not request.done.wait(ANSWER_S):
            raise RuntimeError("no answer from the agent at %s yet; it is tried on" % self.path)
        if request.error:
            raise RuntimeError(request.error)

    def _take(self):
        """The next requests: one, or bans that follow one another. None: the end."""
        with self.ready:
            self.ready.wait_for(lambda: self.waiting or self.is_stopping)
            batch = [self.waiting.popleft()] if self.waiting else []
            while batch and batch[0].is_ban and self.waiting and self.waiting[0].is_ban and len(batch) < BATCH:
                batch.append(self.waiting.popleft())
        return batch

    def _work(self):
        while True:
            batch = self._take()
            if not batch:
                return self._hang_up()
            if batch[0].is_ban:
                answer = self._ask({"verb": "block.import", "stream": True, "entries": [ban.fields for ban in batch]})
            else:
                answer = self._ask(batch[0].fields)
            self._settle(batch, answer)

    def _settle(self, batch, answer):
        """Tells each request what the agent said of it."""
        refused = {row["index"]: row["error"] for row in (answer.get("data") or {}).get("rejected", [])}
        for i, request in enumerate(batch):
            request.error = refused.get(i) if answer.get("ok") else answer.get("error", "refused")
            if request.error and not request.is_watched:
                self._logSys.error("[%s] %s cannot be banned again: %s", self._jail.name, request.fields["prefix"], request.error)
            request.done.set()

    def _ask(self, request):
        """The agent's answer, however long it is away: it may be being restarted. The same request twice is one."""
        while True:
            try:
                if not self.stream:
                    with socket.socket(socket.AF_UNIX) as one:
                        one.connect(self.path)
                        self.stream = one.makefile("rwb")
                self.stream.write(json.dumps(request).encode() + b"\n")
                self.stream.flush()
                answer = json.loads(self.stream.readline())
            except (OSError, ValueError) as error:
                self._hang_up()
                if not self.is_lost:
                    self._logSys.error("[%s] no answer from the agent at %s, trying on: %s", self._jail.name, self.path, error)
                self.is_lost = True
                if self.is_stopping:
                    return {"ok": False, "error": "no agent at %s" % self.path}
                time.sleep(PAUSE_S)
                continue
            if self.is_lost:
                self._logSys.notice("[%s] the agent at %s is there again", self._jail.name, self.path)
            self.is_lost = False
            return answer

    def _hang_up(self):
        if self.stream:
            try:
                self.stream.close()
            except OSError:
                pass  # it was broken already
        self.stream = None


Action = SekishoAction
