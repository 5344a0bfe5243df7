# SPDX-License-Identifier: GPL-2.0
"""A feed's server that behaves as the file `mode` beside it says; every request is a line in `requests`.
usage: feed_server.py FOLDER PORT [ADDRESS]"""
import gzip, hashlib, http.server, pathlib, sys, time

FOLDER = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        mode, body = (FOLDER / "mode").read_text(), (FOLDER / "list").read_bytes()
        etag = '"' + hashlib.sha1(body).hexdigest() + '"'
        hit = self.headers.get("If-None-Match") == etag
        with open(FOLDER / "requests", "a") as log:
            log.write(f"{mode} {self.path} {'match' if hit else 'none'}\n")
        if mode == "redirect" and self.path == "/list":
            self.send(302, Location="/moved")
        elif mode == "html":
            self.send(200, b"<!DOCTYPE html><html><body>Please log in</body></html>\n", Content_Type="text/html")
        elif mode == "500":
            self.send(500, b"oops\n")
        elif mode == "busy":
            self.send(503, b"later\n", Retry_After="7200")
        elif mode == "empty":
            self.send(200, b"")
        elif mode == "comments":
            self.send(200, b"# nothing today\n")
        elif mode == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + 1000))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
        elif mode == "hang":
            time.sleep(60)
        elif hit:
            self.send(304, ETag=etag)
        elif mode == "gzip":
            self.send(200, gzip.compress(body), ETag=etag, Content_Encoding="gzip")
        else:
            self.send(200, body, ETag=etag)


server = http.server.ThreadingHTTPServer((sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1", int(sys.argv[2])), Handler)
server.daemon_threads = True
print("ready", flush=True)
server.serve_forever()
