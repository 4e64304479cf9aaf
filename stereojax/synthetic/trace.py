"""What each ray meets first: the exact geometry of a view."""

import numpy as np

from stereojax.shapes import Float, Int
from stereojax.synthetic.atlas import LEVELS, SIZE, Atlas
from stereojax.synthetic.camera import Rig, View
from stereojax.synthetic.solids import Solids, hit

FACES = 4  # a surface is FACES * solid + face


def trace(
    view: View,
    solids: Solids,
    atlas: Atlas,
    columns: np.ndarray,  # (*s, 1, w), or (*s, h, w) where every ray has its own
    rows: np.ndarray,  # (*s, h, 1)
    spread: tuple[float, float] = (0.0, 0.0),
) -> tuple[Float[np.ndarray, "*s h w"], Int[np.ndarray, "*s h w"]]:
    """Depth along the optical axis in metres (inf = sky), and the surface met.

    Columns and rows are in pixels, 0 = the first centre, fractions allowed; entry j of
    `columns` may be off column j by `spread` at most, to the left and to the right.
    Surfaces are numbered FACES * solid + face; then the ground, then the sky.
    """
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
    origins = np.einsum("nij,nj->ni", solids.axes, view.eye - solids.center)
    turns = np.einsum("nij,kj->nik", solids.axes, axes)
    levels = _cutout_levels(view, solids, atlas)
    cutout = atlas.cutout[solids.material]
    per_ray = u.shape[-2] > 1
    for k, (x0, x1, y0, y1) in enumerate(view.windows(solids, spread).tolist()):
        if x0 >= x1 or y0 >= y1:
            continue
        uk, vk = u[..., y0:y1, x0:x1] if per_ray else u[..., x0:x1], v[..., y0:y1, :]
        direction = [uk * m[0] + (vk * m[1] + m[2]) for m in turns[k]]
        enter, leave, face = hit(solids.kind[k], solids.half[k], origins[k], direction)
        if cutout[k]:
            args = (
                solids.half[k],
                atlas,
                solids.material[k],
                levels[k],
                origins[k],
                direction,
            )
            enter = np.where(_solid_at(enter, *args), enter, np.inf)
            leave = np.where(_solid_at(leave, *args), leave, np.inf)
            enter = np.minimum(enter, leave)
        window = depth[..., y0:y1, x0:x1]
        nearer = (enter < window) & (enter > near)
        np.copyto(window, enter, where=nearer)
        label = np.int32(FACES * k) + face
        np.copyto(surface[..., y0:y1, x0:x1], label, where=nearer)
    return depth, surface


def occluded(
    left: View,
    right: View,
    solids: Solids,
    atlas: Atlas,
    depth: Float[np.ndarray, "h w"],  # of the right view's pixel centres
) -> Float[np.ndarray, "h w"]:
    """1 where the left camera does not see what the right view's pixel shows.

    It is hidden behind something nearer, or outside the left camera's frame.
    """
    rig, width = left.rig, left.width
    disparity = rig.disparity(depth)
    columns = np.arange(width, dtype=np.float32) + disparity
    outside = (columns < -0.5) | (columns > width - 0.5)
    low, high = float(disparity.min()), float(disparity.max())
    # Column j looks as far as j + high, so a solid seen there may be met at j.
    rows = np.arange(left.height)[:, None]
    first, _ = trace(left, solids, atlas, columns, rows, (high, -low))
    # Half a hundredth of a pixel at 500 columns: far above float32's rounding.
    tolerance = 1e-5 * width
    hidden = rig.disparity(first) > disparity + tolerance
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


def _solid_at(distance, half, atlas: Atlas, material, level, origin, direction):
    local = [o + distance * d for o, d in zip(origin, direction, strict=True)]
    local = [np.where(np.isfinite(a), a, 0) for a in local]
    u, v = foliage_uv(local, half, atlas.repeat[material])
    return atlas.grain(atlas.texture[material], u, v, level) > 0.5


def _cutout_levels(view: View, solids: Solids, atlas: Atlas) -> np.ndarray:
    """One mip level a solid and instant, so that both eyes meet the same holes."""
    distance = np.maximum((solids.center - view.eye) @ view.axes[2], view.rig.near)
    return _level(view.rig, distance, atlas.repeat[solids.material])


def _level(rig: Rig, distance, repeat):
    texels = distance / rig.focal * repeat * SIZE
    return np.clip(np.log2(np.maximum(texels, 1)), 0, LEVELS - 1).astype(np.int32)
