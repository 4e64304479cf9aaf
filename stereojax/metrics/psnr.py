"""Peak signal-to-noise ratio over a whole film or over a mask."""

import jax.numpy as jnp

from stereojax.shapes import Array, Bool, Float


def mean_square(
    picture: Float[Array, "*b h w c"],
    truth: Float[Array, "*b h w c"],
    where: Bool[Array, "*b h w"] | None = None,
) -> Float[Array, "*b"]:
    """Returns the mean over pixels and channels; NaN for an empty mask."""
    square = jnp.square(picture - truth).mean(-1)
    if where is None:
        return square.mean((-2, -1))
    return jnp.sum(square * where, (-2, -1)) / where.sum((-2, -1))


def psnr(
    picture: Float[Array, "t h w c"],
    truth: Float[Array, "t h w c"],
    where: Bool[Array, "t h w"] | None = None,
) -> Float[Array, ""]:
    """Returns the PSNR in dB over all frames together, for pictures in [0, 1].

    The squared error is averaged over all pixels of the sequence, or of `where`, so a
    frame with a large hole counts for more than a frame with a small one. Infinite
    without any error, NaN for an empty mask.
    """
    t, h, w, c = picture.shape
    flat = (t * h, w)
    error = mean_square(
        picture.reshape(*flat, c),
        truth.reshape(*flat, c),
        None if where is None else where.reshape(flat),
    )
    return -10 * jnp.log10(error)
