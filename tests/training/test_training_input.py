"""Samples depend on seed and index only; mirroring and cropping are consistent."""

import dataclasses
import itertools

import numpy as np
import pytest
from tiny_training import SETTINGS

from stereojax.cli import InputError, RunError
from stereojax.records import Frames, Provenance, encode_record
from stereojax.splat import forward_splat
from stereojax.synthetic import make_film
from stereojax.training.inpaint_task import make_sample
from stereojax.training.input.clips import RecordClip
from stereojax.training.input.framing import Crop, crop_frames, draw_frame_indices
from stereojax.training.input.mirror import mirror_pair, to_right_view
from stereojax.training.input.pipeline import NAMES, SampleSource, batches
from stereojax.training.step import INDEX


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A clip whose pixels encode the numbers of the clip and the frame."""

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
        frames = np.zeros((len(indices), 16, 32, 3), np.uint8)
        frames[..., 0], frames[..., 1] = self.number, indices[:, None, None]
        return Frames(frames, frames, np.zeros(frames.shape[:3], np.float32))


@dataclasses.dataclass(frozen=True)
class Patterns:
    count: int = 5
    length: int = 9

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pattern:
        return Pattern(int(index), self.length)


SMALL = dataclasses.replace(SETTINGS, batch=4, max_stride=3, flip=0.0)


def take(count: int, settings=SMALL, clips=Patterns(), **options):
    source = SampleSource(clips, settings, make_sample)
    return list(itertools.islice(batches(source, **options), count))


def assert_equal(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, x in one.items():
        np.testing.assert_array_equal(x, other[name])


def test_a_batch_depends_on_the_step_only():
    expected = take(6)
    numbers = np.concatenate([b[INDEX] for b in expected])
    np.testing.assert_array_equal(numbers, np.arange(24))
    for later, batch in enumerate(take(3, start=3)):
        assert_equal(batch, expected[3 + later])


def test_batches_of_one():
    settings = dataclasses.replace(SMALL, batch=1)
    one, two = take(2, settings, start=3), take(5, settings)
    assert_equal(one[0], two[3])
    assert_equal(one[1], two[4])


def test_each_epoch_has_every_clip_once_in_another_order():
    clips = np.concatenate([b["left"][:, 0, 0, 0, 0] for b in take(5)])
    epochs = clips.reshape(4, 5)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1
    other = dataclasses.replace(SMALL, seed=1)
    assert not np.array_equal(
        clips[:20], np.concatenate([b["left"][:, 0, 0, 0, 0] for b in take(5, other)])
    )


def test_the_shares_of_two_hosts_make_the_batch_of_one():
    expected = take(3)
    parts = [take(3, process=p, processes=2) for p in range(2)]
    for number, batch in enumerate(expected):
        merged = {
            name: np.concatenate([part[number][name] for part in parts])
            for name in batch
        }
        order = np.argsort(merged[INDEX])
        assert_equal(batch, {name: x[order] for name, x in merged.items()})
    with pytest.raises(InputError, match="multiple of the 3 processes"):
        take(1, processes=3)


def test_worker_processes_give_the_same_batches():
    settings = dataclasses.replace(SMALL, workers=2)
    for one, other in zip(take(3, settings, start=2), take(3, start=2), strict=True):
        assert_equal(one, other)


def test_strides_and_starts_vary_within_the_clip():
    rng = np.random.default_rng(0)
    drawn = [draw_frame_indices(Pattern(0), rng, SMALL) for _ in range(200)]
    strides = {int(d[1] - d[0]) for d in drawn}
    assert strides == {1, 2, 3}
    assert {int(d[0]) for d in drawn} == set(range(7))
    assert all(min(d) >= 0 and max(d) < 9 and len(d) == 3 for d in drawn)
    short = Pattern(0, length=4)
    assert {int(draw_frame_indices(short, rng, SMALL)[1]) for _ in range(50)} >= {1, 2}
    with pytest.raises(RunError, match="pattern 0 has 2 frames, too few for 3"):
        draw_frame_indices(Pattern(0, length=2), rng, SMALL)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_clip_is_a_one_line_error(workers):
    settings = dataclasses.replace(SMALL, workers=workers)
    with pytest.raises(RunError) as error:
        take(4, settings, Patterns(6))
    assert str(error.value) == "shard 3: record 5: its checksum differs"


def test_a_batch_has_the_names_of_its_clips():
    batch = take(1)[0]
    clips = batch["left"][:, 0, 0, 0, 0]
    assert batch[NAMES].tolist() == [f"pattern {n}" for n in clips]


@pytest.fixture(scope="module")
def scene():
    film = make_film(
        3, frames=1, height=64, width=96, shots=1, max_disparity_percent=8.0
    )
    return next(film.render())


def test_a_mirrored_pair_matches_the_mirrored_scene(scene):
    """The renderer gives the right view's true disparity, whose mirror is exact."""
    frames = Frames(
        *(np.rint(255 * v)[None].astype(np.uint8) for v in (scene.left, scene.right)),
        scene.disparity[None].astype(np.float32),
    )
    mirrored = mirror_pair(frames)
    np.testing.assert_array_equal(mirrored.left[0], frames.right[0, :, ::-1])
    np.testing.assert_array_equal(mirrored.right[0], frames.left[0, :, ::-1])
    true = scene.right_disparity[:, ::-1].astype(np.float32)
    known = np.isfinite(mirrored.disparity[0])
    # Pixels visible in the right view only have no disparity; the others have the true
    # one, except at edges.
    assert 0.85 < known.mean() < 1
    close = np.abs(mirrored.disparity[0] - true)[known] < 0.75
    assert close.mean() > 0.97
    splat = forward_splat(mirrored.left, mirrored.disparity)
    hole = np.asarray(splat.occlusion[0]) >= 0.5

    def hole_iou(disparity: np.ndarray) -> float:
        """Returns the intersection over union with the hole of the true disparity."""
        disparity = np.ascontiguousarray(disparity)
        hole, exact = (
            np.asarray(forward_splat(mirrored.left, d).occlusion) >= 0.5
            for d in (disparity, true[None])
        )
        return (hole & exact).sum() / (hole | exact).sum()

    # Holes are a few pixels wide, so one pixel at an edge changes the ratio much.
    assert hole_iou(mirrored.disparity) > 0.65
    assert hole_iou(frames.disparity[:, :, ::-1]) < 0.35  # not moved to the right view
    landed = ~hole
    error = np.abs(np.asarray(splat.warped[0]) - mirrored.right[0] / 255.0)[
        landed
    ].mean()
    unmoved = np.abs(mirrored.left[0] / 255.0 - mirrored.right[0] / 255.0)[
        landed
    ].mean()
    assert error < 0.35 * unmoved


