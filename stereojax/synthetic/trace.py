"""Casts the rays of a view: depth, surface and occlusion, exact per pixel."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stereojax.shapes import Bool, Float, Int
from stereojax.synthetic.atlas import LEVELS, SIZE, Atlas
from stereojax.synthetic.camera import View
from stereojax.synthetic.solids import Solids, intersect

FACES = 4  # a surface is FACES * solid + face
_BAND = 200_000  # rays per batch, so that the arrays fit the CPU cache


@dataclasses.dataclass(frozen=True)
class VisibleSolids:
    """The solids in the coordinates of one view."""

    view: View
    solids: Solids
    atlas: Atlas
    origins: Float[np.ndarray, "n 3"]  # camera position in each solid's axes
    turns: Float[np.ndarray, "n 3 3"]  # camera axes to each solid's axes
    windows: Float[np.ndarray, "n 4"]
    cutout: Bool[np.ndarray, "n"]
    # One mip level per solid, so that both views hit the same holes.
    levels: Int[np.ndarray, "n"]


def find_visible(view: View, solids: Solids, atlas: Atlas) -> VisibleSolids:
    """Computes the values that all rays of a view share."""
    distance = np.maximum((solids.center - view.eye) @ view.axes[2], view.rig.near)
    texels = distance / view.rig.focal * atlas.repeat[solids.material] * SIZE
    levels = np.clip(np.log2(np.maximum(texels, 1)), 0, LEVELS - 1).astype(np.int32)
    return VisibleSolids(
        view,
        solids,
        atlas,
        np.einsum("nij,nj->ni", solids.axes, view.eye - solids.center),
        np.einsum("nij,kj->nik", solids.axes, view.axes),
        view.windows(solids),
        atlas.cutout[solids.material],
        levels,
    )


def bands(height: int, width: int, rays: int = 1) -> Iterator[slice]:
    """Yields the row ranges to trace together, for `rays` rays per pixel."""
    step = max(1, _BAND // (width * rays))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def trace(
    visible: VisibleSolids,
    columns: np.ndarray,  # (*s, 1, w), or (*s, h, w) for a column per ray
    rows: np.ndarray,  # (*s, h, 1)
    top: int = 0,
    spread: tuple[float, float] = (0.0, 0.0),
) -> tuple[Float[np.ndarray, "*s h w"], Int[np.ndarray, "*s h w"]]:
    """Returns depth along the optical axis in metres (inf = sky) and the surface hit.

    Columns and rows are in pixels, 0 = the first centre, fractions allowed. Entry j of
    `columns` may differ from j by at most `spread` (left, right); entry i of `rows` may
    differ from `top + i` by one. Surfaces are numbered FACES * solid + face; the ground
    and the sky come after the solids.
    """
    view, solids = visible.view, visible.solids
    u, v = np.atleast_2d(view.across(columns)), view.down(rows)
    axes, near = view.axes, np.float32(view.rig.near)
    # The ground is y = 0. Ray directions have length 1 along the optical axis, so ray
    # parameters are depths.
    fall = u * axes[0, 1] + v * axes[1, 1] + axes[2, 1]
    below = fall < 0
    depth = np.where(
        below, -view.eye[1] / np.where(below, fall, -1), np.float32(np.inf)
    )
    n = len(solids)
    surface = np.where(below, FACES * n, FACES * (n + 1)).astype(np.int32)
    per_ray = u.shape[-2] > 1
    # Each solid is intersected only with the rays inside its bounds.
    for k, x0, x1, y0, y1 in _windows(visible, top, depth.shape, spread):
        uk, vk = u[..., y0:y1, x0:x1] if per_ray else u[..., x0:x1], v[..., y0:y1, :]
        direction = [uk * m[0] + (vk * m[1] + m[2]) for m in visible.turns[k]]
        origin, half = visible.origins[k], solids.half[k]
        enter, leave, face = intersect(solids.kind[k], half, origin, direction)
        window = depth[..., y0:y1, x0:x1]
        nearer = (enter < window) & (enter > near)
        if visible.cutout[k]:
            enter = _through_holes(visible, k, direction, enter, leave, nearer)
            nearer &= enter < window
        np.copyto(window, enter, where=nearer)
        label = np.int32(FACES * k) + face
        np.copyto(surface[..., y0:y1, x0:x1], label, where=nearer)
    return depth, surface


def _windows(visible: VisibleSolids, top: int, shape, spread) -> list[list[int]]:
    """Returns (solid, x0, x1, y0, y1) of possibly visible solids in these rows."""
    x0, x1, y0, y1 = visible.windows.T
    x0, x1 = x0 - spread[0], x1 + spread[1]
    x0, x1 = (np.clip(x, 0, shape[-1]).astype(int) for x in (x0, x1))
    y0, y1 = (np.clip(y - top, 0, shape[-2]).astype(int) for y in (y0, y1))
    k = np.flatnonzero((x0 < x1) & (y0 < y1))
    return np.stack([k, x0[k], x1[k], y0[k], y1[k]], axis=1).tolist()


def occluded(
    left: VisibleSolids,
    depth: Float[np.ndarray, "h w"],  # of the right view's pixel centres
) -> Float[np.ndarray, "h w"]:
    """Returns 1 for pixels of the right view whose point the left camera cannot see.

    The point is behind a nearer surface, or outside the left camera's frame.
    """
    rig, width = left.view.rig, left.view.width
    disparity = rig.disparity(depth)
    columns = np.arange(width, dtype=np.float32) + disparity
    outside = (columns < -0.5) | (columns > width - 0.5)
    # Column j is traced at j + disparity, so it differs from j by up to `spread`.
    spread = float(disparity.max()), -float(disparity.min())
    rows = np.arange(len(depth))[:, None]
    first = np.empty_like(depth)
    for band in bands(*depth.shape):
        first[band], _ = trace(left, columns[band], rows[band], band.start, spread)
    # The margin is 0.005 pixels at 500 columns, far above float32 rounding.
    hidden = rig.disparity(first) > disparity + 1e-5 * width
    return (hidden | outside).astype(np.float32)


def foliage_uv(local, half, repeat):
    """Returns texture coordinates of leaves, projected along the dominant axis."""
    x, y, z = local
    a, b, c = (np.abs(p / h) for p, h in zip(local, half, strict=True))
    side, top = (a >= b) & (a >= c), (b >= a) & (b >= c)
    # Each of the six sides has its own texture offset.
    u = np.where(side, z, x) * repeat + np.where(side, np.sign(x), 0) * 0.23
    v = np.where(top, z, y) * repeat + np.where(side, 0, np.sign(z)) * 0.31
    return u, v


def _through_holes(visible: VisibleSolids, k: int, direction, enter, leave, candidates):
    """Moves `enter` to the far side for rays through a hole of the near side."""
    at = np.flatnonzero(candidates)
    direction = [d.ravel()[at] for d in direction]
    first, second = enter.ravel()[at], leave.ravel()[at]
    hole = np.flatnonzero(~_leaf_at(visible, k, direction, first))
    direction = [d[hole] for d in direction]
    far = _leaf_at(visible, k, direction, second[hole])
    first[hole] = np.where(far, second[hole], np.inf)
    enter.ravel()[at] = first
    return enter


def _leaf_at(visible: VisibleSolids, k: int, direction, distance):
    """Returns whether solid `k` has a leaf at these ray parameters."""
    atlas, material = visible.atlas, visible.solids.material[k]
    origin = visible.origins[k]
    local = [o + distance * d for o, d in zip(origin, direction, strict=True)]
    u, v = foliage_uv(local, visible.solids.half[k], atlas.repeat[material])
    coverage = atlas.sample_fourth_channel(
        atlas.texture[material], u, v, visible.levels[k]
    )
    return coverage > 0.5
