"""Lighting: sun, sky, haze, and a shadow map of the ground."""

import dataclasses

import numpy as np

from stereojax.shapes import Float
from stereojax.synthetic.atlas import Atlas
from stereojax.synthetic.solids import Solids, intersect


@dataclasses.dataclass(frozen=True)
class Light:
    """The light of one shot; colors are linear."""

    sun: np.ndarray  # (3,) unit vector towards it
    sun_color: np.ndarray
    sky_color: np.ndarray  # ambient light from above
    bounce_color: np.ndarray  # ambient light from below
    zenith: np.ndarray
    horizon: np.ndarray  # also the color of the haze
    haze: float  # extinction per metre
    clouds: int  # material index
    lamp: np.ndarray  # (3,) position
    lamp_color: np.ndarray  # 0 outdoors
    exposure: float


def sky(light: Light, atlas: Atlas, direction) -> Float[np.ndarray, "n 3"]:
    """Returns the sky's color along rays: a gradient, clouds, a glow at the sun."""
    x, y, z = direction
    length = np.sqrt(x * x + y * y + z * z)
    up = np.maximum(y / length, 0)
    color = light.horizon + np.sqrt(up)[:, None] * (light.zenith - light.horizon)
    flat = 0.35 / (up + 0.12) / length
    repeat = atlas.repeat[light.clouds]
    texture = np.broadcast_to(atlas.texture[light.clouds], x.shape)
    level = np.full(x.shape, 1.0, np.float32)
    cloud = atlas.sample(texture, x * flat * repeat, z * flat * repeat, level)
    cover = (cloud[:, 3] * np.clip(up * 6, 0, 1))[:, None]
    glow = (x * light.sun[0] + y * light.sun[1] + z * light.sun[2]) / length
    glow = (np.maximum(glow, 0) ** 24)[:, None] * 0.35 * light.sun_color
    lit = cloud[:, :3] * (0.65 * light.sun_color + 0.35 * light.sky_color)
    return color + cover * (lit - color) + glow


@dataclasses.dataclass(frozen=True)
class ShadowMap:
    """The share of sunlight that reaches each cell of the ground, in [0, 1]."""

    light: Float[np.ndarray, "z x"]
    low: tuple[float, float]  # (x, z) of the map's first corner
    step: float  # cell size in metres

    def at(self, x, z) -> np.ndarray:
        """Samples the map bilinearly; the border value continues outside."""
        a, b = (x - self.low[0]) / self.step - 0.5, (z - self.low[1]) / self.step - 0.5
        rows, columns = self.light.shape
        a, b = np.clip(a, 0, columns - 1.001), np.clip(b, 0, rows - 1.001)
        i, j = a.astype(np.int32), b.astype(np.int32)
        fa, fb = (a - i).astype(np.float32), (b - j).astype(np.float32)
        flat, at = self.light.ravel(), j * columns + i
        top = flat[at] + fa * (flat[at + 1] - flat[at])
        at = at + columns
        bottom = flat[at] + fa * (flat[at + 1] - flat[at])
        return top + fb * (bottom - top)

    def with_shadows(self, solids: Solids, sun: np.ndarray) -> "ShadowMap":
        """Returns the map with the shadows of `solids` added."""
        light = self.light.copy()
        rows, columns = light.shape
        xs = (self.low[0] + (np.arange(columns) + 0.5) * self.step).astype(np.float32)
        zs = (self.low[1] + (np.arange(rows) + 0.5) * self.step).astype(np.float32)
        corners = solids.corners()
        fallen = corners - corners[..., 1:2] / sun[1] * sun
        for k in np.flatnonzero(solids.casts_shadow):
            low = (fallen[k].min(0)[[0, 2]] - self.low) / self.step - 1
            high = (fallen[k].max(0)[[0, 2]] - self.low) / self.step + 1
            x0, z0 = np.clip(low, 0, (columns, rows)).astype(int)
            x1, z1 = np.clip(high, 0, (columns, rows)).astype(int)
            if x0 >= x1 or z0 >= z1:
                continue
            axes, center = solids.axes[k], solids.center[k]
            x, z = xs[None, x0:x1] - center[0], zs[z0:z1, None] - center[2]
            origin = [x * a[0] - center[1] * a[1] + z * a[2] for a in axes]
            toward = [np.float32(d) for d in axes @ sun]
            enter, _, _ = intersect(solids.kind[k], solids.half[k], origin, toward)
            light[z0:z1, x0:x1][np.isfinite(enter)] = 0
        return dataclasses.replace(self, light=light)

    def blurred(self, rounds: int = 2) -> "ShadowMap":
        """Returns the map with a small blur, for penumbras."""
        light = np.pad(self.light, rounds, mode="edge")
        for _ in range(rounds):
            light = (light[:-2] + 2 * light[1:-1] + light[2:]) / 4
            light = (light[:, :-2] + 2 * light[:, 1:-1] + light[:, 2:]) / 4
        return dataclasses.replace(self, light=light)


def unshadowed_ground(
    middle: tuple[float, float], size: float, cells: int
) -> ShadowMap:
    """Returns a map in full sun, `size` metres and `cells` cells a side."""
    low = (middle[0] - size / 2, middle[1] - size / 2)
    return ShadowMap(np.ones((cells, cells), np.float32), low, size / cells)
