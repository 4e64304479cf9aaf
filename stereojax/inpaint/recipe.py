"""A recipe: the choices that inpainting by diffusion leaves open.

`OURS` is defined here; `published.PUBLISHED` follows StereoCrafter's published code.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from stereojax.inpaint.compose import compose, fill_share
from stereojax.inpaint.conditioning import Pooling
from stereojax.inpaint.match_colors import match_colors
from stereojax.inpaint.tiles import Tiles, merge_tiles, plan_tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.shapes import Array, Float, Shaped
from stereojax.windows import Window, fade_in, plan_windows

_LENGTHS = 8  # lengths of windows are multiples of this: fewer shapes to compile


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Plans, blends and composes the windows of a shot; chosen once per film."""

    # (frames of a shot, window, overlap)
    plan_windows: Callable[[int, int, int], tuple[Window, ...]]
    # (height, width, multiple), in pixels: the size to which pictures are fitted
    canvas: Callable[[int, int, int], tuple[int, int]]
    # (canvas in latents, settings, pixels per latent, multiple in latents)
    plan_tiles: Callable[[tuple[int, int], DiffusionSettings, int, int], Tiles]
    # (frames of a window, longest window): number of frames to denoise
    window_length: Callable[[int, int], int]
    # (latents of the tiles, tiles, active tiles, fallback canvas)
    merge_tiles: Callable[[Array, Tiles, Array, Array], Array]
    # (generated, warped, occlusion, hole_dilate, feather): the right view
    compose: Callable[[Array, Array, Array, float, float], Array]
    # (right views of the shared frames from the previous window, this window's views)
    join: Callable[[np.ndarray, np.ndarray], np.ndarray]
    pooling: Pooling  # of the mask, from pixels to latents
    skips_complete: bool  # tiles and windows without a hole are not denoised
    marks_known_frames: bool  # the mask of frames from the previous window is 0
    synchronizes: bool  # `tile_sync` may blend tiles after every step
    # The last noise level changes nothing; it is skipped if there are more than two.
    drops_last_level: bool
    decode_chunk: int | None  # frames decoded together; None: as many as fit in memory


def pad_canvas(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Returns the smallest multiples of `multiple` that hold the picture."""
    return height + -height % multiple, width + -width % multiple


def plan_even_tiles(
    canvas: tuple[int, int], settings: DiffusionSettings, factor: int, multiple: int
) -> Tiles:
    """Plans a grid of equal tiles.

    The grid has `tile_num` x `tile_num` tiles or, if `tile_num` is 0, the fewest tiles
    of at most `tile_height` x `tile_width` pixels.

    Raises:
      ValueError: a tile would not be longer than its overlap.
    """
    overlap = settings.tile_overlap // factor
    largest = settings.tile_height // factor, settings.tile_width // factor
    if count := settings.tile_num:
        # The tiles of one axis have total + overlap * (count - 1) latents together.
        totals = [n + overlap * (count - 1) for n in canvas]
        largest = tuple(-(-total // count) + multiple - 1 for total in totals)
    return plan_tiles(canvas, largest, overlap=overlap, multiple=multiple)


def round_length(frames: int, longest: int) -> int:
    """Rounds up the length of a window, to compile fewer shapes; 1 remains 1."""
    if frames == 1:
        return 1
    return min(-(-frames // _LENGTHS) * _LENGTHS, max(longest, frames))


@functools.partial(jax.jit, static_argnames=("dilate", "feather"))
def compose_matched(
    generated: Float[Array, "t h w 3"],
    warped: Float[Array, "t h w 3"],
    occlusion: Float[Array, "t h w"],
    dilate: float | int,
    feather: float | int,
) -> Float[Array, "t h w 3"]:
    """Returns `warped` with its holes filled by `generated`, matched in colour."""
    share = fill_share(occlusion, dilate=dilate, feather=feather)
    matched = match_colors(generated, warped, 1 - share)
    return compose(warped, occlusion, matched, dilate=dilate, feather=feather)


def cross_fade(
    previous: Shaped[np.ndarray, "k h w 3"], right: Shaped[np.ndarray, "t h w 3"]
) -> Shaped[np.ndarray, "t h w 3"]:
    """Cross-fades the shared frames from the previous window to this window."""
    count = len(previous)
    weight = fade_in(count)[:, None, None, None]
    mixed = (1 - weight) * previous + weight * right[:count]
    return np.concatenate([np.rint(mixed).astype(right.dtype), right[count:]])


OURS = Recipe(
    plan_windows=plan_windows,
    canvas=pad_canvas,
    plan_tiles=plan_even_tiles,
    window_length=round_length,
    merge_tiles=merge_tiles,
    compose=compose_matched,
    join=cross_fade,
    pooling="max",
    skips_complete=True,
    marks_known_frames=True,
    synchronizes=True,
    drops_last_level=True,
    decode_chunk=None,
)
