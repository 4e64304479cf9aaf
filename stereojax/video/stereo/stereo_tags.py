"""How a file says that its picture holds two views, the ways that players read.

| container | says it by |
|---|---|
| MKV, WebM | StereoMode (all layouts with two views, anaglyph too) |
| MP4 | the st3d box (Spherical Video V2; left-right and top-bottom, left first) |
| MOV | the same box |
| H.264 in any | the frame packing SEI (left-right and top-bottom, left first) |

FFmpeg's muxer also writes Apple's vexu box, without the part that would say how the
views are packed; players of spatial video would take the film for something else, so
it is taken out again.
"""

import struct
from pathlib import Path

import av
from av.sidedata.sidedata import Type as SideData

from stereojax.video.stereo import boxes

# Spherical Video V2's stereo_mode.
_ST3D = {"top_bottom": 1, "left_right": 2}
# AVStereo3DType, and whether the right view comes first.
_PACKING = {
    (1, False): "left_right",
    (1, True): "right_left",
    (2, False): "top_bottom",
    (2, True): "bottom_top",
}


def stereo_mode(layout: str) -> str | None:
    """Matroska's StereoMode for `layout`, as FFmpeg names it; None for one view."""
    return {
        "full_sbs": "left_right",
        "half_sbs": "left_right",
        "cross_eyed": "right_left",
        "full_tb": "top_bottom",
        "half_tb": "top_bottom",
        "anaglyph": "anaglyph_cyan_red",
    }.get(layout)


def frame_packing(layout: str) -> int | None:
    """H.264's frame_packing_arrangement_type for x264, or None.

    x264 always says that the left view comes first, so cross-eyed gets none.
    """
    return {"left_right": 3, "top_bottom": 4}.get(stereo_mode(layout) or "")


def tag_boxes(path: Path, layout: str) -> None:
    """Leaves st3d, where it can say what `layout` is, as the only stereo box."""
    mode = _ST3D.get(stereo_mode(layout) or "")
    with boxes.open_boxes(path, change=True) as file:
        found = list(boxes.picture_boxes(file))
        tagged = any(b.name == "st3d" for b in found)
        for box in found:
            if box.name != "vexu":
                continue
            if mode is not None and not tagged:  # MOV: the muxer writes vexu alone
                boxes.replace_by(file, box, "st3d", struct.pack(">IB", 0, mode))
                tagged = True
            else:
                boxes.replace_by(file, box, "free")


def read_stereo_mode(path: Path) -> str | None:
    """The stereo mode that a player sees: of the container, else of the picture."""
    path = Path(path)
    if path.suffix.lower() in (".mp4", ".m4v", ".mov"):
        with boxes.open_boxes(path) as file:
            for box in boxes.picture_boxes(file):
                if box.name == "st3d":
                    value = boxes.read(file, box)[4]
                    return {v: k for k, v in _ST3D.items()}.get(value)
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        mode = stream.metadata.get("stereo_mode")
        if mode is not None:
            return None if mode == "mono" else mode
        return _mode_of_frame(next(container.decode(stream)))


def _mode_of_frame(frame: av.VideoFrame) -> str | None:
    data = frame.side_data.get(SideData.STEREO3D)
    if data is None:
        return None
    kind, flags = struct.unpack("<2i", bytes(data)[:8])
    return _PACKING.get((kind, bool(flags & 1)))
