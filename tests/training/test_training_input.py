"""Samples: drawn by seed and number alone, mirrored rightly, cropped together."""

import dataclasses
import itertools

import numpy as np
import pytest
from tiny_training import SETTINGS

from stereojax.cli import InputError, RunError
from stereojax.records import Frames, Provenance, encode_record
from stereojax.splat import forward_splat
from stereojax.synthetic import make_film
from stereojax.training.input.clips import RecordClip
from stereojax.training.input.framing import Crop, crop_frames, draw_frames
from stereojax.training.input.mirror import mirror_pair, to_right_view
from stereojax.training.input.pipeline import NAMES, batches
from stereojax.training.step import INDEX


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A clip whose pixels say which clip and frame they are of."""

    number: int
    length: int = 9
    can_mirror: bool = True

    @property
    def name(self) -> str:
        return f"pattern {self.number}"

    def __len__(self) -> int:
        return self.length

    def frames(self, indices: np.ndarray) -> Frames:
        if self.number == 5:
            raise RunError("shard 3: record 5: its checksum differs")
        picture = np.zeros((len(indices), 16, 32, 3), np.uint8)
        picture[..., 0], picture[..., 1] = self.number, indices[:, None, None]
        return Frames(picture, picture, np.zeros(picture.shape[:3], np.float32))


@dataclasses.dataclass(frozen=True)
class Patterns:
    count: int = 5
    length: int = 9

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pattern:
        return Pattern(int(index), self.length)


SMALL = dataclasses.replace(SETTINGS, batch=4, max_stride=3, flip=0.0)


def some(count: int, settings=SMALL, clips=Patterns(), **more):
    return list(itertools.islice(batches(clips, settings, **more), count))


def assert_equal(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, x in one.items():
        np.testing.assert_array_equal(x, other[name])


def test_the_position_is_the_step():
    all_of_it = some(6)
    numbers = np.concatenate([b[INDEX] for b in all_of_it])
    np.testing.assert_array_equal(numbers, np.arange(24))
    for later, batch in enumerate(some(3, start=3)):
        assert_equal(batch, all_of_it[3 + later])


def test_batches_of_one():
    settings = dataclasses.replace(SMALL, batch=1)
    one, two = some(2, settings, start=3), some(5, settings)
    assert_equal(one[0], two[3])
    assert_equal(one[1], two[4])


def test_each_epoch_sees_every_clip_once_in_another_order():
    seen = np.concatenate([b["left"][:, 0, 0, 0, 0] for b in some(5)])
    epochs = seen.reshape(4, 5)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1
    other = dataclasses.replace(SMALL, seed=1)
    assert not np.array_equal(
        seen[:20], np.concatenate([b["left"][:, 0, 0, 0, 0] for b in some(5, other)])
    )


def test_two_hosts_share_what_one_has():
    whole = some(3)
    parts = [some(3, process=p, processes=2) for p in range(2)]
    for number, batch in enumerate(whole):
        merged = {
            name: np.concatenate([part[number][name] for part in parts])
            for name in batch
        }
        order = np.argsort(merged[INDEX])
        assert_equal(batch, {name: x[order] for name, x in merged.items()})
    with pytest.raises(InputError, match="multiple of the 3 processes"):
        some(1, processes=3)


def test_worker_processes_give_the_same():
    settings = dataclasses.replace(SMALL, workers=2)
    for one, other in zip(some(3, settings, start=2), some(3, start=2), strict=True):
        assert_equal(one, other)


def test_strides_and_starts_stay_within_the_clip_and_vary():
    rng = np.random.default_rng(0)
    drawn = [draw_frames(Pattern(0), rng, SMALL) for _ in range(200)]
    strides = {int(d[1] - d[0]) for d in drawn}
    assert strides == {1, 2, 3}
    assert {int(d[0]) for d in drawn} == set(range(7))
    assert all(min(d) >= 0 and max(d) < 9 and len(d) == 3 for d in drawn)
    short = Pattern(0, length=4)
    assert {int(draw_frames(short, rng, SMALL)[1]) for _ in range(50)} >= {1, 2}
    with pytest.raises(RunError, match="pattern 0 has 2 frames where 3"):
        draw_frames(Pattern(0, length=2), rng, SMALL)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_that_cannot_be_read_is_one_line(workers):
    settings = dataclasses.replace(SMALL, workers=workers)
    with pytest.raises(RunError) as error:
        some(4, settings, Patterns(6))
    assert str(error.value) == "shard 3: record 5: its checksum differs"


def test_names_come_with_the_samples():
    batch = some(1)[0]
    clips = batch["left"][:, 0, 0, 0, 0]
    assert batch[NAMES].tolist() == [f"pattern {n}" for n in clips]


@pytest.fixture(scope="module")
def scene():
    film = make_film(
        3, frames=1, height=64, width=96, shots=1, max_disparity_percent=8.0
    )
    return next(film.render())


def test_a_mirrored_pair_is_what_a_mirrored_world_shows(scene):
    """The renderer knows the right view's own disparity: its mirror is exact."""
    frames = Frames(
        *(np.rint(255 * v)[None].astype(np.uint8) for v in (scene.left, scene.right)),
        scene.disparity[None].astype(np.float32),
    )
    ours = mirror_pair(frames)
    np.testing.assert_array_equal(ours.left[0], frames.right[0, :, ::-1])
    np.testing.assert_array_equal(ours.right[0], frames.left[0, :, ::-1])
    true = scene.right_disparity[:, ::-1].astype(np.float32)
    known = np.isfinite(ours.disparity[0])
    # What only the right eye sees has none; what both see has the truth, but for edges.
    assert 0.85 < known.mean() < 1
    close = np.abs(ours.disparity[0] - true)[known] < 0.75
    assert close.mean() > 0.97
    splat = forward_splat(ours.left, ours.disparity)
    hole = np.asarray(splat.occlusion[0]) >= 0.5

    def likeness(disparity: np.ndarray) -> float:
        """Of the hole that a disparity makes to that of the mirrored truth."""
        disparity = np.ascontiguousarray(disparity)
        made, exact = (
            np.asarray(forward_splat(ours.left, d).occlusion) >= 0.5
            for d in (disparity, true[None])
        )
        return (made & exact).sum() / (made | exact).sum()

    # Holes are some pixels wide, so a pixel at an edge is a lot.
    assert likeness(ours.disparity) > 0.65
    assert likeness(frames.disparity[:, :, ::-1]) < 0.35  # not moved to its view
    landed = ~hole
    error = np.abs(np.asarray(splat.warped[0]) - ours.right[0] / 255.0)[landed].mean()
    unmoved = np.abs(ours.left[0] / 255.0 - ours.right[0] / 255.0)[landed].mean()
    assert error < 0.35 * unmoved


