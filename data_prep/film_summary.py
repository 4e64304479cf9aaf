"""The outcome of one film: a summary of its sequences, or a refusal.

The outcome is stored as JSON. The presence of the file marks the film as finished.
"""

import base64
import collections
import dataclasses
import os

from stereojax.cli import InputError
from stereojax.storage.atomic import read_json, write_json

DISPARITY_BIN = 2  # pixels


class RefusalError(InputError):
    """Raised if a film cannot be used: one line, and a short name of the reason."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name  # "mono", "fake_stereo", ...; refusals are counted by it


@dataclasses.dataclass(frozen=True)
class SequenceSummary:
    """Summary of one sequence of a shot: statistics, and the filter that dropped it."""

    shot: int
    first: int  # frame number in the film
    frames: int
    dropped: str | None = None  # name of the filter; None: a record was written
    psnr: float | None = (
        None  # dB, of the splatted left view outside holes; None: not splatted
    )
    shift: float = 0.0  # px at record size by which right views were moved left
    statistics: dict[str, float] = dataclasses.field(default_factory=dict)
    disparities: tuple[int, ...] = ()  # histogram: bins of `DISPARITY_BIN` px from 0
    thumbnail: bytes = b""  # JPEG: left, splatted, right; empty for most sequences


@dataclasses.dataclass(frozen=True)
class FilmSummary:
    """Summary of a film that was processed to the end."""

    source: str  # the film's file name
    source_hash: str
    kind: str  # "stereo" or "mono"
    layout: str  # packing of the views: "full_sbs", "half_tb", ..., or "mono"
    frames: int
    shots: tuple[int, ...]  # lengths in frames
    samples: tuple[SequenceSummary, ...]  # the sequences, dropped ones too
    seconds: dict[str, float]  # processing time by stage

    @property
    def counters(self) -> dict[str, int]:
        """Returns frames, shots, kept, kept_frames, matched_frames, dropped_FILTER."""
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
    """A film that cannot be used; the same settings refuse it again."""

    source: str  # the film's file name
    source_hash: str
    name: str  # short name of the reason: "mono", "fake_stereo", ...
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
    """Reads the outcome; returns None if the file is absent or not an outcome."""
    content = read_json(path)
    try:
        if "refusal" in content:
            return Refusal(**content["refusal"])
        fields = content["summary"]
        samples = [_parse_sample(sample) for sample in fields["samples"]]
        tuples = {"shots": tuple(fields["shots"]), "samples": tuple(samples)}
        return FilmSummary(**fields | tuples)
    except (KeyError, TypeError, ValueError):
        return None


def _parse_sample(fields: dict) -> SequenceSummary:
    thumbnail = base64.b64decode(fields["thumbnail"])
    disparities = tuple(fields["disparities"])
    return SequenceSummary(
        **fields | {"thumbnail": thumbnail, "disparities": disparities}
    )
