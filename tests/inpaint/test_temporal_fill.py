"""Temporal fill: background from other frames, and only where it is certain."""

import dataclasses

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.temporal_fill import (
    REACH,
    LeftFrame,
    analysed_size,
    largest_within,
    sample,
    show_found,
    temporal_fill,
)
from stereojax.stage_types import Splat

H, W = 135, 240
JUMP = 8  # disparity of the near square; the wall's is 0
SIDE, TOP = 40, 40  # of the square
MIDDLE = REACH  # the filled frame
SPEED = 5  # of the square, pixels a frame


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    noise = np.random.default_rng(0).random((H, 2 * W, 3)).astype(np.float32)
    wall = cv2.GaussianBlur(noise, (0, 0), 2)
    return ((wall - wall.min()) / (wall.max() - wall.min())).astype(np.float32)


def left_view(wall, t: int, pan: float = 0.0, speed: float = SPEED):
    """(left view, disparity, first column of the square) of frame t."""
    x = np.arange(W, dtype=np.float32) + W / 2 + pan * (t - MIDDLE)
    y = np.arange(H, dtype=np.float32)
    image = cv2.remap(wall, *np.meshgrid(x, y), cv2.INTER_LINEAR)
    disparity = np.zeros((H, W), np.float32)
    start = 100 + round(speed * (t - MIDDLE))
    square = slice(TOP, TOP + SIDE), slice(max(start, 0), max(start + SIDE, 0))
    image[square] = 0.2, 0.8, 0.3
    disparity[square] = JUMP
    return image, disparity, start


def shot_of(wall, frames=range(2 * REACH + 1), **motion) -> dict[int, LeftFrame]:
    return {t: LeftFrame.prepare(*left_view(wall, t, **motion)[:2]) for t in frames}


def hole_of(wall, t: int = MIDDLE, **motion) -> np.ndarray:
    """The hole right of the square in the right view."""
    stop = left_view(wall, t, **motion)[2] + SIDE
    hole = np.zeros((H, W), bool)
    hole[TOP : TOP + SIDE, stop - JUMP : stop] = True
    return hole


