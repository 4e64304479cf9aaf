"""What an inference run is asked besides the look: what to write, and from what."""

import dataclasses
import math
from pathlib import Path

from stereojax.cli import InputError


@dataclasses.dataclass(frozen=True)
class Preview:
    """A short piece of the film: `seconds` long, from `start` (None: a third in)."""

    seconds: float
    start: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Preview":
        """From `SECONDS` or `SECONDS@START`, both in seconds."""
        seconds, at, start = text.partition("@")
        try:
            preview = cls(float(seconds), float(start) if at else None)
        except ValueError:
            preview = None
        if preview is None or not preview._sane():
            raise InputError(
                f"--preview={text}: expected SECONDS or SECONDS@START, such as 10@60"
            )
        return preview

    def _sane(self) -> bool:
        start = self.start or 0.0
        return 0 < self.seconds < math.inf and 0 <= start < math.inf

    def span(self, duration: float) -> tuple[float, float]:
        """First second and length, inside a film of `duration` seconds."""
        start = duration / 3 if self.start is None else self.start
        if duration and start >= duration:
            raise InputError(
                f"--preview: {start:g} s lies behind the film's end, {duration:g} s"
            )
        return start, self.seconds


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run: nothing but `depth_path` changes a picture."""

    depth_path: Path | None = None  # depth from this file or folder
    depth_units: str | None = None  # "relative" or "pixels"; None: as the file says
    depth_only: bool = False  # OUTPUT is the depth file
    preview: Preview | None = None
    splat_grid: bool = False  # the input is such a grid: left, depth, mask, warped
    debug_grid: bool = False  # also the published tool's 2x2 grid
    overwrite: bool = False
    keep_work: bool = False  # leave OUTPUT.work for the next look
    offline: bool = False  # fetch nothing
    allow_truncated: bool = False
    weights_dir: Path | None = None
