"""Depth of a shot by DepthCrafter (arXiv 2409.02095): SVD, taught to paint depth.

Follows Tencent/DepthCrafter (academic research only) in what it computes; the code is
this project's. The U-Net is SVD's, but every frame has its own image embedding.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype

from stereojax.depth.overlapping_windows import overlapping_windows
from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.svd.clip import CLIPVisionModelWithProjection
from stereojax.svd.clip_image import clip_pixels
from stereojax.svd.denoise import Conditioning, denoise
from stereojax.svd.scheduler import schedule
from stereojax.svd.unet import UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.svd.vae_decode import decode

FRAME_RATE, MOTION = 7.0, 127.0  # what the U-Net is told, whatever the film is
AUGMENTATION = 0.02  # noise on the pictures that the VAE sees, and what is told of it
CHUNK = 8  # frames that are decoded jointly: their borders are those of the published
PARTS = ("depthcrafter/unet", "svd/vae", "svd/image_encoder")


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How depth is sampled. The default is what the authors recommend now."""

    steps: int = 5
    guidance: float = 1.0  # at 1 and below there is one pass of the U-Net, not two
    window: int = 110
    overlap: int = 25
    longest: int = 1024  # pixels of the longer side that the networks see
    seed: int = 42


# As the paper StereoCrafter calls it.
PAPER = Sampling(steps=8, guidance=1.2, window=70, overlap=25)


@dataclasses.dataclass(frozen=True)
class Networks:
    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection

    @classmethod
    def load(cls, folders: tuple[Path, Path, Path], dtype: Dtype) -> "Networks":
        """From converted parts, in the order of `PARTS`.

        Raises:
          InputError: one is not there, or not the right network.
        """
        from stereojax.cli import InputError
        from stereojax.svd.networks import build
        from stereojax.weights import fill, load

        found = []
        for folder, field in zip(folders, dataclasses.fields(cls), strict=True):
            config, state = load(folder)
            if config["class"] != field.type.__name__:
                raise InputError(
                    f"{folder}: weights of {config['class']}, expected "
                    f"{field.type.__name__}"
                )
            network = build(
                config["class"], config["sizes"], dtype=dtype, param_dtype=dtype
            )
            found.append(fill(network, state, what=config["part"]))
        return cls(*found)


class Noise:
    """All that is random; frame by frame, so a shot of any length has it at once."""

    def __init__(self, seed: int):
        self._pixels, self._latents = jax.random.split(jax.random.key(seed))

    def pixels(self, frame: int, shape: tuple[int, ...]) -> Float[Array, "*s"]:
        """Normal, for the picture of one frame of a shot."""
        return _normal(self._pixels, frame, shape)

    def latents(self, frames: int, shape: tuple[int, ...]) -> Float[Array, "t *s"]:
        """Normal, that a window starts from."""
        return jnp.stack([_normal(self._latents, i, shape) for i in range(frames)])


class DepthCrafter:
    """An estimator: relative inverse depth in [0, 1], larger = nearer."""

    name = "depthcrafter"
    per_frame = False

    def __init__(
        self,
        networks: Networks,
        sampling: Sampling = Sampling(),
        *,
        licence: str,
        noise: Noise | None = None,  # of the seed by default
    ):
        from stereojax.cli import InputError

        channels = networks.unet.config.in_channels
        if channels != 2 * networks.vae.config.latent_channels:
            raise InputError(
                f"depthcrafter/unet takes {channels} channels where 8 are expected: "
                "4 of noise and 4 of the picture"
            )
        if not 0 <= sampling.overlap < sampling.window:
            raise InputError(
                f"depth_overlap={sampling.overlap}: expected less than depth_window, "
                f"{sampling.window}"
            )
        self.licence = licence
        self.look_ahead = sampling.window
        self._networks, self._sampling = networks, sampling
        self._noise = noise or Noise(sampling.seed)
        self._sigmas = schedule("karras", sampling.steps)
        self._multiple = networks.unet.config.multiple * networks.vae.config.factor

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Depth of each frame of one shot, in order.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 at the networks' own size.
        """
        first = next(frames, None)
        if first is None:
            return
        size = picture_size(
            *first.shape[:2], longest=self._sampling.longest, multiple=self._multiple
        )
        factor = self._networks.vae.config.factor
        channels = self._networks.vae.config.latent_channels
        shape = (size[0] // factor, size[1] // factor, channels)
        latents = overlapping_windows(
            self._given(itertools.chain([first], frames), size),
            self._denoise,
            self._noise.latents(self._sampling.window, shape),
            overlap=self._sampling.overlap,
            sigma=float(self._sigmas[0]),
        )
        while chunk := list(itertools.islice(latents, CHUNK)):
            scale = self._networks.vae.config.scaling_factor
            pictures = decode(self._networks.vae, jnp.stack(chunk) / scale)
            pictures = np.clip(np.asarray(pictures, np.float32) * 0.5 + 0.5, 0, 1)
            yield from pictures.mean(axis=-1)

    def _given(
        self, frames: Iterator[np.ndarray], size: tuple[int, int]
    ) -> Iterator[tuple[Array, Array]]:
        """Latents and image embedding of each frame."""
        net = self._networks
        for i, frame in enumerate(frames):
            noise = self._noise.pixels(i, (*size, 3))
            yield _see(net.vae, net.image_encoder, frame, noise, size)

    def _denoise(self, given: list[tuple[Array, Array]], start: Array) -> Array:
        channels, context = (jnp.stack(x)[None] for x in zip(*given, strict=True))
        ids = jnp.array([[FRAME_RATE, MOTION, AUGMENTATION]])
        conditioning = Conditioning(channels, context, ids)
        return denoise(
            self._networks.unet,
            start[None],
            conditioning,
            self._sigmas,
            guidance=max(1.0, self._sampling.guidance),
        )[0]


def picture_size(
    height: int, width: int, *, longest: int = 1024, multiple: int = 64
) -> tuple[int, int]:
    """Rows and columns for the networks: each side rounded by itself.

    1080 x 1920 becomes 576 x 1024.
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
def _see(
    vae: AutoencoderKLTemporalDecoder,
    image_encoder: CLIPVisionModelWithProjection,
    frame: Shaped[Array | np.ndarray, "h w 3"],
    noise: Float[Array, "hd wd 3"],
    size: tuple[int, int],
) -> tuple[Float[Array, "hl wl z"], Float[Array, " d"]]:
    """What the U-Net is shown of a frame: unscaled latents, and an embedding."""
    picture = jnp.asarray(frame).astype(jnp.float32) / jnp.iinfo(frame.dtype).max
    if picture.shape[:2] != size:
        picture = jax.image.resize(picture, (*size, 3), "cubic", antialias=True)
        picture = jnp.clip(picture, 0, 1)
    embedding = image_encoder(
        clip_pixels(picture[None], image_encoder.config.image_size)
    )
    noisy = 2 * picture - 1 + AUGMENTATION * noise
    latents = vae.encode(noisy[None, None])[0, 0]
    return latents.astype(jnp.float32), embedding[0].astype(jnp.float32)


@functools.partial(jax.jit, static_argnames=("shape",))
def _normal(key: Key[Array, ""], frame: Any, shape: tuple[int, ...]) -> Array:
    return jax.random.normal(jax.random.fold_in(key, frame), shape)
