"""The paper's task: what the left camera never saw, given the splatted view.

Follows StereoCrafter (arXiv 2409.07447) sec. 3.3 and 4: SVD with one more channel for
the mask, of which the spatial layers train.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.background import fill_background
from stereojax.inpaint.conditioning import conditioning, latent_mask
from stereojax.metrics.psnr import psnr
from stereojax.metrics.ssim import ssim
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Array, Bool, Float, Key
from stereojax.splat import forward_splat
from stereojax.splat.api import sharpness_for
from stereojax.stage_types import is_hole
from stereojax.svd.clip_image import clip_pixels
from stereojax.svd.denoise import Batching, Conditioning, denoise
from stereojax.svd.scheduler import initial_scale, schedule
from stereojax.training import initial_model
from stereojax.training.input.clips import Clip
from stereojax.training.input.framing import cropped, draw_crop, draw_frames
from stereojax.training.input.mirror import mirrored
from stereojax.training.objective import draw_sigma, v_error
from stereojax.training.pixel_loss import pixel_loss
from stereojax.training.rules import Rules
from stereojax.training.step import Batch, Encode, Loss
from stereojax.training.validation import Validate

_TEMPORAL = "temporal_res_block|temporal_transformer_blocks|time_pos_embed|time_mixer"
_SPATIAL = (
    r"resnets\.\d+\.spatial_res_block|attentions\.\d+\.transformer_blocks"
    r"|attentions\.\d+\.(norm|proj_in|proj_out)|(down|up)samplers\.\d+"
)
TRAINABLE: Rules[bool] = (
    (rf"unet\..*\.({_TEMPORAL})\..*", False),
    (rf"unet\.(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.({_SPATIAL})\..*", True),
    (r"unet\.(conv_in|conv_norm_out|conv_out)\..*", True),
    (r"unet\.(time|add)_embedding\..*", True),
    (r"(vae|image_encoder|lpips)\..*", False),
)

NETWORK, PREFIX = initial_model.UNET, "unet"
PRECISE = ("vae.", "lpips.")
init = initial_model.start


def batch(
    clip: Clip, rng: np.random.Generator, settings: TrainSettings
) -> dict[str, np.ndarray]:
    """One sample: views "t h w 3" uint8, and the left one's disparity in pixels."""
    frames = clip.frames(draw_frames(clip, rng, settings))
    crop = draw_crop(*frames.left.shape[1:3], rng, settings)
    # Drawn for each, so that what follows does not depend on the kind of clip.
    flip = rng.random() < settings.flip
    frames = cropped(frames, crop)
    if flip and clip.mirrors:
        frames = mirrored(frames)
    return {
        "left": frames.left,
        "right": frames.right,
        "disparity": frames.disparity.astype(np.float32),
    }


def encode(settings: TrainSettings) -> Encode:
    """What the loss needs of a batch: nothing in it is trained, or drawn anew.

    `truth` and `splatted`, "b t h w z": latents of the right view and of the splatted
    one, not scaled; `mask`, "b t h w": the hole as latents see it; `context`, "b 2 d":
    embeddings of the first frame, splatted and true.
    """
    return functools.partial(_encode, settings)


def _encode(settings: TrainSettings, model: Any, batch: Batch) -> dict[str, Array]:
    return _encoded(model, _views(batch, settings), settings)


def loss(settings: TrainSettings) -> Loss:
    """The error of v; beside it `sigma`, and the error inside and outside the hole.

    Its samples are those of `batch`, or what `encode` makes of them.
    """
    return functools.partial(_loss, settings)


