"""The contact sheet of a preview: a few frames, each at every stage, in one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stereojax.inference.render_stage import Renderer
from stereojax.inference.splat_grid import inferno
from stereojax.shapes import Float
from stereojax.stage_types import FrameRange
from stereojax.storage.atomic import atomic_write
from stereojax.video.reading.reader import Reader
from stereojax.video.stereo.layouts import pack
from stereojax.windows import Segment

COLUMNS = ("left", "depth", "warped", "mask", "right", "anaglyph")
_TILE_WIDTH, _LABEL = 360, 22  # pixels; the height of the column names


def write(
    renderer: Renderer, segments: Sequence[Segment], outputs: Sequence[Path]
) -> str:
    """Writes the contact sheet of the first output, with the film's own renderer.

    Returns:
      Its name: `film_3d.mp4` has `film_3d.contact_sheet.png`.
    """
    import mediapy

    path = outputs[0].with_name(outputs[0].stem + ".contact_sheet.png")
    sheet = np.concatenate(
        [_header(), *(_row(renderer, f) for f in choose_frames(segments))], axis=0
    )
    with atomic_write(path) as part:
        mediapy.write_image(part, sheet)
    return path.name


def choose_frames(segments: Sequence[Segment], rows: int = 4) -> list[FrameRange]:
    """Chooses single frames, spread evenly over `segments`."""
    frames = [(f, s.shot) for s in segments for f in range(s.start, s.stop)]
    middles = {int((i + 0.5) * len(frames) / rows) for i in range(rows)}
    return [
        FrameRange(frames[i][1], frames[i][0], frames[i][0] + 1)
        for i in sorted(middles)
    ]


def _row(renderer: Renderer, frame: FrameRange) -> np.ndarray:
    """Renders one frame; returns its pictures side by side."""
    import mediapy

    with Reader(renderer.index) as reader:
        ((frames, stereo, right),) = renderer.frames(frame, reader)
    left, right = frames[0].image, np.asarray(right)[0]
    (anaglyph,) = pack(left, right, "anaglyph", renderer.settings.anaglyph)
    tiles = {
        "left": mediapy.to_float01(left),
        "depth": inferno(renderer.unit_depth(frame.shot, stereo)[0]),
        "warped": np.asarray(stereo.warped[0]),
        "mask": np.repeat(np.asarray(stereo.occlusion[0])[..., None], 3, -1),
        "right": mediapy.to_float01(right),
        "anaglyph": mediapy.to_float01(anaglyph),
    }
    return np.concatenate([_tile(tiles[name]) for name in COLUMNS], axis=1)


def _tile(image: Float[np.ndarray, "h w 3"]) -> np.ndarray:
    """Resizes a picture to the width of a column, with a margin of 4 pixels."""
    import mediapy

    height, width = image.shape[:2]
    size = max(1, round(height * _TILE_WIDTH / width)), _TILE_WIDTH
    small = mediapy.resize_image(np.asarray(image, np.float32), size)
    return mediapy.to_uint8(np.pad(np.clip(small, 0, 1), ((0, 4), (0, 4), (0, 0))))


def _header() -> np.ndarray:
    """Draws the names of the columns."""
    from PIL import Image, ImageDraw

    width = _TILE_WIDTH + 4
    strip = Image.new("RGB", (width * len(COLUMNS), _LABEL))
    draw = ImageDraw.Draw(strip)
    for i, name in enumerate(COLUMNS):
        draw.text((i * width + 6, 4), name, fill="white")
    return np.asarray(strip)
