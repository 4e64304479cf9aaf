"""A folder whose files grow while a run goes on: its own, or one copied to a bucket."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from stereojax.cli import RunError
from stereojax.storage import locations

PAUSE = 10.0  # seconds between two copies, which are of whole files
SHARE = 0.05  # of the time, that copies may take


class Growing:
    """`folder` is where to write."""

    def __init__(self, place: locations.Place):
        self._place = place
        self._remote = not isinstance(place, Path)
        if self._remote:
            self.folder = Path(tempfile.mkdtemp(prefix="stereojax-"))
        else:
            self.folder = Path(place)
        self._copied: dict[str, int] = {}  # sizes
        self._due = 0.0

    def bring(self, name: str) -> None:
        """Goes on with the file of this name, where there is one."""
        if not self._remote:
            return
        text = locations.read_text(self._place / name)
        if text is not None:
            (self.folder / name).write_text(text)
            self._copied[name] = (self.folder / name).stat().st_size

    def keep(self, *, now: bool = False) -> None:
        """Copies what has grown; without `now`, not soon after the last time.

        Raises:
          RunError: the bucket refuses.
        """
        if not self._remote or not (now or time.monotonic() >= self._due):
            return
        start = time.monotonic()
        files = [p for p in self.folder.rglob("*") if p.is_file()]
        sizes = {str(p.relative_to(self.folder)): p.stat().st_size for p in files}
        grown = [n for n, size in sizes.items() if self._copied.get(n) != size]
        if grown:
            with locations.told(f"cannot write to {self._place}"):
                locations.copy(self.folder, grown, self._place)
        self._copied = sizes
        took = time.monotonic() - start
        self._due = time.monotonic() + max(PAUSE, took / SHARE)

    def close(self) -> None:
        """Tries to copy the rest: a run that has failed has something else to say."""
        if not self._remote:
            return
        with contextlib.suppress(RunError):
            self.keep(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)
