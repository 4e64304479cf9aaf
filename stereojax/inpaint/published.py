"""Reproduces the windows, tiles and blending of StereoCrafter's published code.

Derived from the behaviour of that code (arXiv 2409.07447; research licence: read for
facts), and numerically equal to it. Pictures are cropped to multiples of 128 pixels.
The settings give the number of tiles, not their size. The last window is shorter. The
mask is downsampled to the top left pixel of each block; it is not set to 0 in frames of
the previous window. Tiles without a hole are denoised too. Two frames are decoded at a
time. Inside the crop, generated pixels replace the known ones too.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import compose
from stereojax.inpaint.recipe import Recipe
from stereojax.inpaint.tiles import Tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.shapes import Array, Bool, Float, Shaped
from stereojax.windows import Window, check_overlap

CROP = 128  # pixels; height and width of a canvas are multiples of this
OVERLAP = 16  # latents: the overlap of neighbouring tiles


def plan_windows(frames: int, window: int, overlap: int) -> tuple[Window, ...]:
    """Plans the published windows: the last window starts earlier and is shorter.

    If a shot has at most `overlap` frames, the published code generates nothing; here
    the shot is one window.
    """
    check_overlap(window, overlap)
    plan = [Window(0, min(window, frames), 0)]
    for start in range(window - overlap, frames - overlap, window - overlap):
        too_long = start + window > frames
        first = max(0, frames + overlap - window) if too_long else start
        stop = min(first + window, frames)
        plan.append(Window(first, stop, start - first + overlap))
    return tuple(plan)


def crop_canvas(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Rounds height and width down to multiples of 128; `multiple` is not used."""
    return height // CROP * CROP, width // CROP * CROP


def plan_tiles(
    canvas: tuple[int, int], settings: DiffusionSettings, factor: int, multiple: int
) -> Tiles:
    """Plans a grid of `tile_num` x `tile_num` tiles that overlap by 16 latents.

    Raises:
      ValueError: the picture is too small, or cannot be divided into that many equal
        tiles.
    """
    if 0 in canvas:
        raise ValueError(f"the picture is smaller than {CROP} px")
    count = max(1, settings.tile_num)
    sizes = [(total + OVERLAP * (count - 1)) / count for total in canvas]
    for size in sizes:
        if size % 8 or (count > 1 and size <= OVERLAP):
            raise ValueError(
                f"{count} tiles of {canvas[0]}x{canvas[1]} latents would be {size:g} "
                f"long; expected a multiple of 8 above {OVERLAP}"
            )
    starts = [tuple(i * (int(size) - OVERLAP) for i in range(count)) for size in sizes]
    return Tiles(canvas, (int(sizes[0]), int(sizes[1])), *starts)


def merge_tiles(
    pieces: Float[Array, "n t h w z"],
    tiles: Tiles,
    active: Bool[Array, " n"],
    fallback: Float[Array, "t h2 w2 z"],
) -> Float[Array, "t h2 w2 z"]:
    """Returns the canvas; each tile is blended onto the tiles above and to the left.

    A tile is first blended with the finished tile above, then with the finished tile to
    the left. Its weight is k / 16 at row or column k of the overlap. All tiles are
    active, so `active` and `fallback` are not used.
    """
    height, width = tiles.size
    canvas = jnp.zeros((pieces.shape[1], *tiles.canvas, pieces.shape[-1]))
    # Later tiles overwrite parts of the canvas, so the finished tiles are kept here.
    above: list[Array] = []
    for i, top in enumerate(tiles.tops):
        row: list[Array] = []
        for j, left in enumerate(tiles.lefts):
            tile = pieces[i * len(tiles.lefts) + j]
            if i:
                shared = tiles.tops[i - 1] + height - top
                ramp = (jnp.arange(shared) / shared)[:, None, None]
                mixed = (1 - ramp) * above[j][:, -shared:] + ramp * tile[:, :shared]
                tile = tile.at[:, :shared].set(mixed)
            if j:
                shared = tiles.lefts[j - 1] + width - left
                ramp = (jnp.arange(shared) / shared)[:, None]
                mixed = (1 - ramp) * row[j - 1][:, :, -shared:]
                mixed += ramp * tile[:, :, :shared]
                tile = tile.at[:, :, :shared].set(mixed)
            row.append(tile)
            canvas = canvas.at[:, top : top + height, left : left + width].set(tile)
        above = row
    return canvas


@functools.partial(jax.jit, static_argnames=("dilate", "feather"))
def compose_generated(
    generated: Float[Array, "t h2 w2 3"],
    warped: Float[Array, "t h w 3"],
    occlusion: Float[Array, "t h w"],
    dilate: float | int,
    feather: float | int,
) -> Float[Array, "t h w 3"]:
    """Returns `generated` inside the crop, and a background fill outside of it.

    `dilate` and `feather` have no effect: no pixel of `generated` is blended.
    """
    right = compose(warped, occlusion, fill_background(warped, occlusion))
    return right.at[:, : generated.shape[1], : generated.shape[2]].set(generated)


def keep_shared(
    previous: Shaped[np.ndarray, "k h w 3"], right: Shaped[np.ndarray, "t h w 3"]
) -> Shaped[np.ndarray, "t h w 3"]:
    """Returns the previous window's overlapping frames, then this window's others."""
    return np.concatenate([previous, right[len(previous) :]])


PUBLISHED = Recipe(
    plan_windows=plan_windows,
    canvas=crop_canvas,
    plan_tiles=plan_tiles,
    window_length=lambda frames, longest: frames,
    merge_tiles=merge_tiles,
    compose=compose_generated,
    join=keep_shared,
    pooling="nearest",
    skips_complete=False,
    marks_known_frames=False,
    synchronizes=False,
    drops_last_level=False,
    decode_chunk=2,
)
