# SPDX-License-Identifier: GPL-2.0
"""CrowdSec's local API for tests: Debian's own server with its cscli, in the lab's edge namespace; and a server that says
whatever a test wants, which a real one seldom does."""
import http.server, json, pathlib, re, shutil, subprocess, sys, threading, time
from lab import run, wait_for

ROOT = pathlib.Path("/usr/local/libexec/sekisho-tests/crowdsec")  # scripts/install-deps.sh unpacks it there
KEY = "e2e-key-0123456789abcdef"
PORT = 18080
CONFIG = """
common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
config_paths:
  config_dir: BASE/etc/
  data_dir: BASE/data/
  simulation_path: BASE/etc/simulation.yaml
  hub_dir: ROOT/usr/share/crowdsec/hub/
  index_path: ROOT/usr/share/crowdsec/hub/.index.json
  notification_dir: BASE/etc/notifications/
  plugin_dir: BASE/plugins/
crowdsec_service: {enable: false}
cscli: {output: human, color: "no"}
db_config: {log_level: info, type: sqlite, db_path: BASE/data/crowdsec.db, use_wal: true, flush: {max_items: 5000, max_age: 7d}}
api:
  client: {insecure_skip_verify: false, credentials_path: BASE/etc/local_api_credentials.yaml}
  server: {log_level: info, listen_uri: "127.0.0.1:18080", profiles_path: BASE/etc/profiles.yaml, console_path: BASE/etc/console.yaml, trusted_ips: [127.0.0.1]}
prometheus: {enabled: true, level: full, listen_addr: 127.0.0.1, listen_port: 16060}
"""


class CrowdSec:
    """Debian's crowdsec, the local API alone, without the central one."""

    def __init__(self, lab, folder):
        self.lab, self.base, self.process = lab, folder / "crowdsec", None
        etc = self.base / "etc"
        for one in ("etc/acquis.d", "etc/notifications", "data", "plugins"):
            (self.base / one).mkdir(parents=True)
        shutil.copytree(ROOT / "etc/crowdsec/patterns", etc / "patterns")
        for one in ("profiles.yaml", "simulation.yaml"):
            shutil.copy(ROOT / "etc/crowdsec" / one, etc)
        (etc / "config.yaml").write_text(CONFIG.replace("BASE", str(self.base)).replace("ROOT", str(ROOT)))
        (etc / "local_api_credentials.yaml").touch()
        self.cscli("machines", "add", "e2e", "--password", "e2e", "--force", "-u", f"http://127.0.0.1:{PORT}", "-f", etc / "local_api_credentials.yaml")
        self.cscli("bouncers", "add", "edge", "-k", KEY)
        self.start()

    def cscli(self, *words):
        return run("nsenter", f"--net=/run/netns/{self.lab.edge}", ROOT / "usr/bin/cscli", "-c", self.base / "etc/config.yaml", *words).stdout

    def start(self):
        self.log = open(self.base / "log", "a")
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.lab.edge}", ROOT / "usr/bin/crowdsec", "-c", self.base / "etc/config.yaml", "-no-cs"],
                                        stdout=self.log, stderr=self.log)
        wait_for(self.answers, 20, "crowdsec; it said: " + (self.base / "log").read_text())

    def answers(self):
        return run("nsenter", f"--net=/run/netns/{self.lab.edge}", "curl", "-sf", "-o", "/dev/null", "-H", f"X-Api-Key: {KEY}",
                   f"http://127.0.0.1:{PORT}/v1/decisions?ip=192.0.2.250", check=False).returncode == 0

    def stop(self, hard=False):
        if self.process:
            self.process.kill() if hard else self.process.terminate()
            self.process.wait(20)
            self.process = None
            self.log.close()


def decision(number, value, duration="4h", **more):
    return {"id": number, "origin": "cscli", "type": "ban", "scope": "Range" if "/" in value else "Ip", "value": value, "duration": duration, "scenario": "test/hostile", **more}


def usage_faults(body):
    """What a server would not take in the body of POST /v1/usage-metrics. Source: AllMetrics and what it is made of in crowdsec's
    pkg/models/localapi_swagger.yaml, read strictly: nothing that is not named there, no other type."""
    faults = []

    def check(where, value, must, may=()):
        if not isinstance(value, dict):
            faults.append(f"{where}: no object")
            return {}
        faults.extend(f"{where}: {key} is missing" for key in must if key not in value)
        for key, one in value.items():
            kind = {**dict(must), **dict(may)}.get(key)
            if kind is None or not isinstance(one, kind) or isinstance(one, bool) or (isinstance(one, str) and not 0 < len(one) <= 255):
                faults.append(f"{where}: {key} {one!r}")
        return value

    text, number = str, (int, float)
    try:
        whole = json.loads(body)
    except ValueError:
        return ["no JSON"]
    components = check("body", whole, {"remediation_components": list}).get("remediation_components") or []
    if len(components) != 1:
        faults.append("not one component")
    for component in components:
        check("component", component, {"version": text, "utc_startup_timestamp": int, "type": text, "name": text},
              {"os": dict, "metrics": list, "feature_flags": list, "last_pull": int})
        check("os", component.get("os"), {"name": text, "version": text}, {"family": text})
        for window in component.get("metrics") or []:
            check("metrics", window, {"meta": dict, "items": list})
            check("meta", window.get("meta"), {"window_size_seconds": int, "utc_now_timestamp": int})
            for item in window.get("items") or []:
                check("item", item, {"name": text, "value": number, "unit": text}, {"labels": dict})
                check("labels", item.get("labels", {}), {}, dict.fromkeys(item.get("labels", {}), text))
                faults.extend([f"item: {item}"] if number_is_odd(item.get("value")) else [])
    return faults


