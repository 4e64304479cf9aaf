"""The network Video Depth Anything (arXiv 2501.12375): Depth Anything V2, over time.

The same encoder; its head gets four temporal modules, at the two coarsest maps and
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
    """Sizes. The default is Small."""

    frames: int = 32  # of a window
    temporal_heads: int = 8


PRESETS = {
    name.replace("depth_anything_v2", "video_depth_anything"): (
        VideoDepthAnythingConfig(**dataclasses.asdict(sizes))
    )
    for name, sizes in depth_anything_v2.PRESETS.items()
}


class VideoDepthAnything(nnx.Module):
    """The frames of a window to raw relative inverse depth at their own size.

    `encode` knows single frames, so what it gives can be kept for the next window;
    `head` needs all of a window.
    """

    def __init__(
        self,
        config: VideoDepthAnythingConfig,
        *,
        dtype: Dtype | None = None,  # to compute; None as the parameters are
        param_dtype: Dtype = jnp.float32,  # to store
        rngs: nnx.Rngs,
    ):
        c = config
        how = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.pretrained = Dinov2(
            dim=c.dim,
            depth=c.depth,
            heads=c.heads,
            patch=c.patch,
            grid=c.grid,
            pos_embed_offset=c.pos_embed_offset,
            **how,
        )
        self.head = VideoDptHead(config, **how)

    def __call__(self, frames: Float[Array, "t h w 3"]) -> Float[Array, "t h w"]:
        """`frames`: ImageNet-normalised RGB, sides multiples of `patch`.

        Returns float32 >= 0, larger = nearer, of no fixed scale.
        """
        return self.head(self.encode(frames))

    def encode(
        self, frames: Float[Array, "t h w 3"]
    ) -> list[Float[Array, "t ph pw c"]]:
        return self.pretrained(frames, self.config.taps)


class VideoDptHead(DptHead):
    """DPT whose coarse half looks at all frames of the window."""

    def __init__(
        self,
        config: VideoDepthAnythingConfig,
        *,
        dtype: Dtype | None,
        param_dtype: Dtype,
        rngs: nnx.Rngs,
    ):
        c = config
        super().__init__(
            dim=c.dim,
            features=c.features,
            out_channels=c.out_channels,
            last=c.last,
            patch=c.patch,
            dtype=dtype,
            param_dtype=param_dtype,
            rngs=rngs,
        )
        compute = Compute(dtype or param_dtype, param_dtype)
        self.motion_modules = nnx.List(
            TemporalModule(
                width,
                heads=c.temporal_heads,
                frames=c.frames,
                compute=compute,
                rngs=rngs,
            )
            for width in (*c.out_channels[2:], c.features, c.features)
        )

    def __call__(
        self, features: list[Float[Array, "t ph pw c"]], *, together: int = 1
    ) -> Float[Array, "t h w"]:
        """As of DPT; the fine half runs on `together` frames at a time.

        `together` must divide the window; it changes nothing but the memory.
        """
        first, second, third, fourth = features
        rows, columns = first.shape[1:3]
        x3 = self.even(2, self.motion_modules[0](self.map(2, third)))
        x4 = self.even(3, self.motion_modules[1](self.map(3, fourth)))
        path = self.scratch.refinenet4(x4, None, x3.shape[1:3])
        path = self.motion_modules[2](path)
        path = self.scratch.refinenet3(path, x3, (2 * rows, 2 * columns))
        path = self.motion_modules[3](path)

        def finish(part: tuple[Array, Array, Array]) -> Array:
            path, first, second = part
            x1, x2 = self.even(0, self.map(0, first)), self.even(1, self.map(1, second))
            return self.finish(path, x2, x1, (rows, columns))

        parts = [x.reshape(-1, together, *x.shape[1:]) for x in (path, first, second)]
        depth = jax.lax.map(finish, tuple(parts))
        return depth.reshape(-1, *depth.shape[2:])
