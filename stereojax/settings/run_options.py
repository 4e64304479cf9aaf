"""The options of an inference run besides the look: inputs, outputs, files."""

import dataclasses
import math
from pathlib import Path

from stereojax.cli import InputError


@dataclasses.dataclass(frozen=True)
class Preview:
    """A clip of the film: its length, and its start (None: a third into the film)."""

    seconds: float
    start: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Preview":
        """Parses `SECONDS` or `SECONDS@START`, both in seconds."""
        seconds, at, start = text.partition("@")
        try:
            preview = cls(float(seconds), float(start) if at else None)
        except ValueError:
            preview = None
        if preview is None or not preview._is_valid():
            raise InputError(
                f"--preview={text}: expected SECONDS or SECONDS@START, such as 10@60"
            )
        return preview

    def _is_valid(self) -> bool:
        start = self.start or 0.0
        return 0 < self.seconds < math.inf and 0 <= start < math.inf

    def span(self, duration: float) -> tuple[float, float]:
        """Returns start and length in seconds; a `duration` of 0 is unknown."""
        start = duration / 3 if self.start is None else self.start
        if duration and start >= duration:
            raise InputError(
                f"--preview: {start:g} s is after the end of the film, {duration:g} s"
            )
        return start, self.seconds


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of a run; of these only the depth options change a picture."""

    depth_path: Path | None = None  # read depth from this file or folder
    depth_units: str | None = None  # "relative" or "pixels"; None: as the file says
    depth_only: bool = False  # OUTPUT is a depth file
    preview: Preview | None = None
    splat_grid: bool = False  # the input is a film of 2x2 splat grids
    debug_grid: bool = False  # also write splat grids: left, depth, mask, warped
    overwrite: bool = False  # replace an existing output
    keep_work: bool = False  # keep OUTPUT.work for the next look
    offline: bool = False  # download no weights
    allow_truncated: bool = False  # convert the readable part of a damaged file
    given: tuple[str, ...] = ()  # settings that the user gave, by name
    weights_dir: Path | None = None  # root of converted weights
