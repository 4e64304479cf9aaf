"""Thumbnails, and their limit for each film."""

import numpy as np

from data_prep.film_summary import SequenceSummary
from data_prep.report.thumbnails import LimitThumbnails, thumbnail


def test_few_thumbnails_of_each_kind_remain_spread_over_the_film():
    samples, limit_thumbnails = [], LimitThumbnails(8)
    for number in range(300):
        dropped = ("psnr", None, None)[number % 3]
        picture = b"" if dropped and number > 9 else b"picture"
        samples.append(SequenceSummary(0, number, 1, dropped, thumbnail=picture))
        limit_thumbnails(samples)
        assert sum(bool(s.thumbnail) for s in samples if not s.dropped) <= 8
    assert [s.first for s in samples] == list(range(300))
    kept = [s.first for s in samples if s.thumbnail and not s.dropped]
    assert len(kept) >= 4
    assert kept[0] < 60 and kept[-1] > 180
    assert sum(bool(s.thumbnail) for s in samples if s.dropped) == 4


def test_a_thumbnail_is_a_jpeg():
    picture = np.zeros((90, 160, 3), np.uint8)
    assert thumbnail(picture, picture)[:2] == b"\xff\xd8"
