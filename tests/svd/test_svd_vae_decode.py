"""Decoding in parts equals decoding at once, in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from svd_reference import VAE, converted, error, noise, to_jax

from stereojax.svd import vae_decode
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.svd.vae_decode import DeviceFrames, HostFrames, decode
from stereojax.weights.abstract import abstract

T, H, W = 3, 6, 10


@pytest.fixture(scope="module")
def vae():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(VAE, rngs=rngs))
    return converted(model, reference.vae())


def by_diffusers(latents: torch.Tensor, chunk: int) -> np.ndarray:
    frames = []
    with torch.no_grad():
        for part in latents[0].split(chunk):
            frames.append(reference.vae().decode(part, num_frames=len(part)).sample)
    frames = torch.cat(frames).movedim(1, -1)
    assert frames.std() >= 0.1
    return frames.numpy()


@pytest.mark.parametrize("store", ["device", "host"])
def test_decoding_in_parts_equals_decoding_at_once(vae, monkeypatch, store):
    latents = noise(1, T, 4, H, W)
    expected = by_diffusers(latents, T)
    monkeypatch.setattr(vae_decode, "BAND_BYTES", 1 << 16)  # several bands per level
    out = decode(vae, to_jax(latents)[0], store=store)
    assert isinstance(out, np.ndarray) == (store == "host")
    assert out.dtype == np.float32
    assert error(out, expected) < 1e-4
    # Frames do depend on each other.
    assert error(out, by_diffusers(latents, 1)) > 1e-2


def test_chunks_are_decoded_independently(vae):
    latents = noise(1, T, 4, H, W)
    out = decode(vae, to_jax(latents)[0], chunk=2)
    assert error(out, by_diffusers(latents, 2)) < 1e-4


def test_bands_are_equal_and_cover_the_picture():
    frames = DeviceFrames([jnp.zeros((18, 4, 32))] * 3)
    bands = vae_decode._bands(frames)
    assert bands == [(0, 18)]
    for limit in (1, 7, 17):
        size = limit * 4 * 3 * 4 * 32
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vae_decode, "BAND_BYTES", size)
            bands = vae_decode._bands(frames)
        rows = {rows for _, rows in bands}
        assert len(rows) == 1 and max(rows) <= limit
        assert [row for row, _ in bands] == list(range(0, 18, max(rows)))


@pytest.mark.parametrize("kind", [DeviceFrames, HostFrames])
def test_frames_are_read_and_written_in_place(kind):
    x = np.random.default_rng(0).standard_normal((3, 6, 5, 2)).astype(np.float32)
    frames = kind([jnp.asarray(frame) for frame in x])
    assert frames.shape == (3, 6, 5, 2)
    np.testing.assert_array_equal(frames.read(2, 3), x[:, 2:5])
    frames.write(4, jnp.asarray(2 * x[:, 4:6]))
    x[:, 4:6] *= 2
    np.testing.assert_array_equal(frames.stack(), x)
    frames.put(1, frames.take(1) + 1)
    x[1] += 1
    np.testing.assert_array_equal(frames.stack(), x)


def test_merged_moments_are_those_of_the_union():
    x = np.random.default_rng(0).standard_normal((4, 7, 5)) * 3 + [
        [[1.0]],
        *[[[2]]] * 3,
    ]
    parts = [(jnp.asarray(p.mean()), jnp.asarray(p.var())) for p in x]
    mean, variance = vae_decode._merge_moments(parts)
    np.testing.assert_allclose([mean, variance], [x.mean(), x.var()], rtol=1e-6)


def test_memory_holds_about_one_layer(vae, monkeypatch):
    """For 16 frames, decoding at once needs several times as much."""
    t = 16
    latents = to_jax(noise(1, t, 4, H, W))[0]
    monkeypatch.setattr(vae_decode, "BAND_BYTES", 1 << 16)
    live_bytes = []

    def watch(name):
        run = getattr(vae_decode, name)

        def watched(*args):
            out = run(*args)
            live_bytes.append(sum(x.nbytes for x in jax.live_arrays()))
            return out

        monkeypatch.setattr(vae_decode, name, watched)

    before = sum(x.nbytes for x in jax.live_arrays())
    for name in ("_spatial_half", "_temporal_half", "_last"):
        watch(name)
    decode(vae, latents)
    layer = t * H * W * 16 * VAE.block_out_channels[0] * 4
    assert max(live_bytes) - before < 1.5 * layer
    at_once = jax.jit(lambda m, z: m.decode(z)).lower(vae, latents[None]).compile()
    assert at_once.memory_analysis().temp_size_in_bytes > 2.5 * layer


@pytest.mark.parametrize(("limit", "expected"), [(80e9, "device"), (12e9, "host")])
def test_activations_are_kept_on_the_host_if_the_device_is_too_small(
    monkeypatch, limit, expected
):
    class Device:
        def memory_stats(self):
            return {"bytes_limit": int(limit), "bytes_in_use": 3 << 30}

    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    model = abstract(
        lambda rngs: AutoencoderKLTemporalDecoder(dtype=jnp.bfloat16, rngs=rngs)
    )
    assert vae_decode._choose_store(model, 25, 128, 240) == expected
    assert vae_decode._choose_store(model, 2, 128, 240) == "device"
