"""The inpainting task: fills the holes of the splatted right view.

Follows StereoCrafter (arXiv 2409.07447) sec. 3.3 and 4: SVD with an additional input
channel for the mask; only the spatial layers are trained.
"""

import dataclasses
import functools
import itertools
import math
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
from stereojax.training.input.framing import crop_frames, draw_crop, draw_frame_indices
from stereojax.training.input.mirror import mirror_pair
from stereojax.training.objective import draw_sigma, pixel_loss, v_error
from stereojax.training.sharding import Rules
from stereojax.training.step import Batch, Encode, Loss
from stereojax.training.task import Task
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

# Edges of the noise levels by which the loss is logged: loss_sigma_0_0.5, ...
SIGMA_BINS = (0.0, 0.5, 2.0, 8.0, 32.0, math.inf)


def make_sample(
    clip: Clip, rng: np.random.Generator, settings: TrainSettings
) -> dict[str, np.ndarray]:
    """Returns `left`, `right`: "t h w 3" uint8; and `disparity`: "t h w", pixels."""
    frames = clip.frames(draw_frame_indices(clip, rng, settings))
    crop = draw_crop(*frames.left.shape[1:3], rng, settings)
    # Drawn for every clip, so that later draws do not depend on the kind of clip.
    flip = rng.random() < settings.flip
    frames = crop_frames(frames, crop)
    if flip and clip.can_mirror:
        frames = mirror_pair(frames)
    return {
        "left": frames.left,
        "right": frames.right,
        "disparity": frames.disparity.astype(np.float32),
    }


def encode(settings: TrainSettings) -> Encode:
    """Returns the function that encodes a batch with the frozen networks.

    Its outputs need no random numbers: `truth` and `splatted`, "b t h w z", unscaled
    latents of the right view and of the splatted view; `mask`, "b t h w", the hole at
    latent resolution; `context`, "b 2 d", CLIP embeddings of the splatted and of the
    true first frame.
    """
    return functools.partial(_encode, settings)


def _encode(settings: TrainSettings, model: Any, batch: Batch) -> dict[str, Array]:
    return _encode_views(model, _make_views(batch, settings), settings)


def loss(settings: TrainSettings) -> Loss:
    """Returns the loss of a batch, or of an encoded batch: v's squared error.

    Its metrics are the draws `sigma` and `known`, and the error inside and outside the
    hole.
    """
    return functools.partial(_loss, settings)


def _loss(
    settings: TrainSettings, model: Any, batch: Batch, keys: Key[Array, " b"]
) -> tuple[Float[Array, " b"], dict[str, Float[Array, " b"]]]:
    encoded = batch if "truth" in batch else _encode(settings, model, batch)
    # Every random number of a sample comes from the sample's own key.
    draws = jax.vmap(functools.partial(_draw, settings))(keys)
    truth = encoded["truth"].astype(jnp.float32)
    known = jnp.arange(truth.shape[1]) < draws["known"][:, None]
    noise = jax.vmap(lambda key: jax.random.normal(key, truth.shape[1:]))(
        draws["noise"]
    )
    # Dropout for classifier-free guidance: zero latents and mask, or image embedding.
    full = unet_conditioning(encoded, known)
    conditioning = Conditioning(
        full.channels * _expand(draws["keep_latents"], full.channels),
        full.context * _expand(draws["keep_context"], full.context),
        full.time_ids,
    )
    # The error of v, weighted higher inside the hole.
    clean = truth * model.vae.config.scaling_factor
    error, clean_latents = v_error(
        model.unet, clean, noise, conditioning, draws["sigma"]
    )
    hole = full.channels[..., -1]
    weight = 1 + (settings.hole_weight - 1) * hole
    total = (error * weight).mean((1, 2, 3))
    metrics = {
        "sigma": draws["sigma"],
        "known": draws["known"].astype(jnp.float32),
        "error": error.mean((1, 2, 3)),
        "hole_error": (error * hole).mean((1, 2, 3)),
        "hole": hole.mean((1, 2, 3)),
    }
    if settings.needs_pixels:
        right = batch["right"].astype(jnp.float32) / 255
        pixels = pixel_loss(
            model, clean_latents, right, draws["sigma"], draws["pixels"], settings
        )
        total, metrics["pixel_loss"] = total + pixels, pixels
    return total, metrics


