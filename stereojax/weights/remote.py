"""Files on a server, as a folder whose files come when asked for."""

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stereojax.weights.catalogue import CATALOGUE
from stereojax.weights.download import download
from stereojax.weights.session import NetworkError, check_reachable, is_offline


class RemoteFolder:
    """A context, in which no other process fetches the same files.

    What it fetches lies in `downloads` and goes when the context ends, except that
    whole files stay for the next try when the network failed.
    """

    def __init__(self, label: str, server: str, folder: Path):
        self.label, self._server, self._folder = label, server, folder

    def __enter__(self) -> "RemoteFolder":
        """Raises NetworkError, within seconds, where the server cannot be reached."""
        from filelock import FileLock, Timeout

        if is_offline():
            raise NetworkError(f"{self.label}: HF_HUB_OFFLINE forbids to fetch it")
        check_reachable(self._server)
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
        """The files of the folder."""
        raise NotImplementedError

    def get(self, name: str) -> Path:
        """The file `name`, fetched if need be."""
        target = self._folder / name
        if not target.is_file():
            self._download(name, target)
        return target

    def _download(self, name: str, target: Path) -> None:
        raise NotImplementedError


class WebFile(RemoteFolder):
    """One file of weights at a web address.

    Its SHA-256 must be that of the catalogue, if a part there has this address.
    """

    def __init__(self, url: str, downloads: Path):
        parts = urlsplit(url)
        folder = downloads / f"{parts.netloc}{parts.path}".replace("/", "--")
        super().__init__(url, f"{parts.scheme}://{parts.netloc}", folder)
        self._name = Path(parts.path).name
        known = (part.sha256 for part in CATALOGUE.values() if part.repo == url)
        self._sha256 = next(known, None)

    def names(self) -> list[str]:
        return [self._name]

    def _download(self, name: str, target: Path) -> None:
        download(self.label, self.label, target, sha256=self._sha256)