def number_is_odd(value):
    return not isinstance(value, (int, float)) or value < 0


class Fake:
    """A server in the lab's edge namespace, or with an address of the attacker's there (this file, run as a program); says what
    the test writes beside it."""

    def __init__(self, lab, folder, address="127.0.0.1"):
        self.lab, self.folder, self.process, self.address = lab, folder, None, address
        self.say([])
        self.start()

    def say(self, new, deleted=None, mode="ok", **more):
        """@new: all decisions there are, what a full answer holds; deltas hold what @more's fresh and @deleted are."""
        self.mode = {"mode": mode, "new": new, "deleted": deleted or [], **more}
        path = self.folder / "answer.new"
        path.write_text(json.dumps(self.mode))
        path.rename(self.folder / "answer")

    def start(self):
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.lab.edge if self.address == '127.0.0.1' else self.lab.attacker}", "/usr/bin/python3",
                                         __file__, self.folder, self.address, str(PORT)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def requests(self):
        path = self.folder / "requests"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pulls(self, startup=None):
        return [one for one in self.requests() if "/v1/decisions/stream" in one["path"] and (startup is None or f"startup={startup}" in one["path"])]

    def asked_again(self, n):
        """Waits until the server was asked @n times more."""
        before = len(self.pulls())
        wait_for(lambda: len(self.pulls()) >= before + n, 20, "another request")


BAD, BAD2, NET, GOOD = "198.51.100.7", "198.51.100.99", "192.0.2.0/24", "203.0.113.9"
BAD6 = "2001:db8::bad"


def config(agent, more=""):
    key = agent.dir / "lapi.key"
    if not key.exists():
        key.write_text(KEY + "\n")
        key.chmod(0o600)
    return f"crowdsec: {{url: \"http://127.0.0.1:{PORT}/\", key-file: \"{key}\", interval: 1s{more}}}\n"


def start(make, more="", extra=""):
    one = make()
    one.write(config(one, more) + extra)
    one.start()
    return one


def row(agent):
    return next(f for f in agent.ask("feed", "list")["feeds"] if f["name"] == "crowdsec")


def show(agent):
    return agent.ask("feed", "show", "crowdsec")


def drops(lab, *sources):
    return [lab.probe(source, n=4) == 0 for source in sources]


def explained(agent, address):
    return agent.ask("explain", address)


def becomes(agent, address, verdict):
    wait_for(lambda: explained(agent, address)["verdict"] == verdict, 10, f"{verdict} of {address}")


def metric(agent, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", agent.get("/metrics"), re.M)
    assert found, name
    return float(found.group(1))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()

    def log_message(self, *args):
        pass

    def note(self, body="", faults=()):
        line = json.dumps({"path": self.path, "method": self.command, "key": self.headers.get("X-Api-Key"), "agent": self.headers.get("User-Agent"), "body": body,
                           "type": self.headers.get("Content-Type"), "faults": list(faults)})
        with self.lock, open(self.server.folder / "requests", "a") as log:
            log.write(line + "\n")

    def send(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, chunks):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True

    def flood(self, line):
        try:
            while True:
                self.wfile.write(line)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def endless(self):
        yield b'{"new":['
        while True:
            yield b'{"id":1,"x":"' + b"y" * 65536 + b'"},'

    def many(self, n):
        yield b'{"deleted":null,"new":['
        for start in range(0, n, 1000):
            rows = ",".join('{"duration":"4h","id":%d,"origin":"CAPI","scenario":"crowdsecurity/ssh-bf","scope":"Ip","type":"ban","value":"%d.%d.%d.%d"}'
                            % (i + 1, 20 + (i >> 24), i >> 16 & 255, i >> 8 & 255, i & 255) for i in range(start, min(start + 1000, n)))
            yield (("," if start else "") + rows).encode()
        yield b"]}"

    def do_GET(self):
        answer = json.loads((self.server.folder / "answer").read_text())
        mode, is_full = answer["mode"], "startup=true" in self.path
        self.note()
        if mode == "redirect" and not self.path.startswith("/moved"):
            self.send(302, Location="/moved")
        elif mode == "redirect-away":
            self.send(307, Location="http://127.0.0.1:18081/v1/decisions/stream")
        elif mode == "raw":
            self.send(200, answer["raw"].encode())
        elif mode == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"new":[')
            self.close_connection = True
        elif mode == "bytes":
            self.send(200, bytes.fromhex(answer["raw"]), **({"Content_Encoding": answer["encoding"]} if "encoding" in answer else {}))
        elif mode == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self.flood(b"X-More: " + b"y" * 1000 + b"\r\n")
        elif mode == "hang":
            time.sleep(60)
        elif mode == "endless":
            self.stream(self.endless())
        elif mode == "many":
            self.stream(self.many(answer["n"]) if is_full else [b'{"new":[],"deleted":[]}'])
        elif mode == "status":
            self.send(answer["code"], answer.get("raw", "").encode())
        else:
            new = answer["new"] if is_full else answer.get("fresh", [])
            self.send(200, json.dumps({"new": new or None, "deleted": answer["deleted"] or None}).encode())

    def do_POST(self):
        answer = json.loads((self.server.folder / "answer").read_text())
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        faults = usage_faults(body)
        self.note(body, faults)
        self.send(answer.get("post_code", 422 if faults else 201))


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler)
    server.daemon_threads, server.folder = True, pathlib.Path(sys.argv[1])
    print("ready", flush=True)
    server.serve_forever()
