"""Convex solids and their closed-form ray intersections.

A solid is a box, an ellipsoid or a capsule. `axes` are its own axes in the world, as
rows, and `half` is half its size along them. A capsule runs along its own y axis:
`half` is (radius, half the length of its straight part, radius).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from stereojax.shapes import Bool, Float, Int

BOX, ELLIPSOID, CAPSULE, GROUND = range(4)
_TINY = np.float32(1e-20)  # avoids a division by 0; too small to change other numbers
_CORNERS = np.array(
    [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32
)


@dataclasses.dataclass(frozen=True)
class Solid:
    """One solid; metres, world axes x right, y up, z forward."""

    kind: int
    center: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3)
    half: np.ndarray  # (3,)
    material: int
    casts_shadow: bool = True


@dataclasses.dataclass(frozen=True)
class Solids:
    """Many solids, as an array per field."""

    kind: Int[np.ndarray, "n"]
    center: Float[np.ndarray, "n 3"]
    axes: Float[np.ndarray, "n 3 3"]
    half: Float[np.ndarray, "n 3"]
    material: Int[np.ndarray, "n"]
    casts_shadow: Bool[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.kind)

    def corners(self) -> Float[np.ndarray, "n 8 3"]:
        """Returns the corners of each solid's bounding box, in world coordinates."""
        extent = self.half.copy()
        capsule = self.kind == CAPSULE
        extent[capsule, 1] += extent[capsule, 0]
        local = _CORNERS[None] * extent[:, None]
        return self.center[:, None] + np.einsum("nci,nij->ncj", local, self.axes)


def concatenate(a: Solids, b: Solids) -> Solids:
    """Returns the solids of `a`, then those of `b`."""
    fields = [f.name for f in dataclasses.fields(Solids)]
    return Solids(*(np.concatenate([getattr(a, f), getattr(b, f)]) for f in fields))


def stack_solids(solids: Sequence[Solid]) -> Solids:
    """Converts a list of solids to arrays."""
    n = len(solids)
    return Solids(
        np.array([s.kind for s in solids], np.int32),
        np.array([s.center for s in solids], np.float32).reshape(n, 3),
        np.array([s.axes for s in solids], np.float32).reshape(n, 3, 3),
        np.array([s.half for s in solids], np.float32).reshape(n, 3),
        np.array([s.material for s in solids], np.int32),
        np.array([s.casts_shadow for s in solids], bool),
    )


def rotation_axes(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Returns the axes, as rows, of a body with this yaw (right), pitch (up), roll."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    axes = np.array([[cy, 0.0, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])
    if roll:
        cr, sr = math.cos(roll), math.sin(roll)
        axes = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]]) @ axes
    return axes


def box(center, half, material, *, yaw=0.0, pitch=0.0, roll=0.0, shadow=True) -> Solid:
    """Returns a box of twice `half`, rotated about its centre."""
    axes = rotation_axes(yaw, pitch, roll)
    return Solid(BOX, np.array(center), axes, np.array(half), material, shadow)


def ellipsoid(center, radii, material, *, yaw=0.0, pitch=0.0, shadow=True) -> Solid:
    """Returns an ellipsoid, rotated about its centre."""
    axes = rotation_axes(yaw, pitch)
    return Solid(ELLIPSOID, np.array(center), axes, np.array(radii), material, shadow)


def capsule(a, b, radius, material, *, shadow=True) -> Solid:
    """Returns a capsule from `a` to `b`."""
    a, b = np.array(a, float), np.array(b, float)
    x, y, z = (b - a).tolist()
    length = math.hypot(x, y, z) or 1.0
    x, y, z = (x / length, y / length, z / length) if (b != a).any() else (0, 1, 0)
    # Any perpendicular direction: the capsule is round.
    if abs(z) < 0.9:
        over = math.hypot(x, y)
        right = (y / over, -x / over, 0.0)
    else:
        over = math.hypot(y, z)
        right = (0.0, z / over, -y / over)
    r, s, t = right
    axes = np.array([right, (x, y, z), (s * z - t * y, t * x - r * z, r * y - s * x)])
    half = np.array([radius, np.linalg.norm(b - a) / 2, radius])
    return Solid(CAPSULE, (a + b) / 2, axes, half, material, shadow)


def intersect(kind: int | np.integer, half, origin, direction):
    """Returns the ray parameters at which a ray enters and leaves a solid.

    `origin` and `direction` are triples of scalars or arrays that broadcast, in the
    solid's own axes. Returns, in lengths of `direction`, `enter` (inf for a miss) and
    `leave` (None for a capsule), and `face` (for a box the axis of the entry face, else
    0).
    """
    if kind == BOX:
        return _hit_box(half, origin, direction)
    if kind == ELLIPSOID:
        enter, leave = _hit_ellipsoid(half, origin, direction)
        return enter, leave, 0
    return _hit_capsule(half, origin, direction), None, 0


def _hit_box(half, origin, direction):
    # `_TINY` handles rays parallel to a face.
    inverse = [1 / (d + _TINY) for d in direction]
    middle = [-o * i for o, i in zip(origin, inverse, strict=True)]
    extent = [h * np.abs(i) for h, i in zip(half, inverse, strict=True)]
    x, y, z = (m - e for m, e in zip(middle, extent, strict=True))
    enter = np.maximum(np.maximum(x, y), z)
    leave = np.minimum(
        np.minimum(middle[0] + extent[0], middle[1] + extent[1]), middle[2] + extent[2]
    )
    face = (enter == y) + 2 * (enter == z).astype(np.int8)
    return np.where(enter <= leave, enter, np.inf), leave, np.minimum(face, 2)


def _hit_ellipsoid(half, origin, direction):
    # Starts from the ray's point nearest to the centre: the usual discriminant cancels
    # in float32 for a small and distant solid.
    o = [a / h for a, h in zip(origin, half, strict=True)]
    d = [a / h for a, h in zip(direction, half, strict=True)]
    over = 1 / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    middle = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) * over
    x, y, z = (a + middle * b for a, b in zip(o, d, strict=True))
    inside = 1 - (x * x + y * y + z * z)
    reach = np.sqrt(np.maximum(inside, 0) * over)
    missed = inside <= 0
    enter = np.where(missed, np.inf, middle - reach)
    return enter, np.where(missed, np.inf, middle + reach)


def _hit_capsule(half, origin, direction):
    radius, straight = half[0], half[1]
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    across = dx * dx + dz * dz
    over = 1 / (across + _TINY)
    middle = -(ox * dx + oz * dz) * over
    x, z = ox + middle * dx, oz + middle * dz
    inside = radius * radius - (x * x + z * z)
    side = middle - np.sqrt(np.maximum(inside, 0) * over)
    height = oy + side * dy
    # Beyond the straight part: the sphere at that end.
    end = oy - np.copysign(straight, height)
    over = 1 / (across + dy * dy)
    middle = -(ox * dx + end * dy + oz * dz) * over
    x, y, z = ox + middle * dx, end + middle * dy, oz + middle * dz
    ball = radius * radius - (x * x + y * y + z * z)
    cap = middle - np.sqrt(np.maximum(ball, 0) * over)
    straight_hit = np.abs(height) <= straight
    is_hit = (inside > 0) & (straight_hit | (ball > 0))
    return np.where(is_hit, np.where(straight_hit, side, cap), np.inf)
