"""Hashes of files, with progress or in a thread of their own."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from stereojax.cli import Progress

_CHUNK = 1 << 20  # 1 MiB, the unit of progress
_DELAY = 1.0  # seconds before progress is shown


class Digest:
    """Hashes a file in a thread of its own while the `with` block runs."""

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
        """Waits for the end of the file; returns the `content_hash`."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()

    def _work(self) -> None:
        try:
            for chunk in _chunks(self._path):
                if self._stop.is_set():
                    return
                self._hash.update(chunk)
        except OSError as error:
            self._error = error


def content_hash(path: Path, *, label: str | None = None) -> str:
    """Hashes a file's bytes, or the names and bytes of a folder's files.

    The hash is BLAKE2b of 256 bits, in hexadecimal. `label`: shows progress under this
    label if hashing takes more than a second.
    """
    is_folder = path.is_dir()
    files = sorted(p for p in path.iterdir() if p.is_file()) if is_folder else [path]
    progress = None
    if label is not None:
        total = sum(-(-file.stat().st_size // _CHUNK) for file in files)
        progress = Progress(label, total, unit="MiB", delay=_DELAY)
    hashes = []
    for file in files:
        digest = hashlib.blake2b(digest_size=32)
        for chunk in _chunks(file):
            digest.update(chunk)
            if progress is not None:
                progress.add(1)
        hashes.append(digest.hexdigest())
    if progress is not None:
        progress.close()
    if not is_folder:
        return hashes[0]
    named = "".join(f"{f.name}\0{h}\0" for f, h in zip(files, hashes, strict=True))
    return hashlib.blake2b(named.encode(), digest_size=32).hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