def test_disparity_goes_to_the_right_view_nearest_first():
    d = np.array([[0, 0, 0, 0, 3, 3, 0, 0, np.nan, 0]], np.float32)
    nan = np.nan
    wanted = [[0, 3, 3, 0, nan, nan, 0, 0, nan, 0]]
    # One missing column between equals is a crack, two are a hole.
    wanted[0][8] = 0
    np.testing.assert_array_equal(to_right_view(d), np.float32(wanted))


def test_crop_and_resize_keep_disparity_with_the_picture(scene):
    frames = Frames(
        *(np.rint(255 * v)[None].astype(np.uint8) for v in (scene.left, scene.right)),
        scene.disparity[None].astype(np.float32),
    )
    same = crop_frames(frames, Crop(64, 96, 1.0, 0.5, 0.5))
    np.testing.assert_array_equal(same.left, frames.left)
    np.testing.assert_array_equal(same.disparity, frames.disparity)
    half = crop_frames(frames, Crop(32, 48, 0.5, 0.0, 0.0))
    assert half.left.shape == (1, 32, 48, 3)
    # Half the size, half the pixels of disparity.
    assert abs(half.disparity.max() - frames.disparity.max() / 2) < 0.2
    window = crop_frames(frames, Crop(32, 48, 1.0, 1.0, 1.0))
    np.testing.assert_array_equal(window.right, frames.right[:, 32:, 48:])
    np.testing.assert_array_equal(window.disparity, frames.disparity[:, 32:, 48:])


def test_a_mono_record_is_not_mirrored():
    """Its left view has holes: in the mirror they would be the truth."""
    pictures = (np.zeros((16, 32, 3), np.uint8),) * 3
    for kind in ("mono", "stereo"):
        provenance = Provenance("film", "0" * 32, kind, 0, 0, 24.0, "x", 0.0, 30.0, 0.5)
        record = encode_record(
            np.stack(pictures),
            np.stack(pictures),
            np.zeros((3, 16, 32), np.float32),
            provenance,
        )
        clip = RecordClip(record)
        assert clip.can_mirror == (kind == "stereo")
        assert clip.name == f"film, {provenance.key}"
        assert len(clip) == 3 and clip.frames(np.array([2, 0])).left.shape[0] == 2
