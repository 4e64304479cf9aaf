"""Thumbnails of sequences for the report."""

import collections
import dataclasses

import cv2
import numpy as np

from data_prep.film_summary import SequenceSummary
from data_prep.stages.packing import View

_WIDTH = 256  # pixels of each picture


def thumbnail(*pictures: View) -> bytes:
    """Returns a JPEG of pictures of equal size in a row."""
    height, width = pictures[0].shape[:2]
    size = _WIDTH, max(1, round(height * _WIDTH / width))
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    row = cv2.cvtColor(np.concatenate(small, axis=1), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


class LimitThumbnails:
    """Limits a film's thumbnails: at most `limit` of kept sequences, and per filter.

    The thumbnails are spread over the film: when there are more than `limit`, every
    second thumbnail is removed, and the stride at which new thumbnails are added
    doubles.
    """

    def __init__(self, limit: int = 8):
        self._limit = limit
        self._seen: collections.Counter[str] = collections.Counter()
        self._stride: dict[str, int] = collections.defaultdict(lambda: 1)
        self._kept: dict[str, list[int]] = collections.defaultdict(list)

    def __call__(self, samples: list[SequenceSummary]) -> None:
        """Removes thumbnails in `samples`; call it after each append."""
        last = samples[-1]
        if not last.thumbnail:
            return
        kind = last.dropped or "kept"
        number, kept = self._seen[kind], self._kept[kind]
        self._seen[kind] += 1
        kept.append(len(samples) - 1)
        if number % self._stride[kind]:
            removed = [kept.pop()]
        elif len(kept) > self._limit:
            removed, self._stride[kind] = kept[1::2], 2 * self._stride[kind]
            del kept[1::2]
        else:
            return
        for index in removed:
            samples[index] = dataclasses.replace(samples[index], thumbnail=b"")
