"""Attention in bounded memory: the scores are never all in memory."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.extend.backend import get_backend

from stereojax.shapes import Array, Float

Implementation = Literal["cudnn", "chunked"]
QUERIES = 512  # queries whose scores are computed together
# Scores in memory at a time. A CPU is fastest within its cache, one head at a time; an
# accelerator needs many heads in one call.
CPU_BYTES = 8 << 20
ACCELERATOR_BYTES = 256 << 20


def attention(
    q: Float[Array, "b n h d"],
    k: Float[Array, "b m h d"],
    v: Float[Array, "b m h d"],
    *,
    implementation: Implementation | None = None,
) -> Float[Array, "b n h d"]:
    """Returns softmax(q k^T / sqrt(d)) v for each head, softmax in float32.

    `implementation` None is cuDNN's flash attention for inputs that it supports (16-bit
    floats, at most 256 channels per head) on an NVIDIA GPU, and `chunked` otherwise:
    blocks of queries, mapped over the heads. Gradients recompute the scores.
    """
    if implementation is None:
        half = q.dtype in (jnp.bfloat16, jnp.float16)
        supported = half and q.shape[-1] % 8 == 0 and q.shape[-1] <= 256
        implementation = "cudnn" if supported and _on_nvidia() else "chunked"
    if implementation == "cudnn":
        return jax.nn.dot_product_attention(q, k, v, implementation="cudnn")
    return _chunked(q, k, v)


def _on_nvidia() -> bool:
    return "cuda" in get_backend().platform_version


def _chunked(q: Array, k: Array, v: Array) -> Array:
    b, n, heads, d = q.shape
    m = k.shape[1]
    blocks = -(-n // QUERIES)
    rows = -(-n // blocks)
    limit = CPU_BYTES if jax.default_backend() == "cpu" else ACCELERATOR_BYTES
    heads_at_once = max(1, min(b * heads, limit // (4 * rows * m)))

    def by_head(x: Array) -> Array:
        return x.swapaxes(1, 2).reshape(b * heads, x.shape[1], d)

    @jax.checkpoint
    def one_head(qkv: tuple[Array, Array, Array]) -> Array:
        q, k, v = qkv
        return jax.lax.map(lambda block: _block(block, k, v), q)

    # The last block is padded with zero queries, which are cut off below.
    queries = jnp.pad(by_head(q), ((0, 0), (0, blocks * rows - n), (0, 0)))
    queries = queries.reshape(b * heads, blocks, rows, d)
    out = jax.lax.map(
        one_head, (queries, by_head(k), by_head(v)), batch_size=heads_at_once
    ).reshape(b, heads, blocks * rows, d)
    return out[:, :, :n].swapaxes(1, 2)


@jax.checkpoint
def _block(q: Float[Array, "r d"], k: Float[Array, "m d"], v: Float[Array, "m d"]):
    scale = q.shape[-1] ** -0.5
    scores = jnp.einsum("rd,md->rm", q, k, preferred_element_type=jnp.float32) * scale
    scores = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    total = scores.sum(axis=-1, keepdims=True)
    out = jnp.einsum(
        "rm,md->rd", scores.astype(v.dtype), v, preferred_element_type=jnp.float32
    )
    return (out / total).astype(v.dtype)
