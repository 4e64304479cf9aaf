"""A folder of growing files; in a bucket, a local folder that is uploaded from time to
time.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from stereojax.cli import RunError
from stereojax.storage import locations

MIN_PAUSE = 10.0  # seconds between two uploads, each of complete files
MAX_SHARE = 0.05  # share of the run's time that uploads may take


class MirroredFolder:
    """A local folder whose files also appear at `location`.

    `folder` is the local folder to write to. If `location` is local, both are the same.
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
        """Downloads the file of this name, if it exists, to append to it."""
        if not self._remote:
            return
        text = locations.read_text(self._location / name)
        if text is not None:
            (self.folder / name).write_text(text)
            self._uploaded[name] = (self.folder / name).stat().st_size

    def upload(self, *, now: bool = False) -> None:
        """Uploads the files that have grown; without `now`, only when one is due.

        Raises:
          RunError: the bucket refuses.
        """
        if not self._remote or not (now or time.monotonic() >= self._next_upload):
            return
        start = time.monotonic()
        files = [p for p in self.folder.rglob("*") if p.is_file()]
        sizes = {str(p.relative_to(self.folder)): p.stat().st_size for p in files}
        grown = [n for n, size in sizes.items() if self._uploaded.get(n) != size]
        if grown:
            with locations.as_run_error(f"cannot write to {self._location}"):
                locations.upload(self.folder, grown, self._location)
        self._uploaded = sizes
        seconds = time.monotonic() - start
        self._next_upload = time.monotonic() + max(MIN_PAUSE, seconds / MAX_SHARE)

    def close(self) -> None:
        """Tries to upload the rest; a failure must not hide the run's error."""
        if not self._remote:
            return
        with contextlib.suppress(RunError):
            self.upload(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)
