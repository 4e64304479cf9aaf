"""The hash of a file's content, worked out beside other work."""

import hashlib
import threading
from pathlib import Path

_CHUNK = 1 << 20


class Digest:
    """BLAKE2b of a file, in a thread of its own while the `with` block runs."""

    def __init__(self, path: Path):
        self._path = path
        self._hash = hashlib.blake2b(digest_size=32)
        self._stop = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)

    def __enter__(self) -> "Digest":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def result(self) -> str:
        """Waits for the end of the file; hexadecimal."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()

    def _work(self) -> None:
        try:
            with self._path.open("rb") as file:
                while not self._stop.is_set() and (chunk := file.read(_CHUNK)):
                    self._hash.update(chunk)
        except OSError as error:
            self._error = error


def content_hash(path: Path) -> str:
    """A hash of a file's bytes, or of all files of a folder and their names."""
    files = (
        sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    )
    total = hashlib.blake2b(digest_size=16)
    for file in files:
        if path.is_dir():
            total.update(file.name.encode())
        with file.open("rb") as handle:
            total.update(hashlib.file_digest(handle, hashlib.blake2b).digest())
    return total.hexdigest()
