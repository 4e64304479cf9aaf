"""Writes growing files to a local folder and uploads them to a bucket at intervals."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from stereojax.cli import RunError
from stereojax.storage import locations

MIN_PAUSE = 10.0  # seconds between two uploads; each uploads whole files
MAX_SHARE = 0.05  # largest share of the run's time that uploads take


class MirroredFolder:
    """A local folder, `folder`, whose files are uploaded to `location`.

    If `location` is local, it is `folder` itself and nothing is uploaded.
    """

    def __init__(self, location: locations.Location):
        self._location = location
        self._remote = not isinstance(location, Path)
        if self._remote:
            self.folder = Path(tempfile.mkdtemp(prefix="stereojax-"))
        else:
            self.folder = Path(location)
        self._uploaded: dict[str, int] = {}  # file sizes by name
        self._next_upload = 0.0

    def download(self, name: str) -> None:
        """Downloads the file `name`, if it exists, so that rows can be appended."""
        if not self._remote:
            return
        text = locations.read_text(self._location / name)
        if text is not None:
            (self.folder / name).write_text(text)
            self._uploaded[name] = (self.folder / name).stat().st_size

    def upload(self, *, now: bool = False) -> None:
        """Uploads the files whose size changed; at most once per pause unless `now`.

        Raises:
          RunError: the files cannot be uploaded.
        """
        if not self._remote or not (now or time.monotonic() >= self._next_upload):
            return
        start = time.monotonic()
        files = [p for p in self.folder.rglob("*") if p.is_file()]
        sizes = {str(p.relative_to(self.folder)): p.stat().st_size for p in files}
        changed = [n for n, size in sizes.items() if self._uploaded.get(n) != size]
        if changed:
            with locations.as_run_error(f"cannot write to {self._location}"):
                locations.upload(self.folder, changed, self._location)
        self._uploaded = sizes
        seconds = time.monotonic() - start
        self._next_upload = time.monotonic() + max(MIN_PAUSE, seconds / MAX_SHARE)

    def close(self) -> None:
        """Uploads the rest; ignores errors, which would hide the error of the run."""
        if not self._remote:
            return
        with contextlib.suppress(RunError):
            self.upload(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)
