"""A local server of the part of Google Cloud Storage's JSON API that training uses.

Objects have generations, and requests can be conditional on a generation: Orbax's
writers rely on it.
"""

import base64
import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

FORBIDDEN = "forbidden"  # a bucket that refuses every request
READ_ONLY = "read-only"
TIME = "2026-01-01T00:00:00.000Z"


class Buckets:
    """Buckets by name; a bucket maps object names to (content, generation, type)."""

    def __init__(self, *names: str):
        self.buckets: dict[str, dict[str, tuple[bytes, int, str]]] = {
            name: {} for name in names
        }
        self.lock = threading.RLock()
        self.generations = itertools.count(1)
        self.uploads: dict[str, tuple[str, str, dict, bytearray]] = {}
        self.changes: list[tuple[str, str]] = []  # PUT or DELETE, and the object
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """Makes gcsfs, google-cloud-storage and tensorstore use this server."""
        return {
            "STORAGE_EMULATOR_HOST": self.url,
            "TENSORSTORE_GCS_HTTP_URL": self.url,
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "nobody's",
            "NO_GCE_CHECK": "true",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # it uses gRPC
        }

    def files(self, folder: str) -> dict[str, bytes]:
        """Returns the contents of objects below BUCKET or BUCKET/FOLDER, by name."""
        bucket, _, start = folder.partition("/")
        start = f"{start}/" if start else ""
        with self.lock:
            return {
                name.removeprefix(start): content
                for name, (content, *_) in self.buckets[bucket].items()
                if name.startswith(start)
            }

    def put(self, bucket: str, name: str, content: bytes) -> None:
        with self.lock:
            self.buckets[bucket][name] = (content, next(self.generations), "x/y")


