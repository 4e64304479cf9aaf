"""The VAE's one attention layer: a single head over the pixels of each frame."""

from flax import nnx

from stereojax.ops.attention import attention
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, linear
from stereojax.svd.norms import GroupNorm


class FrameSelfAttention(nnx.Module):
    """Norm, attention with biases, and the input added."""

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        more = {"compute": compute, "rngs": rngs}
        self.group_norm = GroupNorm(features, epsilon=1e-6, **more)
        self.to_q = linear(features, features, **more)
        self.to_k = linear(features, features, **more)
        self.to_v = linear(features, features, **more)
        self.to_out = nnx.List([linear(features, features, **more)])
        # cuDNN takes at most 256 channels a head.
        self.implementation = (
            None if compute.attention == "cudnn" else compute.attention
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
        b, t, h, w, c = x.shape
        tokens = self.group_norm(x).reshape(b * t, h * w, 1, c)
        out = attention(
            self.to_q(tokens),
            self.to_k(tokens),
            self.to_v(tokens),
            implementation=self.implementation,
        )
        return x + self.to_out[0](out).reshape(b, t, h, w, c)
