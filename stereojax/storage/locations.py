"""Where a run lies: a folder of this machine, or one in a bucket.

In a bucket an object is whole or not there, and nothing is added to it or renamed. So
what grows, and what is made of many files, is made on this machine and copied.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from stereojax.cli import InputError, RunError

Place = Path | epath.Path  # the second where it is in a bucket
BUCKET = "gs://"


def find(flag: str, value: str) -> Place:
    """The folder or the bucket's folder that the user has given.

    Raises:
      InputError: an address of another kind, gcsfs is not installed, or there is no
        such bucket, or not for this user.
    """
    if "://" not in value:
        return Path(value).expanduser()
    if not value.startswith(BUCKET) or not value.removeprefix(BUCKET).strip("/"):
        raise InputError(
            f"--{flag}={value}: expected a folder, or {BUCKET}BUCKET/FOLDER; mount a "
            "bucket of another kind on every host and give the folder it is mounted at"
        )
    # Else Orbax and our records would load tensorflow, where it is installed.
    os.environ.setdefault("EPATH_USE_TF", "0")
    try:
        import gcsfs  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--{flag}={value}: buckets need gcsfs; run: pip install 'stereojax[gcs]'"
        ) from error
    from fsspec import config

    for name in ("google.auth", "gcsfs"):  # what they fail at comes as our own line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # What another process writes is there at once.
    config.conf.setdefault("gcs", {}).setdefault("use_listings_cache", False)
    place = epath.Path(value)
    system, path = _system(place)
    bucket = path.partition("/")[0]
    try:
        system.info(bucket)
    except FileNotFoundError as error:
        raise InputError(
            f"--{flag}={value}: there is no bucket {bucket}; make it, or give another"
        ) from error
    except Exception as error:  # aiohttp's, Google's and gcsfs's own have no one parent
        raise InputError(
            f"--{flag}={value}: bucket {bucket} cannot be seen: {reason(error)}; run: "
            "gcloud auth application-default login, or have this account let in"
        ) from error
    return place


def absolute(place: Place) -> Place:
    return place.absolute() if isinstance(place, Path) else place


def read_text(path: Place) -> str | None:
    """None where there is no such file."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return None


def write(path: Place, content: bytes) -> None:
    """Whole or not at all, with the folders above it."""
    if not isinstance(path, Path):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


@contextlib.contextmanager
def made(folder: Place, *, last: str) -> Iterator[Path]:
    """`folder`; or one of this machine, whose files lie in `folder` afterwards.

    `last`: the file without which nobody takes `folder` for whole. While it is
    replaced, it is not there.

    Raises:
      RunError: it cannot be copied.
    """
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="stereojax-") as temporary:
        here = Path(temporary) / folder.name
        yield here
        with told(f"cannot write {folder}"):
            system, there = _system(folder)
            old = {p.removeprefix(f"{there}/") for p in system.find(there)}
            if last in old:
                system.rm_file(f"{there}/{last}")
            new = {str(p.relative_to(here)) for p in here.rglob("*") if p.is_file()}
            copy(here, sorted(new - {last}), folder)
            if stale := sorted(old - new):
                system.rm([f"{there}/{name}" for name in stale])
            copy(here, [last], folder)


@contextlib.contextmanager
def fetched(folder: Place) -> Iterator[Path]:
    """`folder`; or a copy of it on this machine, whose errors name `folder`.

    Raises:
      RunError: it cannot be copied.
    """
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="stereojax-") as temporary:
        here = Path(temporary) / folder.name
        with told(f"cannot read {folder}"):
            system, there = _system(folder)
            names = [p.removeprefix(f"{there}/") for p in system.find(there)]
            system.get(
                [f"{there}/{name}" for name in names],
                [str(here / name) for name in names],
            )
        try:
            yield here
        except InputError as error:
            raise InputError(
                str(error).replace(temporary, str(folder.parent))
            ) from error


def copy(here: Path, names: Sequence[str], there: epath.Path) -> None:
    """Files below `here` to the same names below `there`, many at a time."""
    system, folder = _system(there)
    system.put(
        [str(here / name) for name in names], [f"{folder}/{name}" for name in names]
    )


@contextlib.contextmanager
def told(doing: str) -> Iterator[None]:
    """Raises RunError for what a disk or a bucket refuses."""
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:
        raise RunError(f"{doing}: {reason(error)}") from error


def reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def _system(place: epath.Path) -> tuple[Any, str]:
    """fsspec's file system, and the path in it: BUCKET/FOLDER."""
    import fsspec

    system, path = fsspec.core.url_to_fs(str(place))
    return system, path.rstrip("/")
