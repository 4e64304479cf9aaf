"""Attention over frames against torch's, at once and in parts of the picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from stereojax.ops import frame_attention as module
from stereojax.ops.frame_attention import frame_attention

B, T, S, N, D = 2, 5, 12, 3, 8


def qkv(dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal((B, T, S, N, D)) * 2, dtype) for _ in "qkv"]


def whole(*args):
    args = [torch.from_numpy(np.array(x)).permute(0, 2, 3, 1, 4) for x in args]
    out = torch.nn.functional.scaled_dot_product_attention(*args)
    return out.permute(0, 3, 1, 2, 4).numpy()


@pytest.mark.parametrize("scores", [1 << 28, B * S * N * T * T // 2, 100, 1])
def test_frame_attention_matches_torch(monkeypatch, scores):
    monkeypatch.setattr(module, "SCORES", scores)
    args = qkv()
    np.testing.assert_allclose(
        jax.jit(lambda *x: frame_attention(*x))(*args), whole(*args), atol=1e-5
    )


def test_fewer_scores_need_less_memory(monkeypatch):
    shape = jax.ShapeDtypeStruct((1, 16, 4096, 2, 8), jnp.float32)

    def memory() -> int:
        compiled = jax.jit(lambda *x: frame_attention(*x)).lower(*[shape] * 3).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    at_once = memory()
    monkeypatch.setattr(module, "SCORES", 4096 * 2 * 16 * 16 // 8)
    assert memory() < 0.7 * at_once


def test_the_softmax_is_float32():
    args = qkv(jnp.bfloat16)
    out = frame_attention(*args)
    assert out.dtype == jnp.bfloat16
    expected = whole(*(x.astype(jnp.float32) for x in args))
    assert np.abs(out.astype(jnp.float32) - expected).max() < 0.03
