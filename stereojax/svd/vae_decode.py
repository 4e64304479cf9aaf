"""Decoding a window in bounded memory, with the numbers of decoding it at once.

The middle of the decoder, at the latents' size, runs whole. After it every layer runs
by parts: what stays within a frame, frame by frame; what reaches over frames, on bands
of rows of all frames. Norms within a frame see the whole frame. Norms over all frames
take the moments of all bands, which are gathered first: so the first half of each
temporal block runs twice, which is a tenth more work.

Held is one layer's activations (for 25 frames of 1920x1024 in bfloat16: 12.6 GB) and
some frames' worth of temporary ones. Where even that is too much for the device, the
activations lie in the host's memory.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Moments
from stereojax.svd.resnet import SpatioTemporalResBlock
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.svd.vae_decoder import TemporalDecoder

Store = Literal["device", "host"]
BAND_BYTES = 512 << 20  # of a band as float32; about as much is used to work on it


def decode(
    vae: AutoencoderKLTemporalDecoder,
    latents: Float[Array, "t h w z"],
    *,
    chunk: int | None = None,
    store: Store | None = None,
) -> Float[Array | np.ndarray, "t h2 w2 3"]:
    """The frames of one window, in [-1, 1] and slightly beyond, float32.

    Args:
      vae: its dtype is what is computed in.
      latents: the U-Net's, divided by `vae.config.scaling_factor`.
      chunk: so many frames are decoded jointly and know nothing of the others; 2 in the
        published pipeline. All by default.
      store: where a layer's activations lie; by default on the device if they fit.

    Returns:
      An array on the device, or with `store` "host" in the host's memory.
    """
    t, h, w, _ = latents.shape
    chunk = min(chunk or t, t)
    store = store or _choose(vae, chunk, h, w)
    frames = [_decode(vae, latents[i : i + chunk], store) for i in range(0, t, chunk)]
    return (np if store == "host" else jnp).concatenate(frames)


def _choose(vae: AutoencoderKLTemporalDecoder, t: int, h: int, w: int) -> Store:
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" not in stats:  # a CPU, whose memory is the host's
        return "device"
    width = max(vae.config.block_out_channels[:2])
    frame = h * w * vae.config.factor**2 * width * jnp.dtype(vae.dtype).itemsize
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    # All frames have half the channels of the widest; some are being worked on.
    return "device" if (t / 2 + 4) * frame + 2 * BAND_BYTES < 0.9 * free else "host"


def _decode(
    vae: AutoencoderKLTemporalDecoder, latents: Array, store: Store
) -> Array | np.ndarray:
    decoder = vae.decoder
    kind = HostFrames if store == "host" else DeviceFrames
    frames = kind(_middle(decoder, latents))
    before = None
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            _residual_block(before, resnet, frames)
            before = None
        before = block.upsamplers[0] if block.upsamplers else None
    for i in range(frames.shape[0]):
        frames.put(i, _last(decoder, frames.take(i)))
    # Each band of the result needs all frames of the input, and only that band.
    for row, rows in _bands(frames):
        frames.write(row, _over_time(decoder, frames.read(row, rows)))
    return frames.stack()


def _bands(frames: DeviceFrames) -> list[tuple[int, int]]:
    """First row and number of rows of bands of equal size."""
    t, height, width, channels = frames.shape
    most = max(1, BAND_BYTES // (4 * t * width * channels))
    rows = max(rows for rows in range(1, min(most, height) + 1) if height % rows == 0)
    return [(row, rows) for row in range(0, height, rows)]


def _residual_block(
    before: nnx.Module | None, resnet: SpatioTemporalResBlock, frames: DeviceFrames
) -> None:
    moments = []
    for i in range(frames.shape[0]):
        frame, found = _within_frame(before, resnet, frames.take(i))
        frames.put(i, frame)
        moments.append(found)
    joint = _together(moments)
    inner = _together(
        [
            _moments_inside(resnet, frames.read(row, rows), joint)
            for row, rows in _bands(frames)
        ]
    )
    for row, rows in _bands(frames):
        band = frames.read(row, rows)
        frames.write(row, _over_frames(resnet, band, joint, inner))


@jax.jit
def _middle(
    decoder: TemporalDecoder, latents: Float[Array, "t h w z"]
) -> tuple[Float[Array, "h w c"], ...]:
    return tuple(decoder.first(latents[None])[0])


@jax.jit
def _within_frame(
    before: nnx.Module | None,
    resnet: SpatioTemporalResBlock,
    frame: Float[Array, "h w c"],
) -> tuple[Float[Array, "h2 w2 d"], Moments]:
    """The spatial half of a block (after enlarging, if asked), and its moments."""
    x = frame[None, None]
    x = resnet.spatial_res_block(x if before is None else before(x))
    return x[0, 0], resnet.temporal_res_block.norm1.moments(x)


@jax.jit
def _moments_inside(
    resnet: SpatioTemporalResBlock, band: Float[Array, "t r w c"], joint: Moments
) -> Moments:
    block = resnet.temporal_res_block
    return block.norm2.moments(block.inner(band[None], joint))


@jax.jit
def _over_frames(
    resnet: SpatioTemporalResBlock,
    band: Float[Array, "t r w c"],
    joint: Moments,
    inner: Moments,
) -> Float[Array, "t r w c"]:
    """The temporal half of a block, and the mixing of both."""
    block, x = resnet.temporal_res_block, band[None]
    return resnet.time_mixer(x, block.outer(x, block.inner(x, joint), inner))[0]


@jax.jit
def _last(
    decoder: TemporalDecoder, frame: Float[Array, "h w c"]
) -> Float[Array, "h w 3"]:
    return decoder.last(frame[None, None])[0, 0]


@jax.jit
def _over_time(
    decoder: TemporalDecoder, band: Float[Array, "t r w 3"]
) -> Float[Array, "t r w 3"]:
    return decoder.time_conv_out(band[None])[0]


@jax.jit
def _together(parts: Sequence[Moments]) -> Moments:
    """The moments of parts of equal size, as one."""
    means, variances = (jnp.stack(x) for x in zip(*parts, strict=True))
    mean = means.mean(axis=0)
    return mean, (variances + jnp.square(means - mean)).mean(axis=0)


class DeviceFrames:
    """Frames of one size on the device."""

    def __init__(self, frames: Iterable[Array]):
        """`frames`: `h w c` each."""
        self._frames = list(frames)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """t h w c."""
        return len(self._frames), *self._frames[0].shape

    def take(self, index: int) -> Float[Array, "h w c"]:
        """One frame; gone from here until something is put in its place."""
        frame, self._frames[index] = self._frames[index], None
        return frame

    def put(self, index: int, frame: Float[Array, "h w c"]) -> None:
        """A frame, of another size if all are to have it."""
        self._frames[index] = frame

    def read(self, row: int, rows: int) -> Float[Array, "t r w c"]:
        """Rows of all frames."""
        return _read(tuple(self._frames), row, rows)

    def write(self, row: int, band: Float[Array, "t r w c"]) -> None:
        """What `read` gave, changed."""
        self._frames = list(_write(tuple(self._frames), band, row))

    def stack(self) -> Float[Array | np.ndarray, "t h w c"]:
        """All of it."""
        return jnp.stack(self._frames)


class HostFrames(DeviceFrames):
    """The same in the host's memory: the device holds only what is worked on."""

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