def test_the_nearest_disparity_wins_in_the_right_view():
    d = np.array([[0, 0, 0, 0, 3, 3, 0, 0, np.nan, 0]], np.float32)
    nan = np.nan
    expected = [[0, 3, 3, 0, nan, nan, 0, 0, nan, 0]]
    # A single empty column between equal values is filled, a wider gap is not.
    expected[0][8] = 0
    np.testing.assert_array_equal(to_right_view(d), np.float32(expected))


def test_crop_and_resize_scale_the_disparity(scene):
    frames = Frames(
        *(np.rint(255 * v)[None].astype(np.uint8) for v in (scene.left, scene.right)),
        scene.disparity[None].astype(np.float32),
    )
    same = crop_frames(frames, Crop(64, 96, 1.0, 0.5, 0.5))
    np.testing.assert_array_equal(same.left, frames.left)
    np.testing.assert_array_equal(same.disparity, frames.disparity)
    half = crop_frames(frames, Crop(32, 48, 0.5, 0.0, 0.0))
    assert half.left.shape == (1, 32, 48, 3)
    # At half the size, the disparity in pixels is half as large.
    assert abs(half.disparity.max() - frames.disparity.max() / 2) < 0.2
    window = crop_frames(frames, Crop(32, 48, 1.0, 1.0, 1.0))
    np.testing.assert_array_equal(window.right, frames.right[:, 32:, 48:])
    np.testing.assert_array_equal(window.disparity, frames.disparity[:, 32:, 48:])


def test_a_mono_record_is_not_mirrored():
    """Its left view has holes, and would become the true right view."""
    frames = (np.zeros((16, 32, 3), np.uint8),) * 3
    for kind in ("mono", "stereo"):
        provenance = Provenance("film", "0" * 32, kind, 0, 0, 24.0, "x", 0.0, 30.0, 0.5)
        record = encode_record(
            np.stack(frames),
            np.stack(frames),
            np.zeros((3, 16, 32), np.float32),
            provenance,
        )
        clip = RecordClip(record)
        assert clip.can_mirror == (kind == "stereo")
        assert clip.name == f"film, {provenance.key}"
        assert len(clip) == 3 and clip.frames(np.array([2, 0])).left.shape[0] == 2
