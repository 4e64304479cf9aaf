"""What a page about a dataset shows, gathered film by film."""

import collections
import dataclasses
import json
import os
from typing import Any

import numpy as np
from etils import epath

from data_prep.film_summary import DISPARITY_BIN, Sample, Summary
from data_prep.prepare import REPORT
from data_prep.work_store import VideoStore
from stereojax.cli import InputError

PSNR_EDGES = tuple(range(10, 61, 1))  # dB
DISPARITY_EDGES = tuple(range(0, 257, 4))  # px
SHOT_EDGES = tuple(2**i for i in range(0, 17))  # frames


@dataclasses.dataclass(frozen=True)
class Picture:
    """A sample to look at."""

    source: str
    sample: Sample


@dataclasses.dataclass
class Findings:
    """Sums over films; the pictures are a few of each kind, from many films."""

    report: dict[str, Any]
    most: int  # pictures of each kind
    psnr: dict[str, np.ndarray] = dataclasses.field(
        default_factory=lambda: {
            name: np.zeros(len(PSNR_EDGES) - 1, np.int64)
            for name in ("kept", "dropped")
        }
    )
    disparity: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(len(DISPARITY_EDGES) - 1)
    )
    shots: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(len(SHOT_EDGES) - 1, np.int64)
    )
    pictures: dict[str, list[Picture]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )

    def add(self, film: Summary) -> None:
        self.shots += _counts(film.shots, SHOT_EDGES)
        for dropped in (False, True):
            values = [
                s.psnr
                for s in film.samples
                if s.psnr is not None and bool(s.dropped) == dropped
            ]
            name = "dropped" if dropped else "kept"
            self.psnr[name] += _counts(values, PSNR_EDGES)
        for sample in film.samples:
            if not sample.dropped and sample.disparities:
                share = np.array(sample.disparities) / max(sum(sample.disparities), 1)
                places = (np.arange(len(share)) * DISPARITY_BIN).clip(
                    max=DISPARITY_EDGES[-1] - 1
                )
                weights = share * sample.frames
                self.disparity += np.histogram(
                    places, DISPARITY_EDGES, weights=weights
                )[0]
        self._choose(film)

    def _choose(self, film: Summary) -> None:
        """A few of each film, so that the first one does not fill the page."""
        by_kind: dict[str, list[Sample]] = collections.defaultdict(list)
        for sample in film.samples:
            if sample.thumbnail:
                by_kind[sample.dropped or "kept"].append(sample)
        for kind, samples in by_kind.items():
            places = np.linspace(0, len(samples) - 1, min(3, len(samples))).astype(int)
            room = self.most - len(self.pictures[kind])
            chosen = [samples[i] for i in places][: max(room, 0)]
            self.pictures[kind] += [Picture(film.source, s) for s in chosen]


def gather(folder: os.PathLike | str, most: int = 24) -> Findings:
    """Reads what `data_prep` left in its output folder, one film at a time.

    Raises:
      InputError: it left nothing there.
    """
    root = epath.Path(folder)
    try:
        report = json.loads((root / REPORT).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{root}: no {REPORT} here; name the --output of data_prep"
        ) from error
    findings, store = Findings(report, most), VideoStore(root / "work")
    for key in dict.fromkeys(film["key"] for film in report["films"] if film["key"]):
        outcome = store.outcome(key)
        if isinstance(outcome, Summary):
            findings.add(outcome)
    return findings


def _counts(values: Any, edges: tuple[int, ...]) -> np.ndarray:
    """A histogram whose outer bins take what lies beyond."""
    inside = np.clip(np.array(list(values), float), edges[0], edges[-1])
    return np.histogram(inside, edges)[0]