@pytest.mark.parametrize("pan", [0.0, 1.5, -2.25])
def test_what_another_frame_shows_is_found_and_right(wall, pan):
    hole = hole_of(wall, pan=pan)
    colors, found = temporal_fill(hole, MIDDLE, shot_of(wall, pan=pan))
    assert found[hole].mean() > 0.9 and not found[~hole].any()
    truth = wall[:, W // 2 : W // 2 + W]  # disparity 0: the same in both eyes
    assert np.abs(colors - truth)[found].max() < 0.03
    assert not colors[~found].any()


def test_nothing_is_found_where_no_frame_shows_the_background(wall):
    still = dict(speed=0.0)
    _, found = temporal_fill(hole_of(wall, **still), MIDDLE, shot_of(wall, **still))
    assert not found.any()


def test_frames_of_another_scene_show_nothing(wall):
    """As after a cut that was not detected."""
    shot = shot_of(wall)
    other = shot_of(np.ascontiguousarray(wall[::-1, ::-1]))
    shot = {t: shot[t] if t == MIDDLE else other[t] for t in shot}
    _, found = temporal_fill(hole_of(wall), MIDDLE, shot)
    assert not found.any()


def test_a_background_that_changes_its_colour_is_not_shown(wall):
    """A light is switched on in this frame."""
    shot = shot_of(wall) | {
        t: LeftFrame.prepare(0.7 * left_view(wall, t)[0], left_view(wall, t)[1])
        for t in range(2 * REACH + 1)
        if t != MIDDLE
    }
    _, found = temporal_fill(hole_of(wall), MIDDLE, shot)
    assert not found.any()


def test_pixels_beside_a_nearer_edge_of_the_other_frame_are_not_shown(wall):
    """The square moves by its side's half: what it uncovers ends 2 pixels before it."""
    shot = shot_of(wall, frames=(MIDDLE, MIDDLE + 1), speed=-4)
    hole = hole_of(wall, speed=-4)
    _, found = temporal_fill(hole, MIDDLE, shot)
    columns = np.flatnonzero(found[TOP + SIDE // 2])
    # In the next frame the square ends at 136, so 136 and 137 are too close to it.
    assert columns.min() == 138
    assert columns.max() == 139


def test_only_frames_within_reach_count(wall):
    shot = shot_of(wall, frames=range(-REACH, 3 * REACH + 1))
    near = {t: frame for t, frame in shot.items() if abs(t - MIDDLE) <= REACH}
    hole = hole_of(wall)
    for a, b in zip(
        temporal_fill(hole, MIDDLE, shot),
        temporal_fill(hole, MIDDLE, near),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_unknown_disparity_hides_the_background(wall):
    shot = shot_of(wall)
    for t in shot:
        if t != MIDDLE:
            unknown = np.full((H, W), np.nan, np.float32)
            shot[t] = LeftFrame.prepare(shot[t].image, unknown)
    _, found = temporal_fill(hole_of(wall), MIDDLE, shot)
    assert not found.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_give_the_colours_of_floats(wall, dtype):
    full = np.iinfo(dtype).max
    shot = shot_of(wall)
    integers = {
        t: LeftFrame.prepare((frame.image * full + 0.5).astype(dtype), frame.disparity)
        for t, frame in shot.items()
    }
    hole = hole_of(wall)
    expected, found = temporal_fill(hole, MIDDLE, shot)
    colors, same = temporal_fill(hole, MIDDLE, integers)
    both = found & same
    assert both.sum() > 0.95 * found.sum()
    np.testing.assert_allclose(colors[both], expected[both], atol=0.01)


def test_disparity_may_be_smaller_than_the_picture(wall):
    image, disparity, _ = left_view(wall, 0)
    large = cv2.resize(image, (6 * W, 6 * H))
    frame = LeftFrame.prepare(large, disparity)
    assert frame.disparity.shape == analysed_size((6 * H, 6 * W)) == (270, 480)
    assert frame.disparity.max() == JUMP * 480 / W


def test_a_hole_at_the_side_and_an_empty_hole_find_nothing(wall):
    side = np.zeros((H, W), bool)
    for hole in (side, side.copy()):
        hole[:, -9:] = hole is not side
        _, found = temporal_fill(hole, MIDDLE, shot_of(wall))
        assert not found.any()


def test_found_pixels_are_known_to_the_next_fill():
    splat = Splat(jnp.zeros((1, 2, 3, 3)), jnp.ones((1, 2, 3)))
    found = np.zeros((1, 2, 3), bool)
    found[0, 1, 2] = True
    shown = show_found(splat, jnp.full((1, 2, 3, 3), 0.5), jnp.asarray(found))
    np.testing.assert_array_equal(shown.occlusion == 0, found)
    np.testing.assert_array_equal(shown.warped[..., 0] == 0.5, found)


def test_sampling_interpolates_and_keeps_the_shape():
    ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
    x, y = np.array([[0.5, 3], [1, 0]]), np.array([[0, 2], [1.5, 0]])
    np.testing.assert_allclose(sample(ramp, x, y), [[0.5, 11], [7, 0]], atol=0.05)
    assert sample(np.stack([ramp] * 3, axis=-1), x, y).shape == (2, 2, 3)
    assert sample(ramp, x[:0], y[:0]).shape == (0, 2)


def test_largest_within_is_a_square():
    values = np.zeros((7, 9), np.float32)
    values[3, 4] = 1
    expected = np.zeros_like(values)
    expected[1:6, 2:7] = 1
    np.testing.assert_array_equal(largest_within(values, 2), expected)


def test_frames_are_values(wall):
    frame = LeftFrame.prepare(*left_view(wall, 0)[:2])
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.image = None
