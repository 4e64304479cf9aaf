"""Gathers the statistics of a dataset for the report, one film at a time."""

import collections
import dataclasses
import os
from typing import Any

import numpy as np
from etils import epath

from data_prep.film_summary import DISPARITY_BIN, FilmSummary, SequenceSummary
from data_prep.prepare import REPORT
from data_prep.work_store import WorkStore
from stereojax.cli import InputError
from stereojax.storage.atomic import read_json

PSNR_EDGES = tuple(range(10, 61, 1))  # dB
DISPARITY_EDGES = tuple(range(0, 257, 4))  # px
SHOT_EDGES = tuple(2**i for i in range(0, 17))  # frames


@dataclasses.dataclass(frozen=True)
class ShownSequence:
    """A sequence whose thumbnail the report shows."""

    source: str
    sample: SequenceSummary


@dataclasses.dataclass
class DatasetStatistics:
    """Histograms over all films, and the sequences whose thumbnails are shown."""

    report: dict[str, Any]  # the content of report.json
    limit: int  # most thumbnails of kept sequences, and of each filter's drops
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
    pictures: dict[str, list[ShownSequence]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )  # keys: "kept", and the names of the filters that dropped sequences

    def add(self, film: FilmSummary) -> None:
        """Adds the statistics of one film."""
        self.shots += _histogram(film.shots, SHOT_EDGES)
        for name, dropped in (("kept", False), ("dropped", True)):
            values = [
                s.psnr
                for s in film.samples
                if s.psnr is not None and bool(s.dropped) == dropped
            ]
            self.psnr[name] += _histogram(values, PSNR_EDGES)
        for sample in film.samples:
            if not sample.dropped and sample.disparities:
                self._add_disparity(sample)
        self._choose_pictures(film)

    def _add_disparity(self, sample: SequenceSummary) -> None:
        """Adds a sequence's disparities; each of its frames has the weight 1."""
        fractions = np.array(sample.disparities) / max(sum(sample.disparities), 1)
        pixels = (np.arange(len(fractions)) * DISPARITY_BIN).clip(
            max=DISPARITY_EDGES[-1] - 1
        )
        weights = fractions * sample.frames
        self.disparity += np.histogram(pixels, DISPARITY_EDGES, weights=weights)[0]

    def _choose_pictures(self, film: FilmSummary) -> None:
        """Shows at most three sequences of a kind per film, so that more films fit."""
        by_kind: dict[str, list[SequenceSummary]] = collections.defaultdict(list)
        for sample in film.samples:
            if sample.thumbnail:
                by_kind[sample.dropped or "kept"].append(sample)
        for kind, samples in by_kind.items():
            indices = np.linspace(0, len(samples) - 1, min(3, len(samples)))
            room = max(self.limit - len(self.pictures[kind]), 0)
            chosen = [samples[i] for i in indices.astype(int)][:room]
            self.pictures[kind] += [ShownSequence(film.source, s) for s in chosen]


def gather_statistics(folder: os.PathLike | str, limit: int = 24) -> DatasetStatistics:
    """Reads the statistics from an output folder of `data_prep`.

    Raises:
      InputError: the folder has no report.json.
    """
    root = epath.Path(folder)
    if (report := read_json(root / REPORT)) is None:
        raise InputError(
            f"{root}: contains no {REPORT}; expected the --output of data_prep"
        )
    statistics, store = DatasetStatistics(report, limit), WorkStore(root / "work")
    for key in dict.fromkeys(film["key"] for film in report["films"] if film["key"]):
        outcome = store.outcome(key)
        if isinstance(outcome, FilmSummary):
            statistics.add(outcome)
    return statistics


def _histogram(values: Any, edges: tuple[int, ...]) -> np.ndarray:
    """Counts values in bins; values outside the edges count in the outer bins."""
    inside = np.clip(np.array(list(values), float), edges[0], edges[-1])
    return np.histogram(inside, edges)[0]
