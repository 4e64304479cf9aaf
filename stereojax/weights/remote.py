"""Remote folders of weights, which fetch their files; failures take seconds."""

import abc
import hashlib
import os
import shutil
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from stereojax.cli import InputError, RunError, line_of
from stereojax.storage.atomic import atomic_write
from stereojax.weights.catalogue import CATALOGUE

SECONDS_TO_CONNECT = 5
SECONDS_OF_SILENCE = 15  # without data, before a download fails


class NetworkError(RunError):
    """The server cannot be reached, or the connection broke."""


class RemoteFolder(abc.ABC):
    """A context that keeps other processes from fetching the same files.

    Fetched files are kept in `folder` until the context ends. If the network failed,
    complete files stay for the next attempt.
    """

    def __init__(self, label: str, server: str, folder: Path):
        self.label, self._server, self._folder = label, server, folder

    def __enter__(self) -> "RemoteFolder":
        """Raises NetworkError, within seconds, if the server cannot be reached."""
        from filelock import FileLock, Timeout

        if is_offline():
            raise NetworkError(f"{self.label}: HF_HUB_OFFLINE forbids fetching it")
        check_reachable(self._server)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder.with_name(self._folder.name + ".lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            print(
                f"{self.label}: waiting for another process that fetches it",
                file=sys.stderr,
            )
            self._lock.acquire()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None or not issubclass(kind, NetworkError | KeyboardInterrupt):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()

    @abc.abstractmethod
    def names(self) -> list[str]:
        """Returns the names of the folder's files."""

    def get(self, name: str) -> Path:
        """Returns the local copy of the file `name`; fetches it at the first call.

        Raises:
          InputError: the server does not have the file, or refuses access.
          NetworkError: the connection failed.
          RunError: the file's SHA-256 is not the expected one.
        """
        target = self._folder / name
        if not target.is_file():
            self._download(name, target)
        return target

    @abc.abstractmethod
    def _download(self, name: str, target: Path) -> None:
        """Fetches the file `name` to `target`; raises as `get` does."""


class WebFile(RemoteFolder):
    """A single weights file at a web address.

    If the catalogue has a part with this address, the file's SHA-256 must be the
    catalogue's.
    """

    def __init__(self, url: str, downloads: Path):
        parts = urlsplit(url)
        folder = downloads / f"{parts.netloc}{parts.path}".replace("/", "--")
        super().__init__(url, f"{parts.scheme}://{parts.netloc}", folder)
        self._name = Path(parts.path).name
        hashes = (part.sha256 for part in CATALOGUE.values() if part.repo == url)
        self._sha256 = next(hashes, None)

    def names(self) -> list[str]:
        return [self._name]

    def _download(self, name: str, target: Path) -> None:
        try:
            with (
                urllib.request.urlopen(self.label, timeout=SECONDS_OF_SILENCE) as body,
                atomic_write(target) as part,
                part.open("wb") as file,
            ):
                shutil.copyfileobj(body, file)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise InputError(f"{self.label}: not found; check the name") from error
            raise NetworkError(
                f"{self.label}: the server answered {error.code}; try again"
            ) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise NetworkError(f"{self.label}: {line_of(error)}") from error
        if self._sha256:
            check_sha256(target, self._sha256, self.label)


def endpoint() -> str:
    """Returns the hub's address: HF_ENDPOINT, or the public one."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Returns whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    value = os.environ.get("HF_HUB_OFFLINE", "").upper()
    return value in ("1", "ON", "YES", "TRUE") or constants.is_offline_mode()


def check_reachable(server: str) -> None:
    """Raises NetworkError, within seconds, if `server` does not answer.

    huggingface_hub alone takes most of a minute to notice that there is no network.
    """
    from huggingface_hub import get_session

    failure: list[str] = ["no answer"]

    def ask() -> None:
        try:
            get_session().head(server, timeout=SECONDS_TO_CONNECT)
            failure.clear()
        except Exception as error:
            failure[0] = line_of(error)

    # A thread limits the time, because looking up a host name has no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_CONNECT)
    if failure:
        raise NetworkError(f"{server}: no connection ({failure[0]})")


def check_sha256(path: Path, expected: str, source: str) -> None:
    """Removes a file and raises RunError if its SHA-256 is not the expected one."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        path.unlink()
        raise RunError(
            f"{source}: download differs from the published file (SHA-256); try again"
        )
