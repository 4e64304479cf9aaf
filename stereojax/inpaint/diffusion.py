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

from stereojax.cli import InputError
from stereojax.inpaint.blend import Synchronize, cut, paste, paste_published
from stereojax.inpaint.conditioning import conditioning, encode_window
from stereojax.inpaint.networks import Networks
from stereojax.inpaint.tiles import Tiles, plan_published_tiles, plan_tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.shapes import Array, Float
from stereojax.svd.denoise import TILES, Conditioning, denoise
from stereojax.svd.scheduler import initial_scale, schedule
from stereojax.svd.vae_decode import decode
from stereojax.windows import Window, plan_published_windows, plan_windows

CROP = 128  # the published code cuts to multiples of this


class Diffusion:
    """Fills the holes of a shot, window by window, of any size."""

    def __init__(
        self,
        networks: Networks,
        settings: DiffusionSettings,
        *,
        published: bool = False,
        devices: Sequence[jax.Device] | None = None,  # default: all local ones
    ):
        devices = jax.local_devices() if devices is None else list(devices)
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

    @property
    def window(self) -> int:
        """Frames that are denoised together."""
        return self._settings.window

    def windows(self, frames: int) -> tuple[Window, ...]:
        """How a shot of so many frames is gone through."""
        plan = plan_published_windows if self.published else plan_windows
        return plan(frames, self.window, self._settings.overlap)

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """The size in pixels that pictures are padded to; published: cut to."""
        if self.published:
            return height // CROP * CROP, width // CROP * CROP
        multiple = self._networks.multiple
        return height + -height % multiple, width + -width % multiple

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Of one frame's noise, for pictures of this size."""
        config = self._networks.vae.config
        down, across = (n // config.factor for n in self.canvas(height, width))
        return down, across, config.latent_channels

    def tiles(self, height: int, width: int) -> Tiles:
        """How pictures of this size are tiled, in latents.

        Raises:
          InputError: the settings allow no tiles of it.
        """
        canvas = self.latent_shape(height, width)[:2]
        factor, how = self._networks.vae.config.factor, self._settings
        try:
            if 0 in canvas:
                raise ValueError(f"{width}x{height} is less than {CROP} px")
            if self.published:
                return plan_published_tiles(canvas, max(1, how.tile_num))
            overlap = how.tile_overlap // factor
            multiple = self._networks.unet.config.multiple
            longest = how.tile_height // factor, how.tile_width // factor
            if how.tile_num:
                # Each way, total + overlap * (number - 1) is shared out evenly.
                high, wide = (n + overlap * (how.tile_num - 1) for n in canvas)
                longest = tuple(
                    -(-n // how.tile_num) + multiple - 1 for n in (high, wide)
                )
            return plan_tiles(canvas, longest, overlap=overlap, multiple=multiple)
        except ValueError as error:
            raise InputError(f"tiles of a {width}x{height} picture: {error}") from None

    def generate(
        self,
        pictures: Float[Array, "t h w 3"],
        occlusion: Float[Array, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array, "t h3 w3 3"]:
        """Complete pictures, of what `pictures` show and of what they leave out.

        Args:
          pictures: splatted views in [0, 1], 0 in the holes.
          occlusion: 1 = nothing landed.
          known: so many pictures, the first ones, are complete: generated before.
          noise: unscaled, of `latent_shape`.

        Returns:
          Pictures in [0, 1], all of them generated, on the first device; as large as
          `pictures`, or as their `canvas` if that is smaller.
        """
        height, width = pictures.shape[1:3]
        latents = self.latents(pictures, occlusion, noise, known=known)
        vae = self._networks.vae
        chunk = 2 if self.published else None
        frames = decode(vae, latents / vae.config.scaling_factor, chunk=chunk)
        return jnp.clip(frames[:, :height, :width] / 2 + 0.5, 0, 1)

    def latents(
        self,
        pictures: Float[Array, "t h w 3"],
        occlusion: Float[Array, "t h w"],
        noise: Float[Array, "t h2 w2 z"],
        *,
        known: int = 0,
    ) -> Float[Array, "t h2 w2 z"]:
        """The denoised latents of the canvas; arguments as in `generate`."""
        tiles = self.tiles(*pictures.shape[1:3])
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
            at_once=self._settings.tiles_at_once or None,
            count=int(active.sum()),
            mesh=self._mesh,
        )
        pieces = jax.device_put(pieces, self._device)[np.argsort(order)]
        if self.published:
            return paste_published(pieces, tiles)
        return paste(pieces, tiles, jnp.asarray(active), clean)

    def _conditioning(
        self,
        pictures: Float[Array, "t h w 3"],
        occlusion: Float[Array, "t h w"],
        tiles: Tiles,
        known: int,
    ) -> Conditioning:
        """What the U-Net is told of each tile; one after the other, in full size."""
        vae, image_encoder = self._networks.vae, self._networks.image_encoder
        canvas, factor = self.canvas(*occlusion.shape[1:]), vae.config.factor
        pictures = _fitted(pictures, canvas, edge=True)
        occlusion = _fitted(occlusion, canvas, edge=False)
        complete = np.arange(len(pictures)) < (0 if self.published else known)
        given = []
        for top, left in tiles.corners:
            rows, columns = (
                slice(factor * at, factor * (at + size))
                for at, size in zip((top, left), tiles.size, strict=True)
            )
            latents, context = encode_window(
                vae, image_encoder, pictures[:, rows, columns]
            )
            given.append(
                conditioning(
                    latents[None],
                    occlusion[None, :, rows, columns],
                    context[None],
                    known=jnp.asarray(complete)[None],
                    pooling="nearest" if self.published else "max",
                )
            )
        return jax.tree.map(lambda *x: jnp.concatenate(x), *given)


@functools.partial(jax.jit, static_argnames=("canvas", "edge"))
def _fitted(
    x: Float[Array, "t h w *c"], canvas: tuple[int, int], edge: bool
) -> Float[Array, "t h2 w2 *c"]:
    """Cut or padded at the bottom and the right, with the edge's pixels or with 0."""
    x = x[:, : canvas[0], : canvas[1]]
    below, right = canvas[0] - x.shape[1], canvas[1] - x.shape[2]
    more = [(0, 0), (0, below), (0, right), (0, 0)][: x.ndim]
    return jnp.pad(x, more, mode="edge" if edge else "constant")
