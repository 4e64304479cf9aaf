"""Builds the U-Net's conditioning from splatted views, their masks and embeddings.

Inference and training call the same functions. Follows StereoCrafter (arXiv 2409.07447)
sec. 3.3 and diffusers 0.42 (Apache-2.0), pipelines/stable_video_diffusion.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from stereojax.shapes import Array, Bool, Float
from stereojax.stage_types import is_hole
from stereojax.svd.clip import CLIPVisionModelWithProjection
from stereojax.svd.clip_image import clip_pixels
from stereojax.svd.denoise import Conditioning
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, encode_frames

Pooling = Literal["max", "nearest"]

# SVD's added time ids: frames per second minus 1, motion bucket, noise augmentation.
# The values are those of training, for films of any frame rate.
TIME_IDS = (6.0, 127.0, 0.0)


def conditioning(
    latents: Float[Array, "b t h w z"],
    mask: Float[Array, "b t h w"],
    context: Float[Array, "b k d"],
    *,
    known: Bool[Array, "b t"] | None = None,
) -> Conditioning:
    """Returns the input channels after the noise: the latents, then the mask.

    Args:
      latents: latents of the splatted right view; in known frames, latents of the true
        or the generated right view. The mode of the VAE's distribution, unscaled.
      mask: `latent_mask` of the occlusion.
      context: image embeddings of each window's first frame.
      known: True for frames without holes; their mask becomes 0.
    """
    if known is not None:
        mask = jnp.where(known[:, :, None, None], 0, mask)
    channels = jnp.concatenate([latents, mask[..., None]], axis=-1)
    time_ids = jnp.broadcast_to(jnp.float32(TIME_IDS), (len(latents), len(TIME_IDS)))
    return Conditioning(channels, context, time_ids)


def latent_mask(
    occlusion: Float[Array, "*b h w"], size: tuple[int, int], pooling: Pooling = "max"
) -> Float[Array, "*b h2 w2"]:
    """Returns 1 where the block of pixels under a latent counts as a hole, else 0.

    Args:
      occlusion: 1 = nothing landed.
      size: height and width in latents; they divide the picture's height and width.
      pooling: `max`: a block is a hole if any of its pixels is (`is_hole`). `nearest`,
        as published: a block is a hole if its top left pixel is; most holes thinner
        than a block are lost.
    """
    *batch, height, width = occlusion.shape
    down, across = height // size[0], width // size[1]
    hole = is_hole(occlusion).reshape(*batch, size[0], down, size[1], across)
    pick = hole[..., 0, :, 0] if pooling == "nearest" else hole.any(axis=(-3, -1))
    return pick.astype(jnp.float32)


@jax.jit
def encode_window(
    vae: AutoencoderKLTemporalDecoder,
    image_encoder: CLIPVisionModelWithProjection,
    pictures: Float[Array, "t h w 3"],
) -> tuple[Float[Array, "t h2 w2 z"], Float[Array, "1 d"]]:
    """Returns the latents of pictures in [0, 1], and the first picture's embedding."""
    latents = encode_frames(vae, 2 * pictures - 1)
    first = clip_pixels(pictures[:1], image_encoder.config.image_size)
    return latents, image_encoder(first).astype(jnp.float32)
