"""The outcome of one film: a summary of its sequences, or a refusal.

The outcome is the JSON file that marks a film as finished.
"""

import base64
import collections
import dataclasses
import os

from stereojax.cli import InputError
from stereojax.storage.atomic import read_json, write_json

DISPARITY_BIN = 2  # pixels


class RefusalError(InputError):
    """Refuses a film: the reason in one line, and a short name to count by."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name  # "mono", "fake_stereo", "swapped_eyes", "too_small", ...


@dataclasses.dataclass(frozen=True)
class SequenceSummary:
    """One sequence of a shot: statistics, and the filter that dropped it if any."""

    shot: int
    first: int  # frame number in the film
    frames: int
    dropped: str | None = None  # name of the filter; None: the sequence is a record
    psnr: float | None = None  # dB of the warp outside holes; None: never warped
    shift: float = 0.0  # px by which right views were moved left, at record size
    statistics: dict[str, float] = dataclasses.field(default_factory=dict)
    disparities: tuple[int, ...] = ()  # histogram: bins of `DISPARITY_BIN` px from 0
    thumbnail: bytes = b""  # JPEG of one frame, left, warped, right; kept for a few


@dataclasses.dataclass(frozen=True)
class FilmSummary:
    """A processed film."""

    source: str  # the film's file name
    source_hash: str
    kind: str  # "stereo" or "mono"
    layout: str  # packing of the views: full_sbs, half_tb, ..., mono
    frames: int
    shots: tuple[int, ...]  # lengths in frames
    samples: tuple[SequenceSummary, ...]
    seconds: dict[str, float]  # by stage

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


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A film that was refused; the same settings refuse it again."""

    source: str  # the film's file name
    source_hash: str
    name: str  # to count by: "mono", "fake_stereo", ...
    message: str


FilmOutcome = FilmSummary | Refusal


def write_outcome(path: os.PathLike, outcome: FilmOutcome) -> None:
    """Writes the outcome as JSON, atomically."""
    content = dataclasses.asdict(outcome)
    for sample in content.get("samples", ()):
        sample["thumbnail"] = base64.b64encode(sample["thumbnail"]).decode()
    kind = "refusal" if isinstance(outcome, Refusal) else "summary"
    write_json(path, {kind: content})


def read_outcome(path: os.PathLike) -> FilmOutcome | None:
    """Reads the outcome; None if the file is absent or holds something else."""
    content = read_json(path)
    try:
        if "refusal" in content:
            return Refusal(**content["refusal"])
        fields = content["summary"]
        samples = [_parse_sample(sample) for sample in fields["samples"]]
        lists = {"shots": tuple(fields["shots"]), "samples": tuple(samples)}
        return FilmSummary(**fields | lists)
    except (KeyError, TypeError, ValueError):
        return None


def _parse_sample(fields: dict) -> SequenceSummary:
    thumbnail = base64.b64decode(fields["thumbnail"])
    disparities = tuple(fields["disparities"])
    return SequenceSummary(
        **fields | {"thumbnail": thumbnail, "disparities": disparities}
    )
