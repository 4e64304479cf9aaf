"""The choices in which two ways to inpaint by diffusion differ; ours is defined here.

`published.py` holds the choices of StereoCrafter's published code.
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
    # (height, width, multiple), pixels: the size that pictures are fitted to
    canvas: Callable[[int, int, int], tuple[int, int]]
    # (canvas in latents, settings, pixels a latent, multiple in latents)
    plan_tiles: Callable[[tuple[int, int], DiffusionSettings, int, int], Tiles]
    # (frames of a window, longest window): frames that are denoised for it
    window_length: Callable[[int, int], int]
    # (tiles' latents, tiles, active tiles, the canvas where none is active)
    merge_tiles: Callable[[Array, Tiles, Array, Array], Array]
    # (generated, warped, occlusion, hole_dilate, feather): the right view
    compose: Callable[[Array, Array, Array, float, float], Array]
    # (right views of the shared frames by the window before, and by this window)
    join: Callable[[np.ndarray, np.ndarray], np.ndarray]
    pooling: Pooling  # of the mask, from pixels to latents
    skips_complete: bool  # tiles and windows without a hole are not denoised
    marks_known_frames: bool  # the mask of frames generated before is 0
    synchronizes: bool  # `tile_sync` may blend tiles after every step
    drops_last_level: bool  # the last of more than two noise levels changes nothing
    decode_chunk: int | None  # frames decoded together; None: as memory allows


def pad_canvas(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Returns the smallest multiples that hold the picture."""
    return height + -height % multiple, width + -width % multiple


def plan_even_tiles(
    canvas: tuple[int, int], settings: DiffusionSettings, factor: int, multiple: int
) -> Tiles:
    """Plans `tile_num` tiles each way, or as many as `tile_height` and width ask for.

    Raises:
      ValueError: a tile would be no longer than its overlap.
    """
    overlap = settings.tile_overlap // factor
    longest = settings.tile_height // factor, settings.tile_width // factor
    if count := settings.tile_num:
        # Each way, total + overlap * (count - 1) is divided evenly.
        totals = [n + overlap * (count - 1) for n in canvas]
        longest = tuple(-(-total // count) + multiple - 1 for total in totals)
    return plan_tiles(canvas, longest, overlap=overlap, multiple=multiple)


def round_length(frames: int, longest: int) -> int:
    """Rounds the length of a window up, to compile fewer shapes; one frame stays 1."""
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
    before: Shaped[np.ndarray, "k h w 3"], right: Shaped[np.ndarray, "t h w 3"]
) -> Shaped[np.ndarray, "t h w 3"]:
    """Fades the shared frames from the window before to this window's."""
    count = len(before)
    weight = fade_in(count)[:, None, None, None]
    mixed = (1 - weight) * before + weight * right[:count]
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
