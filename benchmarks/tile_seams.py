"""Compares two times of blending tiles: after every step, and once at the end.

    python -m benchmarks.tile_seams

Small random networks of several seeds denoise a window in tiles and, for comparison,
in one piece. A seam is a change across the borders of an overlap that is larger than
at the same place without tiles. The table also shows the mean difference of the tiled
from the untiled result. The networks are random, so the results are about the blending
only, not about the images of a trained model.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from benchmarks.measure import save, table
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import random_networks
from stereojax.inpaint.noise import frame_noise, shot_key
from stereojax.settings.diffusion import DiffusionSettings

FRAMES, HEIGHT, WIDTH = 3, 128, 384
UNTILED = DiffusionSettings(steps=8, window=FRAMES, overlap=0)
TILED = dataclasses.replace(UNTILED, tile_width=192, tile_overlap=64)


def measure(seed: int) -> dict[str, dict[str, float]]:
    """Returns the seam and the difference of both blendings for one random network."""
    networks = random_networks(seed=seed)
    rng = np.random.default_rng(seed)
    occlusion = jnp.asarray(rng.random((FRAMES, HEIGHT, WIDTH)) < 0.3, jnp.float32)
    pictures = jnp.asarray(rng.random((FRAMES, HEIGHT, WIDTH, 3)), jnp.float32)
    pictures *= 1 - occlusion[..., None]

    def latents(settings: DiffusionSettings) -> np.ndarray:
        diffusion = Diffusion(networks, settings)
        shape = diffusion.plan.latent_shape(HEIGHT, WIDTH)
        noise = frame_noise(shot_key(seed, 0), 0, FRAMES, shape)
        return np.asarray(diffusion.latents(pictures, occlusion, noise))

    tiles = Diffusion(networks, TILED).plan.tiles(HEIGHT, WIDTH)
    borders = [*tiles.lefts[1:], *(x + tiles.size[1] for x in tiles.lefts[:-1])]
    untiled = latents(UNTILED)

    def jumps(x: np.ndarray) -> float:
        """Returns the mean change across the borders of the overlaps."""
        across = np.abs(np.diff(x, axis=2)).mean((0, 1, 3))
        return float(np.mean([across[b - 1] for b in borders]))

    results = {}
    for sync in ("every_step", "end"):
        tiled = latents(dataclasses.replace(TILED, tile_sync=sync))
        results[sync] = {
            "jump": jumps(tiled) / jumps(untiled) - 1,
            "difference": float(
                np.abs(tiled - untiled).mean() / np.abs(untiled).mean()
            ),
        }
    return results


def main() -> None:
    results = [measure(seed) for seed in range(4)]
    rows = [
        {
            "tile_sync": sync,
            "seam, % above untiled": 100
            * float(np.mean([r[sync]["jump"] for r in results])),
            "difference from untiled, %": 100
            * float(np.mean([r[sync]["difference"] for r in results])),
        }
        for sync in ("every_step", "end")
    ]
    print(table(rows))
    print("written:", save("tile_seams", rows))


if __name__ == "__main__":
    main()
