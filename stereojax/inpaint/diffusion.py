"""Generates one window of right views: encodes, denoises and decodes splatted views.

Follows StereoCrafter (arXiv 2409.07447) sec. 3.3. The recipe decides how tiles are
planned and merged, and which of them are denoised.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.inpaint.conditioning import (
    conditioning,
    encode_window,
    latent_mask,
)
from stereojax.inpaint.plan import Plan
from stereojax.inpaint.recipe import OURS, Recipe
from stereojax.inpaint.tiles import Synchronize, Tiles, cut_tiles, merge_tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.shapes import Array, Float
from stereojax.stage_types import is_hole
from stereojax.svd.denoise import TILES, Batching, Conditioning, denoise
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.scheduler import initial_scale, schedule
from stereojax.svd.vae_decode import decode


class Diffusion:
    """Generates the pictures of a window, of any size, from splatted views."""

    def __init__(
        self,
        networks: SVDNetworks,
        settings: DiffusionSettings,
        *,
        recipe: Recipe = OURS,
        devices: Sequence[jax.Device] | None = None,  # default: all local devices
    ):
        devices = jax.local_devices() if devices is None else list(devices)
        vae, unet = networks.vae.config, networks.unet.config
        self.plan = Plan(
            settings, recipe, vae.factor, unet.multiple, vae.latent_channels
        )
        self._networks, self._settings, self.recipe = networks, settings, recipe
        self._unet, self._mesh = networks.unet, None
        if len(devices) > 1:
            self._mesh = Mesh(np.array(devices), (TILES,))
            replicated = NamedSharding(self._mesh, PartitionSpec())
            self._unet = jax.device_put(networks.unet, replicated)
        self._device = devices[0]
        self._sigmas = schedule(
            settings.schedule,
            settings.steps,
            drop_last=recipe.drops_last_level and settings.steps > 2,
        )

    def generate(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array | np.ndarray, "t h3 w3 3"]:
        """Returns complete pictures, generated from splatted views.

        Args:
          pictures: splatted views in [0, 1], 0 in the holes.
          occlusion: 1 = nothing landed.
          noise: normal, of shape `Plan.latent_shape`.
          known: number of first pictures without holes, from the previous window.

        Returns:
          Generated pictures in [0, 1], on the first device; of the size of `pictures`,
          or of the canvas if the canvas is smaller. A window without a hole is returned
          unchanged if the recipe skips complete windows.
        """
        height, width = pictures.shape[1:3]
        if self.recipe.skips_complete and not is_hole(occlusion).any():
            return pictures
        latents = self.latents(pictures, occlusion, noise, known=known)
        vae = self._networks.vae
        frames = decode(
            vae,
            latents / vae.config.scaling_factor,
            chunk=self.recipe.decode_chunk,
        )
        return _crop_to_unit_range(jnp.asarray(frames), height, width)

    def latents(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array, "t h2 w2 z"]:
        """Returns the denoised latents of the canvas; arguments as in `generate`."""
        recipe = self.recipe
        tiles = self.plan.tiles(*pictures.shape[1:3])
        inputs = self._conditioning(pictures, occlusion, tiles, known)

        # Tiles without a hole keep the latents of the splatted view.
        encoded = inputs.channels[..., : noise.shape[-1]]
        active = np.ones(len(tiles), bool)
        if recipe.skips_complete:
            active = np.asarray(inputs.channels[..., -1].any((1, 2, 3)))
        scaling = self._networks.vae.config.scaling_factor
        clean = merge_tiles(scaling * encoded, tiles, jnp.ones(len(tiles), bool), noise)
        if not active.any():
            return clean

        # Active tiles come first in the batch; only the first `count` are denoised.
        order = np.argsort(~active, kind="stable")
        every_step = recipe.synchronizes and self._settings.tile_sync == "every_step"
        start = cut_tiles(noise * initial_scale(), tiles)
        pieces = denoise(
            self._unet,
            start[order],
            jax.tree.map(lambda x: x[order], inputs),
            self._sigmas,
            guidance=self._settings.guidance,
            after_step=(
                Synchronize(jnp.asarray(active), jnp.asarray(order), tiles)
                if every_step and len(tiles) > 1
                else None
            ),
            batching=Batching(
                count=int(active.sum()),
                at_once=self._settings.tiles_at_once or None,
                mesh=self._mesh,
            ),
        )
        pieces = jax.device_put(pieces, self._device)[np.argsort(order)]
        return recipe.merge_tiles(pieces, tiles, jnp.asarray(active), clean)

    def _conditioning(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        tiles: Tiles,
        known: int,
    ) -> Conditioning:
        """Builds the U-Net's conditioning of each tile, one tile after the other."""
        vae, image_encoder = self._networks.vae, self._networks.image_encoder
        canvas, factor = self.plan.canvas(*occlusion.shape[1:]), vae.config.factor
        # Pictures stay in host memory; the device holds the pixels of one tile.
        pictures, occlusion = (
            _fit(np.asarray(x), canvas) for x in (pictures, occlusion)
        )
        marked = known if self.recipe.marks_known_frames else 0
        complete = np.arange(len(pictures)) < marked
        inputs = []
        for top, left in tiles.corners:
            rows, columns = (
                slice(factor * first, factor * (first + size))
                for first, size in zip((top, left), tiles.size, strict=True)
            )
            latents, context = encode_window(
                vae, image_encoder, jnp.asarray(pictures[:, rows, columns])
            )
            mask = latent_mask(
                jnp.asarray(occlusion[:, rows, columns]),
                latents.shape[1:3],
                self.recipe.pooling,
            )
            inputs.append(
                conditioning(
                    latents[None],
                    mask[None],
                    context[None],
                    known=jnp.asarray(complete)[None],
                )
            )
        return jax.tree.map(lambda *x: jnp.concatenate(x), *inputs)


def _fit(
    x: Float[np.ndarray, "t h w *c"], canvas: tuple[int, int]
) -> Float[np.ndarray, "t h2 w2 *c"]:
    """Crops or pads at the bottom and the right; padding repeats the edge.

    A hole at the edge thus continues as a hole. The network would treat black padding
    with a mask of 0 as a part of the picture.
    """
    x = x[:, : canvas[0], : canvas[1]]
    below, right = canvas[0] - x.shape[1], canvas[1] - x.shape[2]
    padding = [(0, 0), (0, below), (0, right), (0, 0)][: x.ndim]
    return np.pad(x, padding, mode="edge")


@functools.partial(jax.jit, static_argnames=("height", "width"))
def _crop_to_unit_range(
    frames: Float[Array, "t h w 3"], height: int, width: int
) -> Float[Array, "t h2 w2 3"]:
    """Crops the padding and maps [-1, 1] to [0, 1]."""
    return jnp.clip(frames[:, :height, :width] / 2 + 0.5, 0, 1)
