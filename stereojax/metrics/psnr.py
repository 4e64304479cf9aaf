"""Peak signal-to-noise ratio, of the whole picture or of a part of it."""

import jax.numpy as jnp

from stereojax.shapes import Array, Bool, Float


def mean_square(
    picture: Float[Array, "*b h w c"],
    truth: Float[Array, "*b h w c"],
    where: Bool[Array, "*b h w"] | None = None,
) -> Float[Array, "*b"]:
    """The mean over pixels and channels; over nothing it is NaN."""
    square = jnp.square(picture - truth).mean(-1)
    if where is None:
        return square.mean((-2, -1))
    return jnp.sum(square * where, (-2, -1)) / where.sum((-2, -1))


def psnr(
    picture: Float[Array, "t h w c"],
    truth: Float[Array, "t h w c"],
    where: Bool[Array, "t h w"] | None = None,
) -> Float[Array, ""]:
    """dB over all frames at once, of pictures in [0, 1].

    From the mean error over every pixel of the sequence (that `where` has), so a frame
    with a large hole counts for more than one with a small. Infinite where there is no
    error, NaN where there is no pixel.
    """
    t, h, w, c = picture.shape
    flat = (t * h, w)
    error = mean_square(
        picture.reshape(*flat, c),
        truth.reshape(*flat, c),
        None if where is None else where.reshape(flat),
    )
    return -10 * jnp.log10(error)
