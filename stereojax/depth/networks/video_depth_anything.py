"""The network of Video Depth Anything (arXiv 2501.12375).

Depth Anything V2 with four temporal modules in its head: at the two coarsest maps and
after the first two fusions. Follows DepthAnything/Video-Depth-Anything (Apache-2.0).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.networks import depth_anything_v2
from stereojax.depth.networks.depth_anything_v2 import DepthAnythingV2Config
from stereojax.depth.networks.dinov2 import Dinov2
from stereojax.depth.networks.dpt import DptHead
from stereojax.depth.networks.temporal import TemporalModule
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute


@dataclasses.dataclass(frozen=True)
class VideoDepthAnythingConfig(DepthAnythingV2Config):
    """Sizes of the network. The default is Small."""

    frames: int = 32  # per window
    temporal_heads: int = 8


PRESETS = {
    name.replace("depth_anything_v2", "video_depth_anything"): (
        VideoDepthAnythingConfig(**dataclasses.asdict(sizes))
    )
    for name, sizes in depth_anything_v2.PRESETS.items()
}


class VideoDepthAnything(nnx.Module):
    """Estimates raw relative inverse depth of a window's frames, at their size.

    `encode` works on single frames, so its result can be reused for the next window;
    `head` needs all frames of a window.
    """

    def __init__(
        self,
        config: VideoDepthAnythingConfig,
        *,
        dtype: Dtype | None = None,  # of the computation; None is `param_dtype`
        param_dtype: Dtype = jnp.float32,  # of stored weights
        rngs: nnx.Rngs,
    ):
        kwargs = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.pretrained = Dinov2(**config.encoder_sizes, **kwargs)
        self.head = VideoDptHead(config, **kwargs)

    def __call__(self, frames: Float[Array, "t h w 3"]) -> Float[Array, "t h w"]:
        """Returns float32 depth >= 0, larger = nearer, with no fixed scale.

        `frames`: ImageNet-normalised RGB, sides multiples of `config.patch`.
        """
        return self.head(self.encode(frames))

    def encode(
        self, frames: Float[Array, "t h w 3"]
    ) -> list[Float[Array, "t ph pw c"]]:
        """Returns patch features of each frame at four depths of the encoder."""
        return self.pretrained(frames, self.config.taps)


class VideoDptHead(DptHead):
    """DPT with attention over the window's frames in its low-resolution half."""

    def __init__(
        self,
        config: VideoDepthAnythingConfig,
        *,
        dtype: Dtype | None,
        param_dtype: Dtype,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            **config.head_sizes, dtype=dtype, param_dtype=param_dtype, rngs=rngs
        )
        compute = Compute(dtype or param_dtype, param_dtype)
        widths = (*config.out_channels[2:], config.features, config.features)
        self.motion_modules = nnx.List(
            TemporalModule(
                width,
                heads=config.temporal_heads,
                frames=config.frames,
                compute=compute,
                rngs=rngs,
            )
            for width in widths
        )

    def __call__(
        self, features: list[Float[Array, "t ph pw c"]], *, frames_at_once: int = 1
    ) -> Float[Array, "t h w"]:
        """Returns depth as `DptHead` does.

        The high-resolution half runs on `frames_at_once` frames at a time, which must
        divide the window and affects only the memory.
        """
        first, second, third, fourth = features
        rows, columns = first.shape[1:3]
        x3 = self.equal_width(2, self.motion_modules[0](self.reassemble(2, third)))
        x4 = self.equal_width(3, self.motion_modules[1](self.reassemble(3, fourth)))
        path = self.scratch.refinenet4(x4, None, x3.shape[1:3])
        path = self.motion_modules[2](path)
        path = self.scratch.refinenet3(path, x3, (2 * rows, 2 * columns))
        path = self.motion_modules[3](path)

        def predict(frames: tuple[Array, Array, Array]) -> Array:
            path, first, second = frames
            x1 = self.equal_width(0, self.reassemble(0, first))
            x2 = self.equal_width(1, self.reassemble(1, second))
            return self.predict(path, x2, x1, (rows, columns))

        groups = tuple(
            x.reshape(-1, frames_at_once, *x.shape[1:]) for x in (path, first, second)
        )
        depth = jax.lax.map(predict, groups)
        return depth.reshape(-1, *depth.shape[2:])
