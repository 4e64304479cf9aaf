"""The U-Net's conditioning: pooling of the mask, known frames, order of channels."""

import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.conditioning import conditioning, latent_mask


def test_a_thin_hole_survives_max_pooling_and_not_nearest():
    occlusion = np.zeros((1, 16, 24), np.float32)
    occlusion[:, :, 3:10] = 1  # 7 px: the corners of blocks 0 and 2 are known
    maximum = latent_mask(jnp.asarray(occlusion), (2, 3), "max")
    published = latent_mask(jnp.asarray(occlusion), (2, 3), "nearest")
    np.testing.assert_array_equal(maximum[0], [[1, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(published[0], [[0, 1, 0], [0, 1, 0]])


def test_half_covered_counts_as_hole():
    occlusion = jnp.full((1, 8, 8), 0.5)
    assert latent_mask(occlusion, (1, 1)) == 1
    assert latent_mask(occlusion * 0.99, (1, 1)) == 0


def test_channels_are_latents_then_mask_and_known_frames_have_none():
    latents = jnp.arange(2 * 3 * 2 * 2 * 4, dtype=jnp.float32).reshape(2, 3, 2, 2, 4)
    mask = jnp.ones((2, 3, 2, 2))
    known = jnp.array([[True, False, False], [False, False, True]])
    inputs = conditioning(latents, mask, jnp.zeros((2, 1, 5)), known=known)
    np.testing.assert_array_equal(inputs.channels[..., :4], latents)
    np.testing.assert_array_equal(inputs.channels[..., 4].mean((2, 3)), 1 - known)
    np.testing.assert_array_equal(inputs.time_ids, [[6, 127, 0]] * 2)
