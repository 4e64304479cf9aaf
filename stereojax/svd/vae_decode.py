"""Decodes a window in bounded memory; the result equals that of decoding at once.

The middle of the decoder, at the latents' size, runs on all frames at once. After it
every layer runs in parts. Layers within a frame run frame by frame, and their norms see
a complete frame. Layers across frames run on bands of rows of all frames, and their
norms need the moments of all bands, which are collected first: so the first half of
each temporal block runs twice, which is a tenth more work.

Memory holds the activations of one layer (for 25 frames of 1920x1024 in bfloat16: 12.6
GB) and temporary activations of a few frames. If that is too much for the device, the
activations are kept in host memory.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Moments, Upsample2D
from stereojax.svd.resnet import SpatioTemporalResBlock
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.svd.vae_decoder import TemporalDecoder

Store = Literal["device", "host"]
BAND_BYTES = 512 << 20  # of a band as float32; its computation takes about as much


def decode(
    vae: AutoencoderKLTemporalDecoder,
    latents: Float[Array, "t h w z"],
    *,
    chunk: int | None = None,
    store: Store | None = None,
) -> Float[Array | np.ndarray, "t h2 w2 3"]:
    """Returns the frames of one window, float32, in [-1, 1] and slightly beyond.

    Args:
      vae: its dtype is the dtype of the computation.
      latents: the U-Net's, divided by `vae.config.scaling_factor`.
      chunk: number of frames decoded jointly, independently of the other frames; the
        published pipeline has 2. By default all frames.
      store: memory that keeps a layer's activations; by default the device's if they
        fit.

    Returns:
      An array on the device, or with `store` "host" in the host's memory.
    """
    t, h, w, _ = latents.shape
    chunk = min(chunk or t, t)
    store = store or _choose_store(vae, chunk, h, w)
    chunks = [
        _decode_chunk(vae.decoder, latents[i : i + chunk], store)
        for i in range(0, t, chunk)
    ]
    return (np if store == "host" else jnp).concatenate(chunks)


def _choose_store(vae: AutoencoderKLTemporalDecoder, t: int, h: int, w: int) -> Store:
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" not in stats:  # a CPU, whose memory is the host's
        return "device"
    width = max(vae.config.block_out_channels[:2])
    frame = h * w * vae.config.factor**2 * width * jnp.dtype(vae.dtype).itemsize
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    # The stored frames have half of the largest number of channels; 4 frames of
    # temporary activations have all of them.
    return "device" if (t / 2 + 4) * frame + 2 * BAND_BYTES < 0.9 * free else "host"


def _decode_chunk(
    decoder: TemporalDecoder, latents: Array, store: Store
) -> Array | np.ndarray:
    frames = (HostFrames if store == "host" else DeviceFrames)(
        _middle(decoder, latents)
    )
    # An upsampler is not applied alone but in front of the next residual block, frame
    # by frame: that saves one pass over the stored frames.
    upsampler = None
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            _residual_block(upsampler, resnet, frames)
            upsampler = None
        upsampler = block.upsamplers[0] if block.upsamplers else None
    for i in range(frames.shape[0]):
        frames.put(i, _last(decoder, frames.take(i)))
    # Each band of the result needs all frames of the input, but only its own rows.
    for row, rows in _bands(frames):
        frames.write(row, _time_conv_out(decoder, frames.read(row, rows)))
    return frames.stack()


def _bands(frames: "DeviceFrames") -> list[tuple[int, int]]:
    """Returns the first row and the number of rows of bands of equal size."""
    t, height, width, channels = frames.shape
    most = max(1, BAND_BYTES // (4 * t * width * channels))
    rows = max(rows for rows in range(1, min(most, height) + 1) if height % rows == 0)
    return [(row, rows) for row in range(0, height, rows)]


def _residual_block(
    upsampler: Upsample2D | None,
    resnet: SpatioTemporalResBlock,
    frames: "DeviceFrames",
) -> None:
    """Applies the upsampler, if any, and a residual block to `frames`, in place."""
    # The spatial half, frame by frame, and the moments for the first temporal norm.
    moments = []
    for i in range(frames.shape[0]):
        frame, frame_moments = _spatial_half(upsampler, resnet, frames.take(i))
        frames.put(i, frame)
        moments.append(frame_moments)
    moments1 = _merge_moments(moments)
    # The moments for the second temporal norm, band by band.
    moments2 = _merge_moments(
        [
            _inner_moments(resnet, frames.read(row, rows), moments1)
            for row, rows in _bands(frames)
        ]
    )
    for row, rows in _bands(frames):
        band = frames.read(row, rows)
        frames.write(row, _temporal_half(resnet, band, moments1, moments2))


@jax.jit
def _middle(
    decoder: TemporalDecoder, latents: Float[Array, "t h w z"]
) -> tuple[Float[Array, "h w c"], ...]:
    return tuple(decoder.first(latents[None])[0])


@jax.jit
def _spatial_half(
    upsampler: nnx.Module | None,
    resnet: SpatioTemporalResBlock,
    frame: Float[Array, "h w c"],
) -> tuple[Float[Array, "h2 w2 d"], Moments]:
    """Returns the (upsampled) frame after a block's spatial half, and its moments."""
    x = frame[None, None]
    x = resnet.spatial_res_block(x if upsampler is None else upsampler(x))
    return x[0, 0], resnet.temporal_res_block.norm1.moments(x)


