"""A part of the weights, fetched and converted the first time it is needed."""

import sys
from pathlib import Path

from convert_weights.conversion import DOWNLOADS, convert_folder
from convert_weights.sources import open_remote
from stereojax.cli import InputError, RunError
from stereojax.weights import find, require
from stereojax.weights.catalogue import CATALOGUE
from stereojax.weights.remote import RemoteFolder


class _Files:
    """The files of a repository that a part is made of, without asking for its list."""

    def __init__(self, repo: RemoteFolder, files: tuple[str, ...]):
        self.label, self.get, self._files = repo.label, repo.get, files

    def names(self) -> list[str]:
        return list(self._files)


def ensure(part: str, *, root: Path, offline: bool = False) -> Path:
    """The folder of `part` in `root`; fetched and converted if it may be and must.

    Only weights that are free for any use are fetched unasked. The download does not
    stay; what is not whole, or not the part, is never put in its place.

    Raises:
      InputError: it is not there and not to be fetched; the line says what to run.
      RunError: it could not be fetched (a NetworkError, within seconds, if the server
        was not reached), or what came is not the part.
    """
    if folder := find(part, root=root):
        return folder
    published = CATALOGUE.get(part)
    if offline or published is None or not published.fetch:
        return require(part, root=root)
    try:
        with open_remote(published.repo, root / DOWNLOADS) as repo:
            if folder := find(part, root=root):  # by another process, meanwhile
                return folder
            print(
                f"fetching {part} from {repo.label}, once "
                f"(licence: {published.licence})",
                file=sys.stderr,
            )
            return convert_folder(_Files(repo, published.files), root, model=part)
    except InputError as error:  # of the server's making, not of the user's
        raise RunError(f"cannot fetch {part}: {error}") from error
    except OSError as error:
        raise RunError(f"cannot fetch {part} to {root}: {error}") from error
