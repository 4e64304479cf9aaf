"""Small pictures of samples, for the report."""

import collections
import dataclasses

import cv2
import numpy as np

from data_prep.film_summary import Sample
from data_prep.stages.packing import View

_WIDTH = 256  # of each picture in the row


def thumbnail(*pictures: View) -> bytes:
    """A JPEG of pictures of one size in a row."""
    height, width = pictures[0].shape[:2]
    size = _WIDTH, max(1, round(height * _WIDTH / width))
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    row = cv2.cvtColor(np.concatenate(small, axis=1), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


class FewPictures:
    """Leaves at most `most` samples of each kind a picture, spread over the film."""

    def __init__(self, most: int = 8):
        self._most = most
        self._seen: collections.Counter[str] = collections.Counter()
        self._every: dict[str, int] = collections.defaultdict(lambda: 1)
        self._places: dict[str, list[int]] = collections.defaultdict(list)

    def __call__(self, samples: list[Sample]) -> None:
        """To be called with all samples whenever there is one more."""
        last = samples[-1]
        if not last.thumbnail:
            return
        kind = last.dropped or "kept"
        number, places = self._seen[kind], self._places[kind]
        self._seen[kind] += 1
        places.append(len(samples) - 1)
        if number % self._every[kind]:
            gone = [places.pop()]
        elif len(places) > self._most:
            gone, self._every[kind] = places[1::2], 2 * self._every[kind]
            del places[1::2]
        else:
            return
        for place in gone:
            samples[place] = dataclasses.replace(samples[place], thumbnail=b"")
