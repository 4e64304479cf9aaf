"""Locations of a run's files: local folders, or folders in a Google Cloud bucket.

A bucket cannot append to an object or rename it. Files that grow, and folders of many
files, are therefore written locally and uploaded.
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

Location = Path | epath.Path  # epath.Path: a folder in a bucket
BUCKET = "gs://"
_MAX_ERROR_LENGTH = 300  # characters quoted from a library's error message


def from_flag(flag: str, value: str) -> Location:
    """Returns the local folder or the bucket folder that a flag names.

    Raises:
      InputError: the value is another kind of URL, gcsfs is not installed, or the
        bucket does not exist or denies access.
    """
    if "://" not in value:
        return Path(value).expanduser()
    if not value.startswith(BUCKET) or not value.removeprefix(BUCKET).strip("/"):
        raise InputError(
            f"--{flag}={value}: expected a folder, or {BUCKET}BUCKET/FOLDER; mount a "
            "bucket of another kind on every host and pass the mount point"
        )
    # Without this, Orbax and stereojax.records load tensorflow if it is installed.
    os.environ.setdefault("EPATH_USE_TF", "0")
    try:
        import gcsfs  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--{flag}={value}: buckets need gcsfs; run: pip install 'stereojax[gcs]'"
        ) from error
    from fsspec import config

    # `_check_bucket` reports in one line the errors that these loggers print in many.
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
            f"--{flag}={location}: bucket {bucket} does not exist; create it, or name "
            "another bucket"
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
    with atomic_write(path, unique=True) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def staged_write(folder: Location, *, last: str) -> Iterator[Path]:
    """Yields a local folder to write to; uploads it if `folder` is in a bucket.

    Args:
      folder: a local folder is yielded as it is. In a bucket, the upload replaces all
        old files of the folder.
      last: the file that marks `folder` as complete. The upload deletes this file
        first and writes it last, so that no reader takes a mixture of old and new files
        for a complete folder.

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
    """Yields a local copy of a bucket folder; a local folder is yielded as it is.

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
def as_run_error(failure: str) -> Iterator[None]:
    """Turns any error of a disk or a bucket into a one-line RunError.

    Args:
      failure: start of the error line, such as "cannot read gs://bucket/run".
    """
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:
        raise RunError(f"{failure}: {short(error)}") from error


def short(error: Exception) -> str:
    """Returns an error's message as one line, cut to 300 characters."""
    return line_of(error)[:_MAX_ERROR_LENGTH]


def _file_system(location: epath.Path) -> tuple[Any, str]:
    """Returns fsspec's file system and the path BUCKET/FOLDER within it."""
    import fsspec

    file_system, path = fsspec.core.url_to_fs(str(location))
    return file_system, path.rstrip("/")
