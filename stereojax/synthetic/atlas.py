"""Materials and their textures: mip maps in one array, and trilinear sampling."""

import dataclasses

import numpy as np

from stereojax.shapes import Bool, Float, Int
from stereojax.synthetic.textures import TEXTURES, Texture

SIZE = 512
LEVELS = SIZE.bit_length()
_SIDES = np.array([SIZE >> i for i in range(LEVELS)], np.int32)
_OFFSETS = np.concatenate([[0], np.cumsum(_SIDES.astype(np.int64) ** 2)])
_STRIDE = int(_OFFSETS[-1])
_OFFSETS = _OFFSETS[:-1].astype(np.int32)


def _fill_mips(texels: Float[np.ndarray, "texels 4"], texture: Texture) -> None:
    """Writes the mip levels of a texture to `texels`, its part of the atlas."""
    a = texture
    for offset, side in zip(_OFFSETS, _SIDES, strict=True):
        texels[offset : offset + side * side] = a.reshape(-1, 4)
        if side > 1:
            a = (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4


@dataclasses.dataclass(frozen=True)
class Atlas:
    """The textures of a scene and the materials that use them."""

    texels: Float[np.ndarray, "texels 4"]  # all levels of one texture, then the next
    fourth_channel: Float[np.ndarray, "texels"]  # contiguous copy of texels[:, 3]
    # One value per material (axis m):
    texture: Int[np.ndarray, "m"]  # index of the material's texture
    repeat: Float[np.ndarray, "m"]  # texture repeats per metre
    tint: Float[np.ndarray, "m 3"]  # factor of the texture's colour
    detail: Float[np.ndarray, "m"]  # strength of the fine grain
    cutout: Bool[np.ndarray, "m"]  # whether it has holes, where channel 3 is below 0.5
    scatter: Bool[np.ndarray, "m"]  # whether the texture offset differs per solid

    def sample(self, texture, u, v, level) -> Float[np.ndarray, "n 4"]:
        """Samples trilinearly; `u` and `v` in repeats, `level` 0 is the finest."""
        level = np.clip(level, 0, LEVELS - 1)
        lower = level.astype(np.int32)
        fraction = (level - lower)[:, None]
        below = self._bilinear(texture, u, v, lower)
        above = self._bilinear(texture, u, v, np.minimum(lower + 1, LEVELS - 1))
        return below + fraction * (above - below)

    def _bilinear(self, texture, u, v, level):
        base, offset, side, (fx, fy) = _corners(texture, u, v, level)
        texels = self.texels
        a, b, c, d = (np.take(texels, base + o, axis=0) for o in offset(side))
        top, bottom = a + fx[:, None] * (b - a), c + fx[:, None] * (d - c)
        return top + fy[:, None] * (bottom - top)

    def sample_fourth_channel(self, texture, u, v, level) -> np.ndarray:
        """Samples the fourth channel bilinearly, at integer levels.

        The fourth channel is fine grain or, for foliage and clouds, coverage. The
        arguments are arrays of one shape, which is that of the result.
        """
        base, offset, side, (fx, fy) = _corners(texture, u, v, level)
        a, b, c, d = (np.take(self.fourth_channel, base + o) for o in offset(side))
        top, bottom = a + fx * (b - a), c + fx * (d - c)
        return top + fy * (bottom - top)


def _corners(texture, u, v, level):
    """Returns the texel indices and the fractions of bilinear sampling.

    Returns:
      (base, offset, side, fractions). `base + o`, for `o` in `offset(side)`, are the
      indices of the four texels around each sample: top left, top right, bottom left,
      bottom right. `fractions` are the sample's distances from the top left texel.
    """
    side = _SIDES[level]
    x, y = u * side - 0.5, v * side - 0.5
    x0, y0 = np.floor(x), np.floor(y)
    fractions = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    x0, y0 = x0.astype(np.int32), y0.astype(np.int32)
    base = texture * _STRIDE + _OFFSETS[level]

    def offset(side):
        last = side - 1
        xa, xb = x0 & last, (x0 + 1) & last
        ya, yb = (y0 & last) * side, ((y0 + 1) & last) * side
        return ya + xa, ya + xb, yb + xa, yb + xb

    return base, offset, side, fractions


class Palette:
    """Collects the materials of a scene; makes each of their textures once."""

    def __init__(self):
        self._names: list[tuple[str, int]] = []
        self._rows: list[tuple] = []

    def add(
        self,
        name: str,
        repeat: float,
        tint=(1.0, 1.0, 1.0),
        *,
        detail: float = 0.8,
        variant: int = 0,
        cutout: bool = False,
    ) -> int:
        """Adds a material and returns its index.

        Args:
          name: a key of `TEXTURES`.
          repeat: texture repeats per metre.
          tint: factor of the texture's colour, RGB.
          detail: strength of the fine grain.
          variant: materials of one name and variant share a texture.
          cutout: whether the material has holes.
        """
        key = (name, variant)
        if key not in self._names:
            self._names.append(key)
        scatter = not (cutout or name in ("facade", "picture"))
        tint = tuple(map(float, tint))
        index = self._names.index(key)
        self._rows.append((index, repeat, tint, detail, cutout, scatter))
        return len(self._rows) - 1

    def atlas(self, rng: np.random.Generator) -> Atlas:
        """Makes the textures of all added materials, with random numbers of `rng`."""
        children = rng.spawn(len(self._names))
        texels = np.empty((len(self._names) * _STRIDE, 4), np.float32)
        for i, ((name, _), child) in enumerate(zip(self._names, children, strict=True)):
            part = texels[i * _STRIDE : (i + 1) * _STRIDE]
            _fill_mips(part, TEXTURES[name](child, SIZE))
        texture, repeat, tint, detail, cutout, scatter = zip(*self._rows, strict=True)
        return Atlas(
            texels,
            texels[:, 3].copy(),
            np.array(texture, np.int32),
            np.array(repeat, np.float32),
            np.array(tint, np.float32),
            np.array(detail, np.float32),
            np.array(cutout, bool),
            np.array(scatter, bool),
        )
