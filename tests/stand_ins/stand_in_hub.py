"""A local HTTP server that imitates the Hugging Face hub, with faults on request."""

import hashlib
import http.server
import json
import threading
import urllib.parse

COMMIT = "0" * 40


class StandInHub:
    """A context that serves `files` of `repo` at the endpoint `url`.

    Requests of large files (safetensors) are redirected, as the hub redirects them to
    its storage.
    """

    def __init__(self, repo, files):
        self.repo, self.files = repo, dict(files)
        self.requests = []  # (method, path, range)
        self.cut = None  # bytes of a large file after which the connection closes
        self.can_resume = True
        self.status = None  # status of every answer for the repository
        self.code = ""  # error code of these answers
        self.changed = False  # whether large files are sent with a wrong bit

    def __enter__(self):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request, body):
        path = urllib.parse.unquote(request.path)
        self.requests.append((request.command, path, request.headers.get("Range")))
        prefix = f"/{self.repo}/resolve/main/"
        name = path.removeprefix(prefix).removeprefix("/storage/")
        if self.status and self.repo in path:
            self.send(request, self.status, b"no", {"X-Error-Code": self.code})
        elif path == "/":
            self.send(request, 200, b"hub" if body else b"")
        elif path == f"/api/models/{self.repo}":
            listing = {"id": self.repo}
            listing["siblings"] = [{"rfilename": n} for n in self.files]
            self.send(request, 200, json.dumps(listing).encode())
        elif name == path or name not in self.files:
            self.send(request, 404, b"no", {"X-Error-Code": "EntryNotFound"})
        elif path.startswith(prefix) and name.endswith(".safetensors"):
            sha256 = hashlib.sha256(self.files[name]).hexdigest()
            headers = {
                "Location": self.url.replace("127.0.0.1", "localhost")
                + f"/storage/{name}",
                "X-Linked-Etag": f'"{sha256}"',
                "X-Linked-Size": str(len(self.files[name])),
                "X-Repo-Commit": COMMIT,
            }
            self.send(request, 302, b"", headers)
        else:
            self.serve(request, self.files[name], large=path.startswith("/storage/"))

    def serve(self, request, content, large):
        start = request.headers.get("Range")
        start = int(start[6:-1]) if start and self.can_resume else 0
        if large and self.changed:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status = 206 if start else 200
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("X-Repo-Commit", COMMIT)
        etag = hashlib.sha1(content).hexdigest()
        request.send_header("ETag", f'"{etag}"')
        request.end_headers()
        stop = len(content) if not large or self.cut is None else start + self.cut
        if request.command == "GET":
            request.wfile.write(content[start:stop])
        if stop < len(content):
            request.close_connection = True

    def send(self, request, status, content, headers=()):
        request.send_response(status)
        for name, value in dict(headers).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)
