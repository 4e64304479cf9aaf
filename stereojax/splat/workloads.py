"""The frames on which the splat is tested and measured."""

import numpy as np

SIZES = {"576p": (576, 1024), "1080p": (1080, 1920), "4k": (2160, 3840)}
RANGES = (20, 64, 128)  # pixels of disparity, the published setting first


def scene(
    shape: tuple[int, ...],
    low: int | float,
    high: int | float,
    *,
    seed: int = 0,
    channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (image "*b h w c", disparity "*b h w"): discs before wavy ground.

    Disparities go from `low` to `high` in each frame, with a little noise on top, as
    an estimated depth has.
    """
    rng = np.random.default_rng(seed)
    *batch, height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disparity = np.empty(shape, np.float32)
    for frame in np.ndindex(*batch):
        depth = 0.5 + 0.5 * np.sin(9 * x / width + 3 * y / height + rng.random())
        for _ in range(12):
            cx, cy = rng.random() * width, rng.random() * height
            radius = (0.05 + 0.15 * rng.random()) * width
            disc = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
            depth = np.where(disc, rng.random(), depth)
        depth = (depth - depth.min()) / max(np.ptp(depth), 1e-6)
        disparity[frame] = low + (high - low) * depth
    disparity += rng.normal(0, 0.05, shape).astype(np.float32)
    return rng.random((*shape, channels), dtype=np.float32), disparity
