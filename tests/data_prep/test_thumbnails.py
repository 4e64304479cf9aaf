"""A page shows a few pictures of a film, so a film keeps a few."""

import numpy as np

from data_prep.film_summary import Sample
from data_prep.report.thumbnails import FewPictures, thumbnail


def test_few_samples_of_each_kind_keep_a_picture_and_from_all_over_the_film():
    samples, thin = [], FewPictures(8)
    for number in range(300):
        dropped = ("psnr", None, None)[number % 3]
        picture = b"" if dropped and number > 9 else b"picture"
        samples.append(Sample(0, number, 1, dropped, thumbnail=picture))
        thin(samples)
        assert sum(bool(s.thumbnail) for s in samples if not s.dropped) <= 8
    assert [s.first for s in samples] == list(range(300))
    kept = [s.first for s in samples if s.thumbnail and not s.dropped]
    assert len(kept) >= 4
    assert kept[0] < 60 and kept[-1] > 180
    assert sum(bool(s.thumbnail) for s in samples if s.dropped) == 4


def test_pictures_in_a_row_are_a_jpeg():
    picture = np.zeros((90, 160, 3), np.uint8)
    assert thumbnail(picture, picture)[:2] == b"\xff\xd8"
