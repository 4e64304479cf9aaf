"""What the U-Net is told of a window: the splatted view, its holes, its first frame.

Inference and training build their inputs here. Follows StereoCrafter (arXiv 2409.07447)
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

# Seven frames a second less one, SVD's usual motion, no noise on the pictures: fixed,
# whatever the film's own rate, as the network was trained.
TIME_IDS = (6.0, 127.0, 0.0)


def conditioning(
    latents: Float[Array, "b t h w z"],
    mask: Float[Array, "b t h w"],
    context: Float[Array, "b k d"],
    *,
    known: Bool[Array, "b t"] | None = None,
) -> Conditioning:
    """Input channels after the noise: the splatted view's latents, then the mask.

    Args:
      latents: of the splatted right view, or of the true or generated one in frames
        that are known; the mode of the VAE's distribution, not scaled.
      mask: `latent_mask` of the occlusion.
      context: image embeddings of each window's first frame.
      known: frames whose picture is complete: their mask is 0.
    """
    if known is not None:
        mask = jnp.where(known[:, :, None, None], 0, mask)
    channels = jnp.concatenate([latents, mask[..., None]], axis=-1)
    time_ids = jnp.broadcast_to(jnp.float32(TIME_IDS), (len(latents), len(TIME_IDS)))
    return Conditioning(channels, context, time_ids)


def latent_mask(
    occlusion: Float[Array, "*b h w"], size: tuple[int, int], pooling: Pooling = "max"
) -> Float[Array, "*b h2 w2"]:
    """1 where a latent stands for a hole, else 0; `size` divides the picture's.

    `max`: any pixel of the block is hole (`is_hole`). `nearest`, as published:
    its top left one is, so a hole thinner than a block is missed more often than not.
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
    """Latents of each picture, and the embedding of the first; pictures in [0, 1]."""
    latents = encode_frames(vae, 2 * pictures - 1)
    first = clip_pixels(pictures[:1], image_encoder.config.image_size)
    return latents, image_encoder(first).astype(jnp.float32)
