"""Estimates the depth of a shot with DepthCrafter (arXiv 2409.02095).

Computes the same as Tencent/DepthCrafter (academic research only); the code is this
project's own. The U-Net is SVD's, with one image embedding per frame.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.depth.depthcrafter_noise import Noise
from stereojax.depth.depthcrafter_windows import denoise_windows, from_state, to_state
from stereojax.depth.estimator import NoStateStore, StateStore
from stereojax.ops.integers import as_float
from stereojax.shapes import Array, Float, Shaped
from stereojax.svd.clip import CLIPVisionModelWithProjection
from stereojax.svd.clip_image import clip_pixels
from stereojax.svd.denoise import Conditioning, denoise
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.scheduler import schedule
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.svd.vae_decode import decode

PARTS = ("depthcrafter/unet", "svd/vae", "svd/image_encoder")
FRAME_RATE, MOTION = 7.0, 127.0  # the U-Net's time ids; constant, as published
AUGMENTATION = 0.02  # noise on the VAE's input pictures, and the third time id
CHUNK = 8  # frames that are decoded jointly, as in the published code


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Settings of the sampler. The defaults are the authors' recommendation."""

    steps: int = 5
    guidance: float = 1.0  # at most 1: no guidance, one U-Net pass per step
    window: int = 110  # frames
    overlap: int = 25  # frames
    longest: int = 1024  # pixels; largest side of the networks' input
    seed: int = 42


class DepthCrafter:
    """Estimates relative inverse depth in [0, 1]; larger is nearer."""

    name = "depthcrafter"
    per_frame = False
    per_frame_scale = False

    def __init__(
        self,
        networks: SVDNetworks,
        sampling: Sampling = Sampling(),
        *,
        licence: str,
        noise: Noise | None = None,  # by default from `sampling.seed`
    ):
        from stereojax.cli import InputError

        channels = networks.unet.config.in_channels
        if channels != 2 * networks.vae.config.latent_channels:
            raise InputError(
                f"depthcrafter/unet has {channels} input channels, expected 8: "
                "4 for the noise and 4 for the picture"
            )
        if not 0 <= sampling.overlap < sampling.window:
            raise InputError(
                f"depth_overlap={sampling.overlap}: expected less than depth_window, "
                f"{sampling.window}"
            )
        self.licence = licence
        self._networks, self._sampling = networks, sampling
        self._noise = noise or Noise(sampling.seed)
        self._sigmas = schedule("karras", sampling.steps)
        self._multiple = networks.unet.config.multiple * networks.vae.config.factor

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the depth of each frame of one shot, in order.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 in [0, 1], at the size of the networks' input.
        """
        return self.resume(lambda first: frames, NoStateStore())

    def resume(
        self, frames: Callable[[int], Iterator[np.ndarray]], store: StateStore
    ) -> Iterator[np.ndarray]:
        """Implements `ResumableEstimator.resume`."""
        # Restore the overlap with the last window, and the latents still to decode.
        state = store.load()
        previous, waiting, decoded, read = None, [], 0, 0
        if state is not None:
            previous, waiting = from_state(state)
            decoded, read = int(state["done"]), int(state["read"])
        # The first frame determines the size of the latents.
        source = frames(read)
        first = next(source, None)
        if first is not None:
            size = self._size(*first.shape[:2])
            conditioning = self._conditioning(
                itertools.chain([first], source), size, read
            )
            noise = self._noise.latents(self._sampling.window, self._shape(size))
        elif previous is not None:  # all windows are denoised already
            conditioning, noise = iter([]), previous.noise
        else:
            return
        for latents, overlap in denoise_windows(
            conditioning,
            self._denoise,
            noise,
            overlap=self._sampling.overlap,
            sigma=float(self._sigmas[0]),
            previous=previous,
        ):
            # Decode full chunks; the shot's last chunk may be shorter.
            waiting += list(latents)
            count = len(waiting) - (len(waiting) % CHUNK if overlap else 0)
            for i in range(0, count, CHUNK):
                yield from self._decode(waiting[i : min(i + CHUNK, count)])
            waiting, decoded = waiting[count:], decoded + count
            if overlap is not None:
                read = decoded + len(waiting) + len(overlap.conditioning)
                store.offer(
                    decoded,
                    functools.partial(to_state, overlap, waiting, decoded, read),
                )

    def _size(self, height: int, width: int) -> tuple[int, int]:
        longest = self._sampling.longest
        return picture_size(height, width, longest=longest, multiple=self._multiple)

    def _shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Returns the shape of the latents of a picture of `size` pixels."""
        vae = self._networks.vae.config
        return size[0] // vae.factor, size[1] // vae.factor, vae.latent_channels

    def _conditioning(
        self, frames: Iterator[np.ndarray], size: tuple[int, int], first: int
    ) -> Iterator[tuple[Array, Array]]:
        """Yields each frame's latents and image embedding.

        `first` is the number of the first frame; it selects the frames' noise.
        """
        net = self._networks
        for i, frame in enumerate(frames, first):
            noise = self._noise.pixels(i, (*size, 3))
            yield _encode(net.vae, net.image_encoder, frame, noise, size)

    def _decode(self, latents: list[Array]) -> Float[np.ndarray, "t h w"]:
        scale = self._networks.vae.config.scaling_factor
        pictures = decode(self._networks.vae, jnp.stack(latents) / scale)
        pictures = np.clip(np.asarray(pictures, np.float32) * 0.5 + 0.5, 0, 1)
        return pictures.mean(axis=-1)

    def _denoise(self, frames: list[tuple[Array, Array]], start: Array) -> Array:
        channels, context = (jnp.stack(x)[None] for x in zip(*frames, strict=True))
        ids = jnp.array([[FRAME_RATE, MOTION, AUGMENTATION]])
        return denoise(
            self._networks.unet,
            start[None],
            Conditioning(channels, context, ids),
            self._sigmas,
            guidance=max(1.0, self._sampling.guidance),
        )[0]


def picture_size(
    height: int, width: int, *, longest: int = 1024, multiple: int = 64
) -> tuple[int, int]:
    """Returns the height and width of the networks' input.

    Each side is rounded to `multiple` separately. A picture longer than `longest` is
    scaled to this length before. 1080 x 1920 becomes 576 x 1024.
    """

    def rounded(scale: float) -> tuple[int, int]:
        rows, columns = (
            max(1, round(side * scale / multiple)) * multiple
            for side in (height, width)
        )
        return rows, columns

    size = rounded(1.0)
    return size if max(size) <= longest else rounded(longest / max(height, width))


@functools.partial(jax.jit, static_argnames=("size",))
def _encode(
    vae: AutoencoderKLTemporalDecoder,
    image_encoder: CLIPVisionModelWithProjection,
    frame: Shaped[Array | np.ndarray, "h w 3"],
    noise: Float[Array, "hd wd 3"],
    size: tuple[int, int],
) -> tuple[Float[Array, "hl wl z"], Float[Array, " d"]]:
    """Returns a frame's conditioning: unscaled latents, and an image embedding."""
    picture = as_float(frame)
    if picture.shape[:2] != size:
        picture = jax.image.resize(picture, (*size, 3), "cubic", antialias=True)
        picture = jnp.clip(picture, 0, 1)
    embedding = image_encoder(
        clip_pixels(picture[None], image_encoder.config.image_size)
    )
    noisy = 2 * picture - 1 + AUGMENTATION * noise
    latents = vae.encode(noisy[None, None])[0, 0]
    return latents.astype(jnp.float32), embedding[0].astype(jnp.float32)
