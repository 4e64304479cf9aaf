"""Options of an inference run, besides `InferSettings`: inputs, outputs and files."""

import dataclasses
import math
from pathlib import Path

from stereojax.cli import InputError


@dataclasses.dataclass(frozen=True)
class Preview:
    """A clip of the film; a `start` of None is a third of the film's length."""

    seconds: float  # length of the clip
    start: float | None = None  # seconds

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
        """Returns start and length in seconds.

        `duration` is the length of the film, in seconds; 0 if unknown.
        """
        start = duration / 3 if self.start is None else self.start
        if duration and start >= duration:
            raise InputError(
                f"--preview: {start:g} s is after the end of the film, {duration:g} s"
            )
        return start, self.seconds


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of a run; only the depth options affect the pixels of a frame."""

    depth_path: Path | None = None  # read depth from this file or folder
    depth_units: str | None = None  # "relative" or "pixels"; None: as the file says
    depth_only: bool = False  # OUTPUT is a depth file
    preview: Preview | None = None
    splat_grid: bool = False  # the input is a film of 2x2 splat grids
    debug_grid: bool = False  # also write splat grids: left, depth, mask, warped
    overwrite: bool = False  # replace an existing output
    keep_work: bool = False  # keep OUTPUT.work for a run with other settings
    offline: bool = False  # download no weights
    allow_truncated: bool = False  # convert the readable part of a damaged file
    given: tuple[str, ...] = ()  # names of the settings that the user set
    weights_dir: Path | None = None  # root of converted weights
