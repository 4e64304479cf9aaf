"""What each ray meets first: the exact geometry of a view."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stereojax.shapes import Bool, Float, Int
from stereojax.synthetic.atlas import LEVELS, SIZE, Atlas
from stereojax.synthetic.camera import View
from stereojax.synthetic.solids import Solids, hit

FACES = 4  # a surface is FACES * solid + face
_BAND = 200_000  # rays traced at once: their arrays stay in the cache


@dataclasses.dataclass(frozen=True)
class Sight:
    """The solids as one eye sees them."""

    view: View
    solids: Solids
    atlas: Atlas
    origins: Float[np.ndarray, "n 3"]  # the eye, in each solid's axes
    turns: Float[np.ndarray, "n 3 3"]  # from the camera's axes to each solid's
    windows: Float[np.ndarray, "n 4"]
    cutout: Bool[np.ndarray, "n"]
    # One mip level a solid and instant, so that both eyes meet the same holes.
    levels: Int[np.ndarray, "n"]


def look(view: View, solids: Solids, atlas: Atlas) -> Sight:
    """Prepares what all rays of a view share."""
    distance = np.maximum((solids.center - view.eye) @ view.axes[2], view.rig.near)
    texels = distance / view.rig.focal * atlas.repeat[solids.material] * SIZE
    levels = np.clip(np.log2(np.maximum(texels, 1)), 0, LEVELS - 1).astype(np.int32)
    return Sight(
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
    """Rows to trace together, with so many rays a pixel."""
    step = max(1, _BAND // (width * rays))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def trace(
    sight: Sight,
    columns: np.ndarray,  # (*s, 1, w), or (*s, h, w) where every ray has its own
    rows: np.ndarray,  # (*s, h, 1)
    top: int = 0,
    spread: tuple[float, float] = (0.0, 0.0),
) -> tuple[Float[np.ndarray, "*s h w"], Int[np.ndarray, "*s h w"]]:
    """Depth along the optical axis in metres (inf = sky), and the surface met.

    Columns and rows are in pixels, 0 = the first centre, fractions allowed. Entry j of
    `columns` may be off column j by `spread` at most, to the left and to the right;
    entry i of `rows` off row `top + i` by one. Surfaces are numbered FACES * solid +
    face; then the ground, then the sky.
    """
    view, solids = sight.view, sight.solids
    u, v = np.atleast_2d(view.across(columns)), view.down(rows)
    axes, near = view.axes, np.float32(view.rig.near)
    # The ground is y = 0. A ray's direction has length 1 along the optical axis, so
    # that distances along it are depths.
    fall = u * axes[0, 1] + v * axes[1, 1] + axes[2, 1]
    below = fall < 0
    depth = np.where(
        below, -view.eye[1] / np.where(below, fall, -1), np.float32(np.inf)
    )
    n = len(solids)
    surface = np.where(below, FACES * n, FACES * (n + 1)).astype(np.int32)
    per_ray = u.shape[-2] > 1
    for k, x0, x1, y0, y1 in _windows(sight, top, depth.shape, spread):
        uk, vk = u[..., y0:y1, x0:x1] if per_ray else u[..., x0:x1], v[..., y0:y1, :]
        direction = [uk * m[0] + (vk * m[1] + m[2]) for m in sight.turns[k]]
        origin, half = sight.origins[k], solids.half[k]
        enter, leave, face = hit(solids.kind[k], half, origin, direction)
        window = depth[..., y0:y1, x0:x1]
        nearer = (enter < window) & (enter > near)
        if sight.cutout[k]:
            enter = _through_holes(sight, k, direction, enter, leave, nearer)
            nearer &= enter < window
        np.copyto(window, enter, where=nearer)
        label = np.int32(FACES * k) + face
        np.copyto(surface[..., y0:y1, x0:x1], label, where=nearer)
    return depth, surface


def _windows(sight: Sight, top: int, shape, spread) -> list[list[int]]:
    """(solid, x0, x1, y0, y1) of those that may be seen, within the rows traced."""
    x0, x1, y0, y1 = sight.windows.T
    x0, x1 = x0 - spread[0], x1 + spread[1]
    x0, x1 = (np.clip(x, 0, shape[-1]).astype(int) for x in (x0, x1))
    y0, y1 = (np.clip(y - top, 0, shape[-2]).astype(int) for y in (y0, y1))
    some = np.flatnonzero((x0 < x1) & (y0 < y1))
    return np.stack([some, x0[some], x1[some], y0[some], y1[some]], axis=1).tolist()


def occluded(
    left: Sight,
    depth: Float[np.ndarray, "h w"],  # of the right view's pixel centres
) -> Float[np.ndarray, "h w"]:
    """1 where the left camera does not see what the right view's pixel shows.

    It is hidden behind something nearer, or outside the left camera's frame.
    """
    rig, width = left.view.rig, left.view.width
    disparity = rig.disparity(depth)
    columns = np.arange(width, dtype=np.float32) + disparity
    outside = (columns < -0.5) | (columns > width - 0.5)
    # Column j looks as far as j + high, so a solid seen there may be met at j.
    spread = float(disparity.max()), -float(disparity.min())
    rows = np.arange(len(depth))[:, None]
    first = np.empty_like(depth)
    for band in bands(*depth.shape):
        first[band], _ = trace(left, columns[band], rows[band], band.start, spread)
    # Half a hundredth of a pixel at 500 columns: far above float32's rounding.
    hidden = rig.disparity(first) > disparity + 1e-5 * width
    return (hidden | outside).astype(np.float32)


def foliage_uv(local, half, repeat):
    """Where leaves lie on a body: seen along whichever of its axes points out most."""
    x, y, z = local
    a, b, c = (np.abs(p / h) for p, h in zip(local, half, strict=True))
    side, top = (a >= b) & (a >= c), (b >= a) & (b >= c)
    # Each of its six sides shows leaves of its own.
    u = np.where(side, z, x) * repeat + np.where(side, np.sign(x), 0) * 0.23
    v = np.where(top, z, y) * repeat + np.where(side, 0, np.sign(z)) * 0.31
    return u, v


def _through_holes(sight: Sight, k: int, direction, enter, leave, asked):
    """Where a ray passes a hole of the near side it may still meet the far side."""
    at = np.flatnonzero(asked)
    direction = [d.ravel()[at] for d in direction]
    first, second = enter.ravel()[at], leave.ravel()[at]
    hole = np.flatnonzero(~_leaf_at(sight, k, direction, first))
    direction = [d[hole] for d in direction]
    far = _leaf_at(sight, k, direction, second[hole])
    first[hole] = np.where(far, second[hole], np.inf)
    enter.ravel()[at] = first
    return enter


def _leaf_at(sight: Sight, k: int, direction, distance):
    atlas, material = sight.atlas, sight.solids.material[k]
    origin = sight.origins[k]
    local = [o + distance * d for o, d in zip(origin, direction, strict=True)]
    u, v = foliage_uv(local, sight.solids.half[k], atlas.repeat[material])
    return atlas.grain(atlas.texture[material], u, v, sight.levels[k]) > 0.5
