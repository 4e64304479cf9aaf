"""Procedural textures: square, seamless, in linear light.

Each is `(size, size, 4)`: red, green, blue, and a fourth channel with mean 0.5. The
fourth channel is fine grain or, for `foliage` and `clouds`, coverage.
"""

from collections.abc import Callable

import numpy as np

from stereojax.shapes import Float

Texture = Float[np.ndarray, "size size 4"]
Random = np.random.Generator


def spectral(rng: Random, size: int, slope: float = 1.0, stretch=(1.0, 1.0)):
    """Returns seamless noise of amplitude frequency ** -slope; std 1, mean 0.

    `stretch` (down, across) makes the grain that many times longer.
    """
    fy = np.fft.fftfreq(size).astype(np.float32)[:, None] * size * stretch[0]
    fx = np.fft.rfftfreq(size).astype(np.float32)[None] * size * stretch[1]
    squared = fx * fx + fy * fy
    squared[0, 0] = np.inf
    white = rng.standard_normal((*squared.shape, 2), np.float32).view(np.complex64)
    spectrum = white[..., 0] * squared ** np.float32(-slope / 2)
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return noise / noise.std()


def cells(size: int, rows: int, columns: int, shift: float = 0.0):
    """Returns each texel's (row, column, y, x) in a running bond; y, x in [0, 1]."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    y = np.broadcast_to((grid * rows)[:, None], (size, size))
    row = np.floor(y).astype(int)
    x = (grid * columns)[None] + shift * (row % 2)
    column = np.floor(x).astype(int)
    return row, column % columns, y - row, x - column


def _finish(rgb, detail) -> Texture:
    """Clips the colors and appends the detail channel."""
    detail = np.clip(0.5 + 0.22 * (detail - detail.mean()), 0, 1)
    rgba = np.concatenate([np.clip(rgb, 0.0, 1.0), detail[..., None]], axis=2)
    return rgba.astype(np.float32)


def _edge(x, width):
    """Returns 0 at the border of a cell and 1 inside: a joint of `width` cells."""
    return np.clip(np.minimum(x, 1 - x) / width - 0.5, 0, 1)


def rough(rng: Random, size: int) -> Texture:
    """Makes asphalt, plaster, soil: blotches and grit."""
    blotch, grit = spectral(rng, size, 1.6), spectral(rng, size, 0.4)
    hue = spectral(rng, size, 1.4)[..., None] * rng.uniform(-0.04, 0.04, 3)
    stones = np.where(grit > 1.8, rng.uniform(0.1, 0.35), 0.0)
    value = 0.5 * np.exp(0.2 * blotch + 0.26 * grit) + stones
    return _finish(value[..., None] * (1 + hue), grit)


def smooth(rng: Random, size: int) -> Texture:
    """Makes paint, metal, skin: almost no grain."""
    blotch, grit = spectral(rng, size, 1.8), spectral(rng, size, 0.5)
    value = 0.55 * np.exp(0.07 * blotch + 0.025 * grit)[..., None]
    return _finish(value * np.ones(3), grit)


def grass(rng: Random, size: int) -> Texture:
    """Makes a lawn: blades with dry patches."""
    blades = spectral(rng, size, 0.5, (0.35, 1.0)) + 0.6 * spectral(rng, size, 0.9)
    dry = np.clip(0.5 + 0.3 * spectral(rng, size, 1.7), 0, 1)[..., None]
    green, straw = np.array([0.30, 0.46, 0.14]), np.array([0.52, 0.47, 0.22])
    value = np.exp(0.38 * blades)[..., None]
    return _finish((green * (1 - dry) + straw * dry) * value, blades)


def bricks(rng: Random, size: int) -> Texture:
    """Makes a brick wall in running bond, each brick in its own tint."""
    rows, columns = 2 * int(rng.integers(5, 9)), int(rng.integers(4, 7))
    row, column, y, x = cells(size, rows, columns, 0.5)
    tint = np.exp(0.22 * rng.standard_normal((rows, columns, 1)))
    tint = tint * (1 + 0.08 * rng.standard_normal((rows, columns, 3)))
    grit, blotch = spectral(rng, size, 0.7), spectral(rng, size, 1.6)
    inside = _edge(y, 0.09) * _edge(x, 0.045)
    shade = np.exp(0.13 * grit + 0.12 * blotch) * (0.9 + 0.2 * y)
    base = np.array(rng.choice([[0.55, 0.27, 0.19], [0.62, 0.50, 0.36], [0.5] * 3]))
    brick = base * tint[row, column] * shade[..., None]
    mortar = rng.uniform(0.35, 0.7) * np.exp(0.1 * grit)[..., None] * np.ones(3)
    return _finish(mortar + inside[..., None] * (brick - mortar), grit)


def tiles(rng: Random, size: int) -> Texture:
    """Makes square stone tiles, or a checkerboard of two stones."""
    n = 2 * int(rng.integers(2, 4))
    row, column, y, x = cells(size, n, n)
    tint = np.exp(0.12 * rng.standard_normal((n, n, 1)) * np.ones(3))
    checks = ((np.indices((n, n)).sum(0) % 2)[..., None]) * rng.uniform(0, 0.65)
    grit, veins = spectral(rng, size, 0.6), np.abs(spectral(rng, size, 1.5))
    inside = _edge(y, 0.03) * _edge(x, 0.03)
    shade = np.exp(0.09 * grit - 0.25 * np.exp(-8 * veins))
    color = np.array([0.62, 0.58, 0.52]) * (1 + rng.uniform(-0.1, 0.1, 3))
    stone = color * (tint - checks)[row, column] * shade[..., None]
    return _finish(stone * (0.35 + 0.65 * inside[..., None]), grit)


def planks(rng: Random, size: int) -> Texture:
    """Makes horizontal boards with wood grain and random joints."""
    rows = int(rng.integers(5, 10))
    row, column, y, x = cells(size, rows, 2, rng.uniform(0.2, 0.8))
    tint = np.exp(0.18 * rng.standard_normal((rows, 2, 1)))
    tint = tint * (1 + 0.05 * rng.standard_normal((rows, 2, 3)))
    grain = spectral(rng, size, 1.0, (1.0, 14.0))
    offset = rng.integers(0, size, rows)[row]
    across = (np.arange(size)[None] + offset) % size
    grain = np.take_along_axis(grain, across, axis=1)
    rings = np.sin(9 * np.take_along_axis(spectral(rng, size, 2.0, (1, 9)), across, 1))
    inside = np.minimum(_edge(y, 0.05), _edge(x, 0.006))
    shade = np.exp(0.2 * grain + 0.1 * rings)
    wood = np.array([0.58, 0.38, 0.21]) * tint[row, column] * shade[..., None]
    return _finish(wood * (0.2 + 0.8 * inside[..., None]), grain)


def facade(rng: Random, size: int) -> Texture:
    """Makes a plastered wall with storeys of windows."""
    rows, columns = int(rng.integers(3, 5)), int(rng.integers(3, 6))
    row, column, y, x = cells(size, rows, columns)
    grit, streaks = spectral(rng, size, 0.9), spectral(rng, size, 1.3, (5.0, 1.0))
    wall = np.exp(0.09 * grit + 0.1 * streaks)[..., None] * rng.uniform(0.4, 0.75)
    wall = wall * (1 + rng.uniform(-0.18, 0.18, 3))
    # y grows upwards on a wall: the cornice is at the top of a storey.
    wall = wall * np.where(y > 0.93, 0.6, np.where(y > 0.88, 1.3, 1.0))[..., None]
    wide, low, high = rng.uniform(0.2, 0.34), rng.uniform(0.15, 0.3), 0.78
    glass = (np.abs(x - 0.5) < wide) & (y > low) & (y < high)
    frame = (np.abs(x - 0.5) < wide + 0.05) & (y > low - 0.05) & (y < high + 0.05)
    bars = (np.abs(x - 0.5) < 0.02) | (np.abs(y - 0.6) < 0.015)
    light = np.exp(0.7 * rng.standard_normal((rows, columns)))[row, column]
    blind = y > (high - rng.uniform(0, 0.5, (rows, columns)) ** 2)[row, column]
    mirror = 0.07 * light * (0.6 + 1.2 * y) + 0.03 * spectral(rng, size, 1.5)
    pane = np.where(blind, 0.45, mirror)[..., None] * np.array([0.9, 1.0, 1.15])
    trim = rng.uniform(0.25, 0.9) * np.ones(3)
    color = np.where(frame[..., None], trim * np.exp(0.05 * grit)[..., None], wall)
    color = np.where((glass & ~bars)[..., None], pane, color)
    return _finish(color, grit)


def cloth(rng: Random, size: int) -> Texture:
    """Makes stripes, checks or plain weave; gray, to be tinted by the material."""
    grid = (np.arange(size) + 0.5) / size
    weave = 0.06 * spectral(rng, size, 0.5) + 0.12 * spectral(rng, size, 1.7)
    value = np.exp(weave)
    for axis in (0, 1):
        if rng.uniform() < 0.6:
            wave = np.sin(2 * np.pi * rng.integers(3, 9) * grid) * 3 + rng.uniform(
                -2, 2
            )
            stripe = np.clip(wave, -1, 1) * rng.uniform(0.1, 0.35)
            value = value * np.exp(stripe[:, None] if axis == 0 else stripe[None])
    color = 0.6 * value[..., None] * (1 + rng.uniform(-0.05, 0.05, 3))
    return _finish(color, spectral(rng, size, 0.4))


def bark(rng: Random, size: int) -> Texture:
    """Makes vertical ridges with moss."""
    ridges = spectral(rng, size, 1.0, (6.0, 1.0))
    moss = np.clip(spectral(rng, size, 1.5) - 0.6, 0, 1)[..., None]
    color = np.array([0.36, 0.28, 0.21]) * np.exp(0.4 * ridges)[..., None]
    color = color * (1 - moss) + moss * np.array([0.3, 0.38, 0.18])
    return _finish(color, ridges)


def foliage(rng: Random, size: int) -> Texture:
    """Makes overlapping leaves; the fourth channel is low between them."""
    rgba = np.zeros((size, size, 4), np.float32)
    rgba[..., :3] = np.array([0.05, 0.09, 0.03])
    rgba[..., 3] = 0.1
    hue = rng.choice([[0.26, 0.44, 0.12], [0.38, 0.46, 0.12], [0.52, 0.30, 0.10]])
    radius = size // 22
    span = np.arange(-radius, radius + 1, dtype=np.float32)
    for i in range(int(rng.integers(230, 300))):
        angle = rng.uniform(0, 2 * np.pi)
        c, s = np.cos(angle), np.sin(angle)
        along = (span[None] * c + span[:, None] * s) / radius
        over = (span[:, None] * c - span[None] * s) / radius
        wide = rng.uniform(0.3, 0.5)
        leaf = along**2 + (over / wide) ** 2 < 1
        light = rng.uniform(0.35, 1.3) * (0.75 + 0.5 * i / 260)
        color = hue * light * (1 + rng.normal(0, 0.12, 3))
        vein = 1 - 0.3 * (np.abs(over) < 0.06) + 0.25 * over / wide
        y = (rng.integers(size) + span.astype(int)) % size
        x = (rng.integers(size) + span.astype(int)) % size
        patch = np.concatenate([color * vein[..., None], np.ones((*vein.shape, 1))], 2)
        block = np.ix_(y, x)
        rgba[block] = np.where(leaf[..., None], patch, rgba[block])
    return np.clip(rgba, 0, 1)


def picture(rng: Random, size: int) -> Texture:
    """Makes a painting or poster: a sky, hills, and colored discs."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    color = (1 - y)[..., None] * rng.uniform(0.1, 0.9, 3) + y[..., None] * rng.uniform(
        0.1, 0.9, 3
    )
    for level in (0.55, 0.35, 0.2):
        ridge = level + 0.1 * np.sin(
            2 * np.pi * (x * rng.integers(1, 4) + rng.uniform())
        )
        color = np.where((y < ridge)[..., None], rng.uniform(0.05, 0.7, 3), color)
    for _ in range(6):
        far = np.hypot(x - rng.uniform(0.1, 0.9), y - rng.uniform(0.1, 0.9))
        color = np.where(
            (far < rng.uniform(0.03, 0.16))[..., None], rng.uniform(0, 0.9, 3), color
        )
    color = color * np.exp(0.12 * spectral(rng, size, 0.9))[..., None]
    frame = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) < 0.04
    color = np.where(frame[..., None], 0.08, color)
    return _finish(color, spectral(rng, size, 0.5))


def clouds(rng: Random, size: int) -> Texture:
    """Makes clouds; the fourth channel is their coverage."""
    billow = spectral(rng, size, 1.5) + rng.uniform(-0.8, 0.5)
    cover = np.clip(0.5 + 0.45 * billow, 0, 1)
    white = 0.75 + 0.2 * np.clip(spectral(rng, size, 1.4), -1, 1)
    return np.concatenate(
        [np.repeat(white[..., None], 3, axis=2), cover[..., None]], axis=2
    ).astype(np.float32)


TEXTURES: dict[str, Callable[[Random, int], Texture]] = {
    f.__name__: f
    for f in (
        rough, smooth, grass, bricks, tiles, planks, facade, cloth, bark, foliage,
        picture, clouds,
    )
}  # fmt: skip
