# SPDX-License-Identifier: GPL-2.0
"""A feed server that wants a key. usage: key_server.py FOLDER ADDRESS OTHER PORT; /list wants it, /same and /other redirect (to
here, and to OTHER with the same port), /hang never answers. Each request is a line of FOLDER/requests: address, path with its
query, the key's header (or the query's value named key) or none."""
import http.server, pathlib, sys, threading, time, urllib.parse

FOLDER, ADDRESS, OTHER, PORT = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        here = self.server.server_address[0]
        path, _, query = self.path.partition("?")
        key = self.headers["Key"] or self.headers["Authorization"] or dict(urllib.parse.parse_qsl(query)).get("key", "none")
        with open(FOLDER / "requests", "a") as log:
            log.write(f"{here} {self.path} {key}\n")
        if path == "/hang":
            time.sleep(60)
        target = {"/same": f"http://{ADDRESS}:{PORT}/list", "/other": f"http://{OTHER}:{PORT}/open"}.get(path)
        is_right = path == "/open" or key == (FOLDER / "want").read_text()
        body = b"198.51.100.7\n" if is_right else b'{"errors":[{"detail":"Authentication failed"}]}'
        self.send_response(302 if target else 200 if is_right else 401)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


for address in (ADDRESS, OTHER):
    server = http.server.ThreadingHTTPServer((address, PORT), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
