"""One window of splatted views through the U-Net: encoded, denoised, decoded.

Follows StereoCrafter (arXiv 2409.07447) sec. 3.3. `published` keeps to its authors'
code, number by number: tiles counted and not sized, the mask's top left pixels, frames
decoded two by two, nothing said about which frames are known.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.inpaint.blend import Synchronize, cut, paste, paste_published
from stereojax.inpaint.conditioning import (
    conditioning,
    encode_window,
    latent_mask,
)
from stereojax.inpaint.plan import Plan
from stereojax.inpaint.tiles import Tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.shapes import Array, Float
from stereojax.stage_types import is_hole
from stereojax.svd.denoise import TILES, Batching, Conditioning, denoise
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.scheduler import initial_scale, schedule
from stereojax.svd.vae_decode import decode


class Diffusion:
    """Fills the holes of a shot, window by window, of any size."""

    def __init__(
        self,
        networks: SVDNetworks,
        settings: DiffusionSettings,
        *,
        published: bool = False,
        devices: Sequence[jax.Device] | None = None,  # default: all local ones
    ):
        devices = jax.local_devices() if devices is None else list(devices)
        vae, unet = networks.vae.config, networks.unet.config
        self.plan = Plan(
            settings, vae.factor, unet.multiple, vae.latent_channels, published
        )
        self._networks, self._settings, self.published = networks, settings, published
        self._unet, self._mesh = networks.unet, None
        if len(devices) > 1:
            self._mesh = Mesh(np.array(devices), (TILES,))
            everywhere = NamedSharding(self._mesh, PartitionSpec())
            self._unet = jax.device_put(networks.unet, everywhere)
        self._device = devices[0]
        self._sigmas = schedule(
            settings.schedule,
            settings.steps,
            drop_last=not published and settings.steps > 2,
        )

    def generate(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array | np.ndarray, "t h3 w3 3"]:
        """Complete pictures, of what `pictures` show and of what they leave out.

        Args:
          pictures: splatted views in [0, 1], 0 in the holes.
          occlusion: 1 = nothing landed.
          known: so many pictures, the first ones, are complete: generated before.
          noise: unscaled, of `latent_shape`.

        Returns:
          Pictures in [0, 1], all of them generated, on the first device; as large as
          `pictures`, or as their canvas if that is smaller. Without any hole, and but
          for published, they are `pictures`.
        """
        height, width = pictures.shape[1:3]
        if not self.published and not is_hole(occlusion).any():
            return pictures
        latents = self.latents(pictures, occlusion, noise, known=known)
        vae = self._networks.vae
        chunk = 2 if self.published else None
        frames = decode(vae, latents / vae.config.scaling_factor, chunk=chunk)
        return _pictures(jnp.asarray(frames), height, width)

    def latents(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array, "t h2 w2 z"]:
        """The denoised latents of the canvas; arguments as in `generate`."""
        tiles = self.plan.tiles(*pictures.shape[1:3])
        given = self._conditioning(pictures, occlusion, tiles, known)
        shown = given.channels[..., : noise.shape[-1]]
        if self.published:
            active = np.ones(len(tiles), bool)
        else:
            active = np.asarray(given.channels[..., -1].any((1, 2, 3)))
        scaling = self._networks.vae.config.scaling_factor
        clean = paste(scaling * shown, tiles, jnp.ones(len(tiles), bool), noise)
        if not active.any():
            return clean
        # Those with holes come first: `count` ends the work behind them.
        order = np.argsort(~active, kind="stable")
        mix = not self.published and self._settings.tile_sync == "every_step"
        start = cut(noise * initial_scale(), tiles)
        pieces = denoise(
            self._unet,
            start[order],
            jax.tree.map(lambda x: x[order], given),
            self._sigmas,
            guidance=self._settings.guidance,
            after_step=(
                Synchronize(jnp.asarray(active), jnp.asarray(order), tiles)
                if mix and len(tiles) > 1
                else None
            ),
            batching=Batching(
                count=int(active.sum()),
                at_once=self._settings.tiles_at_once or None,
                mesh=self._mesh,
            ),
        )
        pieces = jax.device_put(pieces, self._device)[np.argsort(order)]
        if self.published:
            return paste_published(pieces, tiles)
        return paste(pieces, tiles, jnp.asarray(active), clean)

    def _conditioning(
        self,
        pictures: Float[Array | np.ndarray, "t h w 3"],
        occlusion: Float[Array | np.ndarray, "t h w"],
        tiles: Tiles,
        known: int,
    ) -> Conditioning:
        """What the U-Net is told of each tile; one after the other, in full size."""
        vae, image_encoder = self._networks.vae, self._networks.image_encoder
        canvas, factor = self.plan.canvas(*occlusion.shape[1:]), vae.config.factor
        # In the host's memory: the device gets one tile at a time.
        pictures, occlusion = (
            _fitted(np.asarray(x), canvas) for x in (pictures, occlusion)
        )
        complete = np.arange(len(pictures)) < (0 if self.published else known)
        given = []
        for top, left in tiles.corners:
            rows, columns = (
                slice(factor * at, factor * (at + size))
                for at, size in zip((top, left), tiles.size, strict=True)
            )
            latents, context = encode_window(
                vae, image_encoder, jnp.asarray(pictures[:, rows, columns])
            )
            mask = latent_mask(
                jnp.asarray(occlusion[:, rows, columns]),
                latents.shape[1:3],
                "nearest" if self.published else "max",
            )
            given.append(
                conditioning(
                    latents[None],
                    mask[None],
                    context[None],
                    known=jnp.asarray(complete)[None],
                )
            )
        return jax.tree.map(lambda *x: jnp.concatenate(x), *given)


def _fitted(
    x: Float[np.ndarray, "t h w *c"], canvas: tuple[int, int]
) -> Float[np.ndarray, "t h2 w2 *c"]:
    """Cut or padded at the bottom and the right, with what is at the edge.

    So a hole at the edge goes on as a hole: the network would take its black, with a
    mask of 0, for a part of the picture.
    """
    x = x[:, : canvas[0], : canvas[1]]
    below, right = canvas[0] - x.shape[1], canvas[1] - x.shape[2]
    more = [(0, 0), (0, below), (0, right), (0, 0)][: x.ndim]
    return np.pad(x, more, mode="edge")


@functools.partial(jax.jit, static_argnames=("height", "width"))
def _pictures(
    frames: Float[Array, "t h w 3"], height: int, width: int
) -> Float[Array, "t h2 w2 3"]:
    return jnp.clip(frames[:, :height, :width] / 2 + 0.5, 0, 1)
