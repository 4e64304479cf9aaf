"""`forward_splat`: one contract for all implementations."""

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float, Shaped
from stereojax.splat.choice import choose
from stereojax.splat.gradient import composite_with_gradient, with_gradient
from stereojax.splat.implementations import IMPLEMENTATIONS
from stereojax.splat.row_contract import as_float, landing
from stereojax.stage_types import REFERENCE_WIDTH, Splat


def sharpness_for(width: int) -> float:
    """Returns the sharpness as soft at `width` as 0.5 is at the reference width."""
    return 0.5 * REFERENCE_WIDTH / width


def forward_splat(
    image: Shaped[Array | np.ndarray, "*b h w c"],
    disparity: Float[Array | np.ndarray, "*b h w"],
    *,
    compositing: Literal["published", "coverage"] = "published",
    sharpness: float = 0.5,
    mask: Literal["soft", "hard"] = "soft",
    border: Literal["full", "published"] = "full",
    implementation: str | None = None,
) -> Splat:
    """Moves each pixel left by its disparity; nearer pixels hide farther pixels.

    A source in column j with disparity d lands at x = j - d, on the two pixels of its
    row next to x, with bilinear weights b.

    "published" compositing is StereoCrafter's formula (arXiv 2409.07447, sec. 3.2): a
    target's colour is the mean of the sources that reach it, weighted by
    b * 2 ** (sharpness * d); its coverage is the sum of b. A near pixel that touches a
    target by a tenth of its area takes most of its colour, so near things grow.

    "coverage" compositing gives each source its own area: going from the nearest source
    of a target to the farthest, each covers b of the target, or the part that nearer
    sources left free if that is less; a target's colour is the mean weighted by these
    visible areas, and its coverage is their sum. Near things keep their width, and
    their edges are anti-aliased at every disparity. Where neighbouring sources of one
    surface land less than two pixels apart, b is enlarged so that they cover what lies
    between them (`splat.coverage`): a stretched surface stays opaque.

    Args:
      image: float colours, or uint8, which is divided by 255. Finite.
      disparity: pixels, positive = to the left. A pixel whose disparity is NaN or
        infinite, or that lies outside the frame once moved, lands nowhere.
      compositing: "published" or "coverage", as above.
      sharpness: of the published formula's depth test, in octaves of weight per pixel
        of disparity, >= 0; 0.5 is the paper's sqrt(2) ** disparity. `sharpness_for`
        keeps the softness the same at every resolution. Coverage compositing has no
        such weights and does not read it.
      mask: "soft" makes the occlusion 1 - clip(coverage, 0, 1); "hard" makes it 1
        where no source landed at all, with any weight above 0, and 0 elsewhere.
      border: "full" keeps each tap that lies inside the frame. "published" follows the
        CUDA kernel of the paper's authors: a source counts only when both its columns,
        floor(x) and floor(x) + 1, and both its rows, y and y + 1, are inside, which
        empties the last row and thins the first and last columns.
      implementation: "xla_scatter" (the specification), "xla_gather", "xla" (the one
        of these that is faster on a CPU), "pallas_gpu", "pallas_tpu", or None: what
        `choose` finds for the platform and the size. One that cannot run here is
        replaced, and the log says by what and why.

    Returns:
      `Splat(warped, occlusion)`, float32; `warped` is exactly 0 where nothing landed.
      `warped` has gradients for image and disparity; `occlusion` has none.
    """
    _check(
        image.shape,
        disparity.shape,
        compositing,
        sharpness,
        mask,
        border,
        implementation,
    )
    image = jnp.asarray(image)
    if image.dtype != jnp.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image has dtype {image.dtype}; expected uint8 or a float")
    choice = choose(
        image.shape, sharpness, compositing=compositing, wanted=implementation
    )
    return _splat(
        image,
        jnp.asarray(disparity),
        choice.implementation,
        float(sharpness) if compositing == "published" else None,
        hard_mask=mask == "hard",
        published_border=border == "published",
    )


@functools.partial(
    jax.jit,
    static_argnames=("implementation", "sharpness", "hard_mask", "published_border"),
)
def _splat(
    image: Shaped[Array, "*b h w c"],
    disparity: Float[Array, "*b h w"],
    implementation: str,
    sharpness: float | None,  # None: coverage compositing
    *,
    hard_mask: bool,
    published_border: bool,
) -> Splat:
    *_, width, channels = image.shape
    pixels = as_float(image).reshape(-1, width, channels)
    d = landing(disparity, published_border=published_border).reshape(-1, width)
    kernels = IMPLEMENTATIONS[implementation]
    if implementation == "xla_scatter":  # differentiable as it is: the specification
        if sharpness is None:
            rows = kernels.coverage(pixels, d, hard_mask=hard_mask)
        else:
            rows = kernels.published(
                pixels, d, sharpness, hard_mask=hard_mask, residuals=False
            )
        warped, occlusion = rows.warped, rows.occlusion
    elif sharpness is None:
        warped, occlusion = composite_with_gradient(
            kernels.coverage, pixels, d, hard_mask
        )
    else:
        warped, occlusion = with_gradient(
            kernels.published, pixels, d, sharpness, hard_mask
        )
    return Splat(warped.reshape(image.shape), occlusion.reshape(disparity.shape))


def _check(
    image_shape: tuple,
    disparity_shape: tuple,
    compositing: str,
    sharpness: float,
    mask: str,
    border: str,
    implementation: str | None,
) -> None:
    if image_shape[:-1] != disparity_shape or len(disparity_shape) < 2:
        raise ValueError(
            f"disparity {disparity_shape} and image {image_shape} must have the shapes "
            "(..., height, width) and (..., height, width, channels)"
        )
    if not (math.isfinite(sharpness) and sharpness >= 0):
        raise ValueError(f"sharpness={sharpness}: expected a finite number, 0 or more")
    for name, value, known in (
        ("compositing", compositing, ("published", "coverage")),
        ("mask", mask, ("soft", "hard")),
        ("border", border, ("full", "published")),
        ("implementation", implementation, (None, *IMPLEMENTATIONS)),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r}: expected one of {known}")
