"""When tiles are blended: after every step, or once at the end. Which shows less?

    python -m benchmarks.tile_seams

Noise is filled in by small random networks, of several seeds, in tiles and, for
comparison, in one piece. A seam is where the picture changes more across the borders of
an overlap than it does at the same place without tiles. Also told: how far the tiled
result is from the untiled one. Random networks know nothing of pictures, so this judges
the blending and not the model.
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
WHOLE = DiffusionSettings(steps=8, window=FRAMES, overlap=0)
TILED = dataclasses.replace(WHOLE, tile_width=192, tile_overlap=64)


def measure(seed: int) -> dict[str, dict[str, float]]:
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
    whole = latents(WHOLE)

    def jumps(x: np.ndarray) -> float:
        across = np.abs(np.diff(x, axis=2)).mean((0, 1, 3))
        return float(np.mean([across[b - 1] for b in borders]))

    found = {}
    for sync in ("every_step", "end"):
        tiled = latents(dataclasses.replace(TILED, tile_sync=sync))
        found[sync] = {
            "jump": jumps(tiled) / jumps(whole) - 1,
            "off": float(np.abs(tiled - whole).mean() / np.abs(whole).mean()),
        }
    return found


def main() -> None:
    found = [measure(seed) for seed in range(4)]
    rows = [
        {
            "tile_sync": sync,
            "seam, % above untiled": 100
            * float(np.mean([f[sync]["jump"] for f in found])),
            "off untiled, %": 100 * float(np.mean([f[sync]["off"] for f in found])),
        }
        for sync in ("every_step", "end")
    ]
    print(table(rows))
    print("written:", save("tile_seams", rows))


if __name__ == "__main__":
    main()
