"""The specification: a scatter-add in float32. Every other form must equal this one."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Int, Shaped
from stereojax.stage_types import Splat


@functools.partial(jax.jit, static_argnames=("hard_mask", "published_border"))
def splat_scatter(
    image: Shaped[Array, "*b h w c"],
    disparity: Float[Array, "*b h w"],
    sharpness: Float[Array, ""],
    *,
    hard_mask: bool = False,
    published_border: bool = False,
) -> Splat:
    """See `forward_splat`. Works under jit, vmap and grad; no host read."""
    *_, width, channels = image.shape
    pixels = as_float(image).reshape(-1, width, channels)
    d = landing(disparity, published_border=published_border).reshape(-1, width)
    taps = bilinear_taps(d)
    row = jnp.arange(len(d))[:, None]

    # Only differences of disparity matter at one target, so each target takes them
    # from the nearest source that reaches it: no range of disparities can overflow,
    # and its own weight is never lost.
    nearest = jnp.full(d.shape, -jnp.inf)
    for target, _, hit in taps:
        index = jnp.where(hit, target, width)  # dropped; a negative one would wrap
        nearest = nearest.at[row, index].max(lax.stop_gradient(d), mode="drop")

    color = jnp.zeros_like(pixels)
    total, coverage = jnp.zeros(d.shape), jnp.zeros(d.shape)
    for target, b, hit in taps:
        index = jnp.where(hit, target, width)
        behind = d - nearest.at[row, index].get(mode="fill", fill_value=0)
        weight = b * jnp.exp2(sharpness * jnp.where(hit, behind, 0))
        color = color.at[row, index].add(weight[..., None] * pixels, mode="drop")
        total = total.at[row, index].add(weight, mode="drop")
        coverage = coverage.at[row, index].add(b, mode="drop")

    warped, occlusion = normalize(color, total, coverage, hard_mask=hard_mask)
    return Splat(warped.reshape(image.shape), occlusion.reshape(disparity.shape))


def as_float(image: Shaped[Array, "*s"]) -> Float[Array, "*s"]:
    """float32 colours; uint8 goes to [0, 1]."""
    scale = 255 if image.dtype == jnp.uint8 else 1
    return image.astype(jnp.float32) / scale


def landing(
    disparity: Float[Array, "*b h w"], *, published_border: bool
) -> Float[Array, "*b h w"]:
    """The disparity as float32, with 2 * width + 2 where a source lands nowhere.

    That takes in what is not finite and what is further out than any target, so that
    no such number reaches a cast to an integer.
    """
    *_, height, width = disparity.shape
    disparity = disparity.astype(jnp.float32)
    lands = jnp.abs(disparity) < width + 1  # false for NaN
    if published_border:
        # The authors' CUDA kernel wants floor(x), floor(x) + 1, y and y + 1 inside.
        left = jnp.arange(width) - jnp.ceil(disparity)  # floor(x)
        lands &= (left >= 0) & (left + 1 < width)
        lands &= jnp.arange(height)[:, None] + 1 < height
    return jnp.where(lands, disparity, 2 * width + 2)


def bilinear_taps(
    d: Float[Array, "n w"],
) -> list[tuple[Int[Array, "n w"], Float[Array, "n w"], Bool[Array, "n w"]]]:
    """(target column, weight, does it count) of each source's two taps.

    Floor and fraction are the disparity's: those of the position j - d would lose bits
    as j grows. Each weight is one subtraction, so that neither is rounded to nothing.
    """
    width = d.shape[-1]
    whole = lax.stop_gradient(jnp.floor(d))
    right = jnp.arange(width) - whole.astype(jnp.int32)
    taps = []
    for target, b in ((right, whole + 1 - d), (right - 1, d - whole)):
        taps.append((target, b, (target >= 0) & (target < width) & (b > 0)))
    return taps


def normalize(
    color: Float[Array, "*b h w c"],
    total: Float[Array, "*b h w"],
    coverage: Float[Array, "*b h w"],
    *,
    hard_mask: bool,
) -> tuple[Float[Array, "*b h w c"], Float[Array, "*b h w"]]:
    """(warped, occlusion) from the weighted sums and the unweighted coverage."""
    covered = total > 0
    share = covered.astype(jnp.float32) if hard_mask else jnp.clip(coverage, 0, 1)
    warped = color / jnp.where(covered, total, 1)[..., None]
    return jnp.where(covered[..., None], warped, 0), lax.stop_gradient(1 - share)
