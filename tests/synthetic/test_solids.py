"""Ray intersections against the inequality that defines each solid."""

import numpy as np
import pytest

from stereojax.synthetic.solids import (
    BOX,
    CAPSULE,
    ELLIPSOID,
    box,
    capsule,
    ellipsoid,
    intersect,
    rotation_axes,
    stack_solids,
)

HALF = {
    BOX: np.array([0.5, 0.3, 0.8]),
    ELLIPSOID: np.array([0.5, 0.3, 0.8]),
    CAPSULE: np.array([0.3, 0.6, 0.3]),
}


def outside(kind, half, point):
    """Returns a value below 0 inside and above 0 outside, by the definition."""
    if kind == BOX:
        return np.max(np.abs(point) / half, axis=-1) - 1
    if kind == ELLIPSOID:
        return np.linalg.norm(point / half, axis=-1) - 1
    axis = point * [0, 1, 0]
    nearest = np.clip(axis, -half[1], half[1])
    return np.linalg.norm(point - nearest, axis=-1) / half[0] - 1


def rays(rng, n, far=6.0):
    origin = rng.normal(size=(n, 3))
    origin *= far / np.linalg.norm(origin, axis=1, keepdims=True)
    aim = rng.uniform(-0.9, 0.9, (n, 3))
    return origin, (aim - origin) / far


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CAPSULE])
def test_entry_equals_that_of_ray_marching(kind):
    origin, direction = rays(np.random.default_rng(kind), 400)
    enter, leave, _ = intersect(kind, HALF[kind], origin.T, direction.T)
    steps = np.linspace(0, 12, 6001)
    points = origin[:, None] + steps[:, None] * direction[:, None]
    inside = outside(kind, HALF[kind], points) < 0
    found = inside.any(axis=1)
    assert 40 < found.sum() < 390
    # Marching may miss grazing hits but never finds additional ones.
    assert np.isfinite(enter[found]).all()
    assert (np.isfinite(enter) & ~found).sum() <= 4
    first = steps[inside.argmax(axis=1)]
    np.testing.assert_allclose(enter[found], first[found], atol=0.0021)
    if leave is not None:
        last = steps[len(steps) - 1 - inside[:, ::-1].argmax(axis=1)]
        np.testing.assert_allclose(leave[found], last[found], atol=0.0021)


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CAPSULE])
def test_small_and_distant_solids_are_exact_in_float32(kind):
    half = (HALF[kind] * 0.03).astype(np.float32)
    origin, direction = rays(np.random.default_rng(3), 500, far=40.0)
    aim = origin + 40 * direction
    direction = ((aim * 0.01 - origin) / 40).astype(np.float32)
    enter, _, _ = intersect(kind, half, origin.T.astype(np.float32), direction.T)
    assert enter.dtype == np.float32
    found = np.isfinite(enter)
    assert found.sum() > 100
    wide = intersect(kind, half.astype(float), origin.T, direction.T.astype(float))[0]
    both = found & np.isfinite(wide)
    assert both.sum() > 0.97 * found.sum()
    error = np.abs(enter[both] - wide[both]) / wide[both]
    assert np.quantile(error, 0.99) < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CAPSULE])
def test_rays_along_an_axis(kind, dtype):
    half = HALF[kind].astype(dtype)
    for axis in range(3):
        end = half[axis] + (half[0] if kind == CAPSULE and axis == 1 else 0)
        for sign in (-1, 1):
            direction = np.zeros(3, dtype)
            direction[axis] = sign
            # Through the middle, and past the solid.
            origin = np.zeros((3, 2), dtype)
            origin[axis] = -3 * sign
            origin[(axis + 1) % 3, 1] = 2
            enter, _, _ = intersect(kind, half, origin, direction)
            np.testing.assert_allclose(enter, [3 - end, np.inf], rtol=1e-5)


def test_capsule_connects_its_ends_in_any_direction():
    rng = np.random.default_rng(0)
    ends = rng.normal(size=(20, 2, 3))
    ends[0, 1] = ends[0, 0] + [0, 0, 1]
    ends[1, 1] = ends[1, 0] + [0, 2, 0]
    for a, b in ends:
        rod = capsule(a, b, 0.1, 0)
        np.testing.assert_allclose(rod.axes @ rod.axes.T, np.eye(3), atol=1e-12)
        for end, y in ((a, -1), (b, 1)):
            local = rod.axes @ (end - rod.center)
            np.testing.assert_allclose(local, [0, y * rod.half[1], 0], atol=1e-12)


def test_rotation_axes_are_a_rotation_by_yaw_pitch_and_roll():
    axes = rotation_axes(0.3, 0.2, 0.1)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) > 0
    np.testing.assert_allclose(rotation_axes(np.pi / 2)[2], [1, 0, 0], atol=1e-12)
    assert rotation_axes(0.0, 0.2)[2][1] > 0
    assert rotation_axes(0.0, 0.0, 0.2)[0][1] > 0


def test_corners_bound_the_solid():
    rng = np.random.default_rng(1)
    solids = stack_solids(
        [
            box((1, 2, 3), (0.4, 0.2, 0.1), 0, yaw=0.7, pitch=0.3, roll=0.2),
            ellipsoid((1, 2, 3), (0.4, 0.2, 0.1), 0, yaw=0.7, pitch=0.3),
            capsule((1, 2, 3), (1.5, 2.5, 2.0), 0.2, 0),
        ]
    )
    corners = solids.corners()
    for k in range(3):
        cloud = rng.uniform([-1, 0, 1], [3, 4, 5], (200_000, 3))
        local = (cloud - solids.center[k]) @ solids.axes[k].T
        inside = cloud[outside(solids.kind[k], solids.half[k], local) < 0]
        assert len(inside) > 50
        assert (inside >= corners[k].min(0) - 1e-5).all()
        assert (inside <= corners[k].max(0) + 1e-5).all()
