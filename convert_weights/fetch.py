"""Fetches and converts the weights of a network at its first use."""

import sys
from pathlib import Path

from convert_weights.conversion import DOWNLOADS, convert_folder
from convert_weights.sources import open_remote
from stereojax.cli import InputError, RunError
from stereojax.weights import find, require
from stereojax.weights.catalogue import CATALOGUE
from stereojax.weights.remote import RemoteFolder


class _ListedFiles:
    """The files that a network needs from a repository, known without a request."""

    def __init__(self, repo: RemoteFolder, files: tuple[str, ...]):
        self.label, self.get, self._files = repo.label, repo.get, files

    def names(self) -> list[str]:
        return list(self._files)


def find_or_fetch(part: str, *, root: Path, offline: bool = False) -> Path:
    """Returns the folder of network `part` in `root`; fetches it if it is absent.

    Only weights whose licence permits any use are fetched automatically. The download
    is deleted after the conversion. An incomplete or different download is never
    converted.

    Raises:
      InputError: the network is absent and must not be fetched; the line has the
        command to run.
      RunError: fetching failed (a NetworkError, within seconds, if the server cannot be
        reached), or the download is another network.
    """
    if folder := find(part, root=root):
        return folder
    published = CATALOGUE.get(part)
    if offline or published is None or not published.fetch:
        return require(part, root=root)
    try:
        with open_remote(published.repo, root / DOWNLOADS) as repo:
            # Another process may have converted the part while this one waited.
            if folder := find(part, root=root):
                return folder
            print(
                f"fetching {part} from {repo.label}, once "
                f"(licence: {published.licence})",
                file=sys.stderr,
            )
            return convert_folder(_ListedFiles(repo, published.files), root, model=part)
    except InputError as error:  # caused by the server's content, not by the user
        raise RunError(f"cannot fetch {part}: {error}") from error
    except OSError as error:
        raise RunError(f"cannot fetch {part} to {root}: {error}") from error