@jax.jit
def _inner_moments(
    resnet: SpatioTemporalResBlock, band: Float[Array, "t r w c"], moments1: Moments
) -> Moments:
    block = resnet.temporal_res_block
    return block.norm2.moments(block.inner(band[None], moments1))


@jax.jit
def _temporal_half(
    resnet: SpatioTemporalResBlock,
    band: Float[Array, "t r w c"],
    moments1: Moments,
    moments2: Moments,
) -> Float[Array, "t r w c"]:
    """Applies a block's temporal half, and mixes it with the spatial one."""
    block, x = resnet.temporal_res_block, band[None]
    return resnet.time_mixer(x, block.outer(x, block.inner(x, moments1), moments2))[0]


@jax.jit
def _last(
    decoder: TemporalDecoder, frame: Float[Array, "h w c"]
) -> Float[Array, "h w 3"]:
    return decoder.last(frame[None, None])[0, 0]


@jax.jit
def _time_conv_out(
    decoder: TemporalDecoder, band: Float[Array, "t r w 3"]
) -> Float[Array, "t r w 3"]:
    return decoder.time_conv_out(band[None])[0]


@jax.jit
def _merge_moments(parts: Sequence[Moments]) -> Moments:
    """Returns the moments of the union of parts of equal size."""
    means, variances = (jnp.stack(x) for x in zip(*parts, strict=True))
    mean = means.mean(axis=0)
    return mean, (variances + jnp.square(means - mean)).mean(axis=0)


class DeviceFrames:
    """One layer's activations as frames of one size, on the device.

    A layer takes one frame, or reads a band of rows of all frames, and stores its
    result in the same place, so that memory holds little more than one layer's
    activations.
    """

    def __init__(self, frames: Iterable[Array]):
        """`frames`: `h w c` each."""
        self._frames = list(frames)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, c)."""
        return len(self._frames), *self._frames[0].shape

    def take(self, index: int) -> Float[Array, "h w c"]:
        """Removes and returns one frame; `put` must replace it."""
        frame, self._frames[index] = self._frames[index], None
        return frame

    def put(self, index: int, frame: Float[Array, "h w c"]) -> None:
        """Stores a frame; its size may differ if all frames are replaced."""
        self._frames[index] = frame

    def read(self, row: int, rows: int) -> Float[Array, "t r w c"]:
        """Returns a band of `rows` rows of all frames."""
        return _read(tuple(self._frames), row, rows)

    def write(self, row: int, band: Float[Array, "t r w c"]) -> None:
        """Replaces the band that begins at `row`."""
        self._frames = list(_write(tuple(self._frames), band, row))

    def stack(self) -> Float[Array | np.ndarray, "t h w c"]:
        """Returns all frames as one array."""
        return jnp.stack(self._frames)


class HostFrames(DeviceFrames):
    """The same in the host's memory: the device holds only the current part."""

    def __init__(self, frames: Iterable[Array]):
        self._frames = [np.array(frame) for frame in frames]

    def take(self, index: int) -> Float[Array, "h w c"]:
        frame, self._frames[index] = self._frames[index], None
        return jnp.asarray(frame)

    def put(self, index: int, frame: Float[Array, "h w c"]) -> None:
        self._frames[index] = np.array(frame)

    def read(self, row: int, rows: int) -> Float[Array, "t r w c"]:
        return jnp.asarray(np.stack([f[row : row + rows] for f in self._frames]))

    def write(self, row: int, band: Float[Array, "t r w c"]) -> None:
        for frame, part in zip(self._frames, np.asarray(band), strict=True):
            frame[row : row + len(part)] = part

    def stack(self) -> Float[Array | np.ndarray, "t h w c"]:
        return np.stack(self._frames)


@functools.partial(jax.jit, static_argnames=("rows",))
def _read(frames: tuple[Array, ...], row: int | Array, rows: int) -> Array:
    return jnp.stack([jax.lax.dynamic_slice_in_dim(f, row, rows) for f in frames])


@functools.partial(jax.jit, donate_argnames=("frames",))
def _write(
    frames: tuple[Array, ...], band: Array, row: int | Array
) -> tuple[Array, ...]:
    return tuple(
        jax.lax.dynamic_update_slice_in_dim(f, part, row, axis=0)
        for f, part in zip(frames, band, strict=True)
    )
