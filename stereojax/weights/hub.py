"""A repository on the Hugging Face hub, as a folder whose files come when asked for."""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from stereojax.cli import RunError
from stereojax.weights.download import download
from stereojax.weights.session import (
    NetworkError,
    check_reachable,
    endpoint,
    is_offline,
    request,
)


class HubRepo:
    """A repository; a context, in which no other process fetches it.

    What it fetches lies in `downloads` and goes when the context ends, except that
    whole files stay for the next try when the network failed.
    """

    def __init__(self, repo: str, downloads: Path):
        self.label = repo
        self._folder = downloads / repo.replace("/", "--")

    def __enter__(self) -> "HubRepo":
        """Raises NetworkError, within seconds, where the hub cannot be reached."""
        from filelock import FileLock, Timeout

        if is_offline():
            raise NetworkError(f"{self.label}: HF_HUB_OFFLINE forbids to fetch it")
        check_reachable()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder.with_name(self._folder.name + ".lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            print(f"{self.label}: another process fetches it; waiting", file=sys.stderr)
            self._lock.acquire()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None or not issubclass(kind, NetworkError | KeyboardInterrupt):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()

    def names(self) -> list[str]:
        """The files of the repository."""
        with request(self.label, f"/api/models/{self.label}") as answer:
            body = answer.read()
        try:
            return [file["rfilename"] for file in json.loads(body)["siblings"]]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{endpoint()}: does not answer as a hub does") from error

    def get(self, name: str) -> Path:
        """The file `name`, fetched if need be."""
        target = self._folder / name
        if not target.is_file():
            download(self.label, f"/{self.label}/resolve/main/{quote(name)}", target)
        return target