def _loss(
    settings: TrainSettings, model: Any, batch: Batch, keys: Key[Array, " b"]
) -> tuple[Float[Array, " b"], dict[str, Float[Array, " b"]]]:
    given = batch if "truth" in batch else _encode(settings, model, batch)
    drawn = jax.vmap(functools.partial(_draw, settings))(keys)
    truth = given["truth"].astype(jnp.float32)
    known = jnp.arange(truth.shape[1]) < drawn["known"][:, None]
    noise = jax.vmap(lambda key: jax.random.normal(key, truth.shape[1:]))(
        drawn["noise"]
    )
    full = told(given, known)
    kept = Conditioning(
        full.channels * _spread(drawn["keep_latents"], full.channels),
        full.context * _spread(drawn["keep_context"], full.context),
        full.time_ids,
    )
    clean = truth * model.vae.config.scaling_factor
    error, found = v_error(model.unet, clean, noise, kept, drawn["sigma"])
    hole = full.channels[..., -1]
    weight = 1 + (settings.hole_weight - 1) * hole
    total = (error * weight).mean((1, 2, 3))
    numbers = {
        "sigma": drawn["sigma"],
        "known": drawn["known"].astype(jnp.float32),
        "error": error.mean((1, 2, 3)),
        "hole_error": (error * hole).mean((1, 2, 3)),
        "hole": hole.mean((1, 2, 3)),
    }
    if settings.needs_pixels:
        right = batch["right"].astype(jnp.float32) / 255
        pixels = pixel_loss(
            model, found, right, drawn["sigma"], drawn["pixels"], settings
        )
        total, numbers["pixel_loss"] = total + pixels, pixels
    return total, numbers


def _draw(settings: TrainSettings, key: Key[Array, ""]) -> dict[str, Array]:
    """Everything that is drawn for a sample, of its own key."""
    sigma, noise, known, drop, pixels = jax.random.split(key, 5)
    most = min(settings.known_frames, settings.frames - 1)
    # One draw, so that at most one of the three is dropped.
    u = jax.random.uniform(drop)
    context = settings.clip_dropout
    latents = context + settings.latent_dropout
    both = latents + settings.both_dropout
    no_context = (u < context) | ((u >= latents) & (u < both))
    return {
        "sigma": draw_sigma(sigma, settings.sigma_mean, settings.sigma_std),
        "noise": noise,
        "known": jax.random.randint(known, (), 0, most + 1),
        "keep_context": 1.0 - no_context,
        "keep_latents": 1.0 - ((u >= context) & (u < both)),
        "pixels": pixels,
    }


def validate(settings: TrainSettings) -> Validate:
    """Fills holes with the sampler, and compares with the right view, inside the hole.

    Also what the background fill makes of them, which needs no network. LPIPS, where
    its network is there, is of whole pictures: what is no hole is the splatted view.
    """
    return functools.partial(_validate, settings)


SCORE = "val_psnr"
OPTIONAL = ("val_lpips", "val_lpips_background")


def _validate(
    settings: TrainSettings, model: Any, batch: Batch, keys: Key[Array, " b"]
) -> tuple[dict[str, Float[Array, " b"]], Float[Array, "b h w 3"]]:
    views = _views(batch, settings)
    given = _encoded(model, views, settings)
    nothing = jnp.zeros(batch["left"].shape[:2], bool)
    latent = given["truth"].shape[1:]
    noise = jax.vmap(lambda key: jax.random.normal(key, latent))(keys)
    sigmas = schedule("align_your_steps", settings.validation_steps, drop_last=True)
    latents = denoise(
        model.unet,
        noise * initial_scale(),
        told(given, nothing),
        sigmas,
        batching=Batching(at_once=1),
    )
    pictures = decode(model.vae, latents / model.vae.config.scaling_factor)
    hole = is_hole(views.occlusion)
    filled = jnp.where(hole[..., None], pictures, views.warped)
    background = jax.lax.map(
        lambda x: fill_background(*x), (views.warped, views.occlusion)
    )
    numbers = {
        "val_psnr": jax.vmap(psnr)(pictures, views.right, hole),
        "val_ssim": jax.vmap(ssim)(filled, views.right, hole),
        "val_psnr_background": jax.vmap(psnr)(background, views.right, hole),
        "val_ssim_background": jax.vmap(ssim)(background, views.right, hole),
    }
    if model.lpips is not None:
        numbers |= {
            "val_lpips": _lpips(model.lpips, filled, views.right),
            "val_lpips_background": _lpips(model.lpips, background, views.right),
        }
    middle = batch["left"].shape[1] // 2
    left = batch["left"].astype(jnp.float32) / 255
    strip = (left, views.warped, filled, background, views.right)
    return numbers, jnp.concatenate([x[:, middle] for x in strip], axis=2)


