"""Locations of a run's files: local folders, or folders in a Google Cloud bucket.

An object in a bucket is complete or absent, and can be neither appended to nor renamed.
Files that grow, and folders of many files, are therefore written locally and uploaded.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from stereojax.cli import InputError, RunError, line_of
from stereojax.storage.atomic import atomic_write

Location = Path | epath.Path  # an epath.Path for a folder in a bucket
BUCKET = "gs://"
_MOST = 300  # characters of a library's error message that an error line repeats


def from_flag(flag: str, value: str) -> Location:
    """Returns the local folder or the bucket folder that a flag names.

    Raises:
      InputError: the address is of another kind, gcsfs is not installed, or the bucket
        does not exist or refuses this account.
    """
    if "://" not in value:
        return Path(value).expanduser()
    if not value.startswith(BUCKET) or not value.removeprefix(BUCKET).strip("/"):
        raise InputError(
            f"--{flag}={value}: expected a folder, or {BUCKET}BUCKET/FOLDER; mount a "
            "bucket of another kind on every host and give the folder it is mounted at"
        )
    # Without this, Orbax and stereojax.records load tensorflow where it is installed.
    os.environ.setdefault("EPATH_USE_TF", "0")
    try:
        import gcsfs  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--{flag}={value}: buckets need gcsfs; run: pip install 'stereojax[gcs]'"
        ) from error
    from fsspec import config

    # These loggers repeat, over many lines, errors that are raised below in one line.
    for name in ("google.auth", "gcsfs"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # A cached listing would hide files that another process has just written.
    config.conf.setdefault("gcs", {}).setdefault("use_listings_cache", False)
    location = epath.Path(value)
    _check_bucket(flag, location)
    return location


def _check_bucket(flag: str, location: epath.Path) -> None:
    file_system, path = _file_system(location)
    bucket = path.partition("/")[0]
    try:
        file_system.info(bucket)
    except FileNotFoundError as error:
        raise InputError(
            f"--{flag}={location}: bucket {bucket} does not exist; create it, or give "
            "another one"
        ) from error
    except Exception as error:  # aiohttp, google-auth and gcsfs share no base class
        raise InputError(
            f"--{flag}={location}: cannot access bucket {bucket}: {short(error)}; run: "
            "gcloud auth application-default login, or grant this account access"
        ) from error


def absolute(location: Location) -> Location:
    return location.absolute() if isinstance(location, Path) else location


def read_text(path: Location) -> str | None:
    """Returns a file's text, or None if the file does not exist."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return None


def write_file(path: Location, content: bytes) -> None:
    """Writes a file atomically; creates the folders above it."""
    if not isinstance(path, Path):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, unique=True) as part:
        part.write_bytes(content)


@contextlib.contextmanager
def staged_write(folder: Location, *, last: str) -> Iterator[Path]:
    """Yields a local folder to write to; uploads it if `folder` is in a bucket.

    Args:
      folder: yielded itself if it is local. In a bucket, its old files are replaced.
      last: the file that marks `folder` as complete. It is deleted first and uploaded
        last, so that readers never take a mixture of old and new files for complete.

    Raises:
      RunError: the upload fails.
    """
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="stereojax-") as temporary:
        local = Path(temporary) / folder.name
        yield local
        with as_run_error(f"cannot write {folder}"):
            file_system, root = _file_system(folder)
            old = {p.removeprefix(f"{root}/") for p in file_system.find(root)}
            if last in old:
                file_system.rm_file(f"{root}/{last}")
            new = {str(p.relative_to(local)) for p in local.rglob("*") if p.is_file()}
            upload(local, sorted(new - {last}), folder)
            if stale := sorted(old - new):
                file_system.rm([f"{root}/{name}" for name in stale])
            upload(local, [last], folder)


@contextlib.contextmanager
def staged_read(folder: Location) -> Iterator[Path]:
    """Yields a local copy of `folder`; `folder` itself if it is local.

    An InputError raised inside the block names `folder` instead of the copy.

    Raises:
      RunError: the download fails.
    """
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="stereojax-") as temporary:
        local = Path(temporary) / folder.name
        with as_run_error(f"cannot read {folder}"):
            file_system, root = _file_system(folder)
            names = [p.removeprefix(f"{root}/") for p in file_system.find(root)]
            file_system.get(
                [f"{root}/{name}" for name in names],
                [str(local / name) for name in names],
            )
        try:
            yield local
        except InputError as error:
            raise InputError(
                str(error).replace(temporary, str(folder.parent))
            ) from error


def upload(local: Path, names: Sequence[str], folder: epath.Path) -> None:
    """Copies the named files of a local folder to a bucket folder, in parallel."""
    file_system, root = _file_system(folder)
    file_system.put(
        [str(local / name) for name in names], [f"{root}/{name}" for name in names]
    )


@contextlib.contextmanager
def as_run_error(doing: str) -> Iterator[None]:
    """Turns any error of a disk or a bucket into a one-line RunError.

    Args:
      doing: the line's first words, such as "cannot read gs://bucket/run".
    """
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:
        raise RunError(f"{doing}: {short(error)}") from error


def short(error: Exception) -> str:
    """Returns the first 300 characters of an error's line."""
    return line_of(error)[:_MOST]


def _file_system(location: epath.Path) -> tuple[Any, str]:
    """Returns fsspec's file system and the path in it, BUCKET/FOLDER."""
    import fsspec

    file_system, path = fsspec.core.url_to_fs(str(location))
    return file_system, path.rstrip("/")
