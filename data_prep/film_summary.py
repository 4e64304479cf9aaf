"""What became of one film: every sequence, kept or dropped, and why."""

import collections
import dataclasses

from stereojax.cli import InputError


class Refused(InputError):
    """Nothing is taken from a film: one line that says why, and a name to count by."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name  # "mono", "fake_stereo", "swapped_eyes", "too_small", ...


@dataclasses.dataclass(frozen=True)
class Sample:
    """One sequence of a shot."""

    shot: int
    first: int  # frame of the film
    frames: int
    dropped: str | None = None  # by which filter; None: it became a record
    psnr: float | None = None  # dB of the warp on what landed; None: never warped
    shift: float = 0.0  # pixels that right views moved to the left, at record size
    statistics: dict[str, float] = dataclasses.field(default_factory=dict)
    disparities: tuple[int, ...] = ()  # counts in bins of `DISPARITY_BIN` pixels from 0
    thumbnail: bytes = b""  # JPEG of one frame: left, warped, right; a few have one


DISPARITY_BIN = 2


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `process` did with one film."""

    source: str  # the film's file name
    source_hash: str
    kind: str  # "stereo" or "mono"
    layout: str  # how the eyes were packed: full_sbs, half_tb, ..., mono
    frames: int
    shots: tuple[int, ...]  # lengths in frames
    samples: tuple[Sample, ...]
    seconds: dict[str, float]  # spent in each stage

    @property
    def counters(self) -> dict[str, int]:
        """frames, shots, kept, kept_frames, matched_frames, and dropped_<filter>s."""
        counts: collections.Counter[str] = collections.Counter(
            frames=self.frames, shots=len(self.shots), kept=0, kept_frames=0
        )
        for sample in self.samples:
            if sample.psnr is not None:
                counts["matched_frames"] += sample.frames
            if sample.dropped:
                counts[f"dropped_{sample.dropped}"] += 1
            else:
                counts["kept"] += 1
                counts["kept_frames"] += sample.frames
        return dict(counts)