def _lpips(
    network: Any, pictures: Float[Array, "b t h w 3"], truth: Float[Array, "b t h w 3"]
) -> Float[Array, " b"]:
    """The mean over the frames, one after the other: the memory is that of one."""
    b, t = pictures.shape[:2]
    frames = (x.reshape(b * t, *x.shape[2:]) for x in (pictures, truth))
    each = jax.lax.map(lambda pair: network(*pair), tuple(frames))
    return each.reshape(b, t).mean(1)


def decode(vae: Any, latents: Float[Array, "b t h w z"]) -> Float[Array, "b t h2 w2 3"]:
    """Pictures in [0, 1], two frames at a time: the memory is that of two."""
    b, t, *rest = latents.shape
    even = jnp.concatenate([latents, latents[:, -1:]], axis=1)[:, : t + t % 2]
    pairs = even.reshape(b * (t + t % 2) // 2, 1, 2, *rest)
    pictures = jax.lax.map(vae.decode, pairs).astype(jnp.float32)
    pictures = pictures.reshape(b, t + t % 2, *pictures.shape[3:])[:, :t]
    return jnp.clip((pictures + 1) / 2, 0, 1)


@dataclasses.dataclass(frozen=True)
class Views:
    """What of the right view the left one shows, and the right one; in [0, 1]."""

    warped: Float[Array, "b t h w 3"]
    occlusion: Float[Array, "b t h w"]
    right: Float[Array, "b t h w 3"]


def _views(batch: Batch, settings: TrainSettings) -> Views:
    splat = forward_splat(
        batch["left"], batch["disparity"], sharpness=sharpness_for(settings.width)
    )
    right = batch["right"].astype(jnp.float32) / 255
    return Views(splat.warped, splat.occlusion, right)


def _encoded(model: Any, views: Views, settings: TrainSettings) -> dict[str, Array]:
    truth, splatted = (latents_of(model.vae, x) for x in (views.right, views.warped))
    first = jnp.stack([views.warped[:, 0], views.right[:, 0]], axis=1)
    pixels = clip_pixels(
        first.reshape(-1, *first.shape[2:]), model.image_encoder.config.image_size
    )
    context = model.image_encoder(pixels).astype(jnp.float32)
    return {
        "truth": truth,
        "splatted": splatted,
        "mask": latent_mask(views.occlusion, truth.shape[2:4], settings.pooling),
        "context": context.reshape(len(first), 2, -1),
    }


def told(given: Batch, known: Bool[Array, "b t"]) -> Conditioning:
    """What the U-Net is told, by the function that inference calls.

    Frames that are known are the right view's own, and have no hole.
    """
    truth, splatted, mask, context = (
        given[name].astype(jnp.float32)
        for name in ("truth", "splatted", "mask", "context")
    )
    latents = jnp.where(_spread(known, truth), truth, splatted)
    context = jnp.where(known[:, :1, None], context[:, 1:], context[:, :1])
    return conditioning(latents, mask, context, known=known)


def latents_of(
    vae: Any, pictures: Float[Array, "b t h w 3"]
) -> Float[Array, "b t h2 w2 z"]:
    """Not scaled, frame after frame: the memory is that of one."""
    frames = 2 * pictures.reshape(-1, 1, 1, *pictures.shape[2:]) - 1
    latents = jax.lax.map(vae.encode, frames)
    return latents.reshape(*pictures.shape[:2], *latents.shape[3:]).astype(jnp.float32)


def _spread(x: Array, like: Array) -> Array:
    return x.reshape(*x.shape, *[1] * (like.ndim - x.ndim))
