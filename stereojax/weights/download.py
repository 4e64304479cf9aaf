"""One file from a server, whole or not at all, and failures found out in seconds.

Not huggingface_hub's own download, which retries for ever where a server breaks off
and cannot resume.
"""

import hashlib
import sys
from pathlib import Path
from typing import IO, Any

from stereojax.cli import RunError
from stereojax.weights.session import NetworkError, request

ATTEMPTS = 3


def download(label: str, url: str, target: Path, *, sha256: str | None = None) -> None:
    """Writes what lies at `url` to `target`, beside it first.

    `sha256` is the known digest of the file; without it that of the server, if any.

    Raises:
      InputError, NetworkError: as `request`.
      RunError: the file is not the one that is known, or that the server announced.
    """
    from huggingface_hub.utils import tqdm

    partial = target.with_name(target.name + ".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            partial.open("wb") as file,
            tqdm(
                desc=target.name,
                unit="B",
                unit_scale=True,
                mininterval=0.2 if sys.stderr.isatty() else 30,
            ) as progress,
        ):
            announced = _fill(file, label, url, progress)
        sha256 = sha256 or announced
        if sha256 and sha256 != _sha256(partial):
            raise RunError(f"{url}: arrived changed (SHA-256); try again")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _fill(file: IO[bytes], label: str, url: str, progress: Any) -> str | None:
    """Gets everything, resuming where that works; returns the announced SHA-256."""
    failures, total = 0, None
    while True:
        start = file.tell()
        try:
            with request(label, url, start=start) as answer:
                if answer.status_code != 206:
                    file.seek(0)
                    file.truncate()
                length = answer.headers.get("content-length")
                total = file.tell() + int(length) if length else None
                progress.reset(total)
                progress.update(file.tell())
                for block in answer.iter_bytes():
                    file.write(block)
                    progress.update(len(block))
                sha256 = _announced(answer)
            if total in (None, file.tell()):
                return sha256
            reason = "incomplete"
        except NetworkError as error:
            reason = str(error)
        # Only an answer that goes on from where the last one broke off is progress.
        resumed = start and file.tell() > start
        failures = 1 if resumed else failures + 1
        if failures == ATTEMPTS:
            raise NetworkError(
                f"{url}: broke off after {file.tell()} of "
                f"{total or 'unknown'} bytes, {ATTEMPTS} times ({reason}); try again"
            )


def _announced(answer: Any) -> str | None:
    """The SHA-256 of a large file, which the hub names before it redirects."""
    for step in (*answer.history, answer):
        if etag := step.headers.get("x-linked-etag", "").strip('"'):
            return etag if len(etag) == 64 else None
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