def _draw(settings: TrainSettings, key: Key[Array, ""]) -> dict[str, Array]:
    """Draws a sample's noise level, known frames, dropout, and keys for the rest."""
    sigma, noise, known, drop, pixels = jax.random.split(key, 5)
    most = min(settings.known_frames, settings.frames - 1)
    # One uniform number selects at most one of the three kinds of dropout.
    u = jax.random.uniform(drop)
    context = settings.clip_dropout
    latents = context + settings.latent_dropout
    any_dropout = latents + settings.both_dropout
    no_context = (u < context) | ((u >= latents) & (u < any_dropout))
    return {
        "sigma": draw_sigma(sigma, settings.sigma_mean, settings.sigma_std),
        "noise": noise,
        "known": jax.random.randint(known, (), 0, most + 1),
        "keep_context": 1.0 - no_context,
        "keep_latents": 1.0 - ((u >= context) & (u < any_dropout)),
        "pixels": pixels,
    }


def summarize(samples: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Returns the loss by kind: of pixels, inside and outside holes, by noise level.

    Args:
      samples: the metrics of `loss`, each "n", of all samples since the last row.
    """
    hole, inside, error = (samples[n] for n in ("hole", "hole_error", "error"))
    row = {}
    if "pixel_loss" in samples:
        row["loss_pixels"] = float(samples["pixel_loss"].mean())
    row["loss_hole"] = _ratio(inside.sum(), hole.sum())
    row["loss_outside"] = _ratio((error - inside).sum(), (1 - hole).sum())
    for low, high in itertools.pairwise(SIGMA_BINS):
        selected = (samples["sigma"] >= low) & (samples["sigma"] < high)
        mean = _ratio(error[selected].sum(), float(selected.sum()))
        row[f"loss_sigma_{low:g}_{high:g}"] = mean
    return row


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count > 0 else None


def validate(settings: TrainSettings) -> Validate:
    """Returns the function that inpaints held-out samples with the sampler.

    PSNR and SSIM compare the hole with the right view. LPIPS, if its weights are
    installed, compares whole frames, which show the splatted view outside the hole. The
    `_background` metrics are those of the background fill, which uses no network.
    """
    return functools.partial(_validate, settings)


def _validate(
    settings: TrainSettings, model: Any, batch: Batch, keys: Key[Array, " b"]
) -> tuple[dict[str, Float[Array, " b"]], Float[Array, "b h w 3"]]:
    views = _make_views(batch, settings)
    encoded = _encode_views(model, views, settings)
    # Sample with the sigmas and the U-Net conditioning of inference.
    known = jnp.zeros(batch["left"].shape[:2], bool)
    latent_shape = encoded["truth"].shape[1:]
    noise = jax.vmap(lambda key: jax.random.normal(key, latent_shape))(keys)
    sigmas = schedule("align_your_steps", settings.validation_steps, drop_last=True)
    latents = denoise(
        model.unet,
        noise * initial_scale(),
        unet_conditioning(encoded, known),
        sigmas,
        batching=Batching(at_once=1),
    )
    frames = decode_frames(model.vae, latents / model.vae.config.scaling_factor)
    # Compare both fills with the right view.
    hole = is_hole(views.occlusion)
    filled = jnp.where(hole[..., None], frames, views.warped)
    background = jax.lax.map(
        lambda x: fill_background(*x), (views.warped, views.occlusion)
    )
    metrics = {
        "val_psnr": jax.vmap(psnr)(frames, views.right, hole),
        "val_ssim": jax.vmap(ssim)(filled, views.right, hole),
        "val_psnr_background": jax.vmap(psnr)(background, views.right, hole),
        "val_ssim_background": jax.vmap(ssim)(background, views.right, hole),
    }
    if model.lpips is not None:
        metrics |= {
            "val_lpips": _lpips(model.lpips, filled, views.right),
            "val_lpips_background": _lpips(model.lpips, background, views.right),
        }
    # The image: the middle frame of each view, side by side.
    middle = batch["left"].shape[1] // 2
    left = batch["left"].astype(jnp.float32) / 255
    strip = (left, views.warped, filled, background, views.right)
    return metrics, jnp.concatenate([x[:, middle] for x in strip], axis=2)


def _lpips(
    network: Any, frames: Float[Array, "b t h w 3"], truth: Float[Array, "b t h w 3"]
) -> Float[Array, " b"]:
    """Averages LPIPS over frames, one frame at a time to bound the memory."""
    b, t = frames.shape[:2]
    pairs = tuple(x.reshape(b * t, *x.shape[2:]) for x in (frames, truth))
    distances = jax.lax.map(lambda pair: network(*pair), pairs)
    return distances.reshape(b, t).mean(1)


def decode_frames(
    vae: Any, latents: Float[Array, "b t h w z"]
) -> Float[Array, "b t h2 w2 3"]:
    """Decodes unscaled latents to [0, 1], two frames at a time to bound the memory."""
    b, t, *rest = latents.shape
    even = jnp.concatenate([latents, latents[:, -1:]], axis=1)[:, : t + t % 2]
    pairs = even.reshape(b * (t + t % 2) // 2, 1, 2, *rest)
    frames = jax.lax.map(vae.decode, pairs).astype(jnp.float32)
    frames = frames.reshape(b, t + t % 2, *frames.shape[3:])[:, :t]
    return jnp.clip((frames + 1) / 2, 0, 1)


@dataclasses.dataclass(frozen=True)
class _Views:
    """The splatted right view, its occlusion, and the true right view; in [0, 1]."""

    warped: Float[Array, "b t h w 3"]
    occlusion: Float[Array, "b t h w"]
    right: Float[Array, "b t h w 3"]


def _make_views(batch: Batch, settings: TrainSettings) -> _Views:
    splat = forward_splat(
        batch["left"], batch["disparity"], sharpness=sharpness_for(settings.width)
    )
    right = batch["right"].astype(jnp.float32) / 255
    return _Views(splat.warped, splat.occlusion, right)


def _encode_views(
    model: Any, views: _Views, settings: TrainSettings
) -> dict[str, Array]:
    truth, splatted = (encode_frames(model.vae, x) for x in (views.right, views.warped))
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


def unet_conditioning(encoded: Batch, known: Bool[Array, "b t"]) -> Conditioning:
    """Builds the U-Net's conditioning with the function that inference uses.

    Args:
      encoded: the output of `encode`.
      known: True for frames that show the true right view and have no hole.
    """
    truth, splatted, mask, context = (
        encoded[name].astype(jnp.float32)
        for name in ("truth", "splatted", "mask", "context")
    )
    latents = jnp.where(_expand(known, truth), truth, splatted)
    context = jnp.where(known[:, :1, None], context[:, 1:], context[:, :1])
    return conditioning(latents, mask, context, known=known)


def encode_frames(
    vae: Any, frames: Float[Array, "b t h w 3"]
) -> Float[Array, "b t h2 w2 z"]:
    """Encodes frames in [0, 1] to unscaled latents, one by one to bound the memory."""
    single = 2 * frames.reshape(-1, 1, 1, *frames.shape[2:]) - 1
    latents = jax.lax.map(vae.encode, single)
    return latents.reshape(*frames.shape[:2], *latents.shape[3:]).astype(jnp.float32)


def _expand(x: Array, like: Array) -> Array:
    """Appends axes of size 1 to `x`, so that it broadcasts with `like`."""
    return x.reshape(*x.shape, *[1] * (like.ndim - x.ndim))


INPAINT = Task(
    load_initial_model=initial_model.load_initial_model,
    trainable=TRAINABLE,
    precise=("vae.", "lpips."),
    network=initial_model.UNET,
    prefix="unet",
    make_sample=make_sample,
    encode=encode,
    loss=loss,
    summarize=summarize,
    validate=validate,
    score="val_psnr",
    optional_metrics=("val_lpips", "val_lpips_background"),
)
