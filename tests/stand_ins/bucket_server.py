"""Google Cloud Storage's JSON API on loopback: as much of it as a run speaks.

Objects have generations, and what is asked on condition of one is done on that
condition: Orbax's writers rely on it.
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

FORBIDDEN = "forbidden"  # a bucket that nobody may see
READ_ONLY = "read-only"
TIME = "2026-01-01T00:00:00.000Z"


class Buckets:
    """Buckets by name, with their objects: (content, generation, type) by name."""

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
    def instead(self) -> dict[str, str]:
        """Sends here who would speak to Google: gcsfs, its library and tensorstore."""
        return {
            "STORAGE_EMULATOR_HOST": self.url,
            "TENSORSTORE_GCS_HTTP_URL": self.url,
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "nobody's",
            "NO_GCE_CHECK": "true",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # which asks by gRPC
        }

    def files(self, folder: str) -> dict[str, bytes]:
        """Contents by name below BUCKET or BUCKET/FOLDER."""
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
    disable_nagle_algorithm = True  # or each answer waits for 40 ms
    store: Buckets

    def log_message(self, *_) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        asked = {k: v[-1] for k, v in parse_qs(url.query).items()}
        body = self._body()
        with self.store.lock:
            try:
                answer = self._route(url.path, asked, body)
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
        with suppress(ConnectionError):  # of a client that has gone
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

    def _route(self, path: str, asked: dict, body: bytes) -> tuple[int, dict, bytes]:
        pattern = (
            r"(?:/(upload|download))?/storage/v1/b/([^/]+)(?:/o(?:/([^/]+)(/.+)?)?)?"
        )
        match = re.fullmatch(pattern, path)
        if not match:
            raise Refused(404, f"no such address: {path}")
        way, bucket, name, more = match.groups()
        if bucket == FORBIDDEN:
            raise Refused(403, "caller does not have storage.objects.list access")
        if bucket not in self.store.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        objects = self.store.buckets[bucket]
        if bucket == READ_ONLY and self.command != "GET":
            raise Refused(403, "caller does not have storage.objects.create access")
        if way == "upload":
            return self._upload(bucket, asked, body)
        if not path.partition(f"/b/{bucket}")[2]:
            found = {"kind": "storage#bucket", "name": bucket, "id": bucket}
            return _json(found | {"location": "X", "storageClass": "STANDARD"})
        if name is None:
            return self._list(bucket, asked)
        name = unquote(name)
        if more:
            self._there(objects, name)
            content, _, kind = objects[name]
            if target := re.fullmatch(r"/moveTo/o/([^/]+)", more):
                del objects[name]
                return _json(
                    self._put(bucket, unquote(target[1]), content, kind, asked)
                )
            if target := re.fullmatch(r"/rewriteTo/b/([^/]+)/o/([^/]+)", more):
                there = self._put(target[1], unquote(target[2]), content, kind, asked)
                return _json({"done": True, "resource": there})
            raise Refused(400, f"not served here: {path}")
        if self.command == "DELETE":
            self._there(objects, name)
            self._check(objects, name, asked)
            del objects[name]
            self.store.changes.append(("DELETE", name))
            return 204, {}, b""
        self._there(objects, name)
        content, generation, kind = objects[name]
        if way != "download" and asked.get("alt") != "media":
            return _json(_about(bucket, name, objects[name]))
        if asked.get("ifGenerationNotMatch") == str(generation):
            return 304, {}, b""
        self._check(objects, name, asked)
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

    def _list(self, bucket: str, asked: dict) -> tuple[int, dict, bytes]:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter")
        after = asked.get("pageToken", "")
        entries: dict[str, dict | None] = {}
        for name, found in sorted(self.store.buckets[bucket].items()):
            if not name.startswith(prefix) or name < asked.get("startOffset", ""):
                continue
            if asked.get("endOffset") and name >= asked["endOffset"]:
                continue
            if delimiter and delimiter in name[len(prefix) :]:
                folder = name[len(prefix) :].partition(delimiter)[0]
                entries[prefix + folder + delimiter] = None
                if asked.get("includeTrailingDelimiter") != "true":
                    continue
                if not name.endswith(delimiter):
                    continue
            entries[name] = _about(bucket, name, found)
        names = sorted(n for n in entries if n > after)
        most = int(asked.get("maxResults", 1000))
        page = names[:most]
        answer: dict = {"kind": "storage#objects"}
        answer["items"] = [entries[n] for n in page if entries[n]]
        answer["prefixes"] = [n for n in page if not entries[n]]
        if len(names) > most:
            answer["nextPageToken"] = page[-1]
        return _json(answer)

    def _upload(self, bucket: str, asked: dict, body: bytes):
        way = asked.get("uploadType")
        kind = self.headers.get("Content-Type", "application/octet-stream")
        if way == "media":
            return _json(self._put(bucket, asked["name"], body, kind, asked))
        if way == "multipart":
            boundary = re.search(r'boundary="?([^";]+)"?', kind)[1].encode()
            about, content = body.split(b"--" + boundary)[1:3]
            about = json.loads(about.partition(b"\n\n")[2])
            content = content.partition(b"\n\n")[2].removesuffix(b"\n")
            return _json(self._put(bucket, about["name"], content, kind, asked))
        if "upload_id" not in asked:
            number = str(next(self.store.generations))
            name = asked.get("name") or json.loads(body)["name"]
            self.store.uploads[number] = (bucket, name, asked, bytearray())
            address = f"http://{self.headers['Host']}{self.path}&upload_id={number}"
            return 200, {"Location": address}, b""
        bucket, name, first, there = self.store.uploads[asked["upload_id"]]
        span = self.headers.get("Content-Range", "bytes 0-/*")
        start, _, size = re.fullmatch(r"bytes (\d*|\*)-?(\d*)/(.+)", span).groups()
        there[int(start) if start.isdigit() else len(there) :] = body
        if size == "*" or len(there) < int(size):
            return 308, {"Range": f"bytes=0-{len(there) - 1}"}, b""
        del self.store.uploads[asked["upload_id"]]
        return _json(self._put(bucket, name, bytes(there), kind, first))

    def _there(self, objects: dict, name: str) -> None:
        if name not in objects:
            raise Refused(404, f"No such object: {name}")

    def _check(self, objects: dict, name: str, asked: dict) -> None:
        generation = str(objects[name][1]) if name in objects else "0"
        wanted = asked.get("ifGenerationMatch")
        if wanted is not None and wanted != generation:
            raise Refused(412, "At least one of the pre-conditions did not hold.")

    def _put(self, bucket: str, name: str, content: bytes, kind: str, asked: dict):
        objects = self.store.buckets[bucket]
        self._check(objects, name, asked)
        objects[name] = (content, next(self.store.generations), kind)
        self.store.changes.append(("PUT", name))
        return _about(bucket, name, objects[name])


def _json(found: dict) -> tuple[int, dict, bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


def _about(bucket: str, name: str, found: tuple[bytes, int, str]) -> dict:
    content, generation, kind = found
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
    request_queue_size = 1024  # gcsfs and tensorstore come with hundreds at once
    daemon_threads = True


@contextmanager
def serve(*buckets: str) -> Iterator[Buckets]:
    """What lies in it, at `url`."""
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
