"""Attention equals PyTorch's, in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from stereojax.ops import attention as attention_module
from stereojax.ops.attention import attention


def qkv(b, n, m, heads, d, dtype=np.float32):
    rng = np.random.default_rng(0)
    shapes = [(b, n, heads, d), (b, m, heads, d), (b, m, heads, d)]
    return [jnp.asarray(rng.standard_normal(s) * 2, dtype) for s in shapes]


def torch_attention(q, k, v):
    q, k, v = (
        torch.from_numpy(np.array(x, np.float32)).transpose(1, 2) for x in (q, k, v)
    )
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).numpy()


def relative_error(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(
    ("b", "n", "m", "heads"), [(1, 1, 1, 1), (2, 50, 33, 3), (2, 513, 64, 2)]
)
def test_attention_matches_torch(b, n, m, heads):
    args = qkv(b, n, m, heads, 16)
    assert relative_error(jax.jit(attention)(*args), torch_attention(*args)) < 1e-5


@pytest.mark.parametrize("limit", [1, 3 * 4 * 8 * 20, 1 << 30])
def test_block_and_head_group_sizes_do_not_change_the_result(monkeypatch, limit):
    monkeypatch.setattr(attention_module, "QUERIES", 8)
    monkeypatch.setattr(attention_module, "CPU_BYTES", limit)
    args = qkv(2, 21, 20, 4, 8)
    assert relative_error(attention(*args), torch_attention(*args)) < 1e-5


def gradient(q, k, v):
    return jax.grad(lambda *x: jnp.square(attention(*x)).sum(), argnums=(0, 1, 2))(
        q, k, v
    )


@pytest.mark.parametrize("run", [attention, gradient])
def test_the_full_score_matrix_is_never_in_memory(run):
    q, k, v = (jax.ShapeDtypeStruct((1, 4096, 4, 8), jnp.float32) for _ in range(3))
    compiled = jax.jit(run).lower(q, k, v).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4096 * 4096 * 4 / 2


def test_bfloat16_inputs_have_float32_scores():
    args = qkv(1, 40, 40, 2, 16, jnp.bfloat16)
    out = attention(*args)
    assert out.dtype == jnp.bfloat16
    assert relative_error(out.astype(jnp.float32), torch_attention(*args)) < 0.01


def test_large_scores_do_not_overflow():
    q, k, v = qkv(1, 4, 4, 1, 8)
    assert np.isfinite(attention(q * 1e4, k * 1e4, v)).all()


@pytest.mark.parametrize(
    ("dtype", "d", "expected"),
    [
        (jnp.bfloat16, 64, "cudnn"),
        (jnp.bfloat16, 512, "chunked"),  # the VAE's single head
        (jnp.bfloat16, 60, "chunked"),
        (jnp.float32, 64, "chunked"),
    ],
)
def test_cudnn_is_used_for_supported_inputs_only(monkeypatch, dtype, d, expected):
    calls = []
    monkeypatch.setattr(attention_module, "_on_nvidia", lambda: True)
    monkeypatch.setattr(
        jax.nn,
        "dot_product_attention",
        lambda q, k, v, implementation: calls.append(implementation) or v,
    )
    attention(*qkv(1, 4, 4, 1, d, dtype))
    assert (calls or ["chunked"]) == [expected]