class Refused(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code, self.message = code, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer waits for 40 ms
    store: Buckets

    def log_message(self, *_) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {k: v[-1] for k, v in parse_qs(url.query).items()}
        body = self._body()
        with self.store.lock:
            try:
                answer = self._route(url.path, query, body)
            except Refused as refused:
                error = {"code": refused.code, "message": refused.message}
                answer = (refused.code, {}, json.dumps({"error": error}).encode())
        code, headers, content = answer
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if code not in (204, 304):
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has disconnected
            super().handle()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _route(self, path: str, query: dict, body: bytes) -> tuple[int, dict, bytes]:
        pattern = (
            r"(?:/(upload|download))?/storage/v1/b/([^/]+)(?:/o(?:/([^/]+)(/.+)?)?)?"
        )
        match = re.fullmatch(pattern, path)
        if not match:
            raise Refused(404, f"no such address: {path}")
        action, bucket, name, suffix = match.groups()
        if bucket == FORBIDDEN:
            raise Refused(403, "caller does not have storage.objects.list access")
        if bucket not in self.store.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        objects = self.store.buckets[bucket]
        if bucket == READ_ONLY and self.command != "GET":
            raise Refused(403, "caller does not have storage.objects.create access")
        if action == "upload":
            return self._upload(bucket, query, body)
        if not path.partition(f"/b/{bucket}")[2]:
            about = {"kind": "storage#bucket", "name": bucket, "id": bucket}
            return _json(about | {"location": "X", "storageClass": "STANDARD"})
        if name is None:
            return self._list(bucket, query)
        name = unquote(name)
        if suffix:
            self._require(objects, name)
            content, _, kind = objects[name]
            if target := re.fullmatch(r"/moveTo/o/([^/]+)", suffix):
                del objects[name]
                return _json(
                    self._put(bucket, unquote(target[1]), content, kind, query)
                )
            if target := re.fullmatch(r"/rewriteTo/b/([^/]+)/o/([^/]+)", suffix):
                copied = self._put(target[1], unquote(target[2]), content, kind, query)
                return _json({"done": True, "resource": copied})
            raise Refused(400, f"not implemented: {path}")
        if self.command == "DELETE":
            self._require(objects, name)
            self._check(objects, name, query)
            del objects[name]
            self.store.changes.append(("DELETE", name))
            return 204, {}, b""
        self._require(objects, name)
        content, generation, kind = objects[name]
        if action != "download" and query.get("alt") != "media":
            return _json(_about(bucket, name, objects[name]))
        if query.get("ifGenerationNotMatch") == str(generation):
            return 304, {}, b""
        self._check(objects, name, query)
        return self._media(content, generation, kind)

    def _media(self, content: bytes, generation: int, kind: str):
        headers = {"x-goog-generation": str(generation), "Content-Type": kind}
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match or not content:
            return 200, headers, content
        if match[1]:
            start = int(match[1])
            end = min(int(match[2] or len(content)), len(content) - 1)
        else:
            start, end = max(0, len(content) - int(match[2])), len(content) - 1
        if start >= len(content):
            raise Refused(416, "the range cannot be satisfied")
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return 206, headers, content[start : end + 1]

    def _list(self, bucket: str, query: dict) -> tuple[int, dict, bytes]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("pageToken", "")
        entries: dict[str, dict | None] = {}
        for name, stored in sorted(self.store.buckets[bucket].items()):
            if not name.startswith(prefix) or name < query.get("startOffset", ""):
                continue
            if query.get("endOffset") and name >= query["endOffset"]:
                continue
            if delimiter and delimiter in name[len(prefix) :]:
                folder = name[len(prefix) :].partition(delimiter)[0]
                entries[prefix + folder + delimiter] = None
                if query.get("includeTrailingDelimiter") != "true":
                    continue
                if not name.endswith(delimiter):
                    continue
            entries[name] = _about(bucket, name, stored)
        names = sorted(n for n in entries if n > after)
        most = int(query.get("maxResults", 1000))
        page = names[:most]
        answer: dict = {"kind": "storage#objects"}
        answer["items"] = [entries[n] for n in page if entries[n]]
        answer["prefixes"] = [n for n in page if not entries[n]]
        if len(names) > most:
            answer["nextPageToken"] = page[-1]
        return _json(answer)

    def _upload(self, bucket: str, query: dict, body: bytes):
        upload_type = query.get("uploadType")
        kind = self.headers.get("Content-Type", "application/octet-stream")
        if upload_type == "media":
            return _json(self._put(bucket, query["name"], body, kind, query))
        if upload_type == "multipart":
            boundary = re.search(r'boundary="?([^";]+)"?', kind)[1].encode()
            about, content = body.split(b"--" + boundary)[1:3]
            about = json.loads(about.partition(b"\n\n")[2])
            content = content.partition(b"\n\n")[2].removesuffix(b"\n")
            return _json(self._put(bucket, about["name"], content, kind, query))
        if "upload_id" not in query:
            number = str(next(self.store.generations))
            name = query.get("name") or json.loads(body)["name"]
            self.store.uploads[number] = (bucket, name, query, bytearray())
            address = f"http://{self.headers['Host']}{self.path}&upload_id={number}"
            return 200, {"Location": address}, b""
        bucket, name, first, received = self.store.uploads[query["upload_id"]]
        span = self.headers.get("Content-Range", "bytes 0-/*")
        start, _, size = re.fullmatch(r"bytes (\d*|\*)-?(\d*)/(.+)", span).groups()
        received[int(start) if start.isdigit() else len(received) :] = body
        if size == "*" or len(received) < int(size):
            return 308, {"Range": f"bytes=0-{len(received) - 1}"}, b""
        del self.store.uploads[query["upload_id"]]
        return _json(self._put(bucket, name, bytes(received), kind, first))

    def _require(self, objects: dict, name: str) -> None:
        if name not in objects:
            raise Refused(404, f"No such object: {name}")

    def _check(self, objects: dict, name: str, query: dict) -> None:
        generation = str(objects[name][1]) if name in objects else "0"
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and wanted != generation:
            raise Refused(412, "At least one of the pre-conditions did not hold.")

    def _put(self, bucket: str, name: str, content: bytes, kind: str, query: dict):
        objects = self.store.buckets[bucket]
        self._check(objects, name, query)
        objects[name] = (content, next(self.store.generations), kind)
        self.store.changes.append(("PUT", name))
        return _about(bucket, name, objects[name])


def _json(body: dict) -> tuple[int, dict, bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def _about(bucket: str, name: str, stored: tuple[bytes, int, str]) -> dict:
    content, generation, kind = stored
    crc = google_crc32c.value(content).to_bytes(4, "big")
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "name": name,
        "bucket": bucket,
        "generation": str(generation),
        "metageneration": "1",
        "contentType": kind,
        "storageClass": "STANDARD",
        "size": str(len(content)),
        "crc32c": base64.b64encode(crc).decode(),
        "timeCreated": TIME,
        "updated": TIME,
    }


class Server(ThreadingHTTPServer):
    request_queue_size = (
        1024  # gcsfs and tensorstore open hundreds of connections at once
    )
    daemon_threads = True


@contextmanager
def serve(*buckets: str) -> Iterator[Buckets]:
    """Serves empty buckets of these names; `url` is the address."""
    store = Buckets(*buckets)
    handler = type("Handler", (Handler,), {"store": store})
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        store.url = f"http://127.0.0.1:{server.server_port}"
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
