"""Writes and reads the tags that tell players how two views are packed.

| container | tag |
|---|---|
| MKV, WebM | StereoMode (all layouts with two views, anaglyph too) |
| MP4 | the st3d box (Spherical Video V2; left-right and top-bottom, left first) |
| MOV | the same box |
| any, H.264 | the frame packing SEI (left-right and top-bottom, left first) |

FFmpeg's muxer also writes Apple's vexu box, but without the packing of the views.
Players of spatial video would misread such a file, so the box is removed.
"""

import struct
from pathlib import Path

import av
from av.sidedata.sidedata import Type as SideData

from stereojax.video.stereo import mp4_boxes

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
    """Returns Matroska's StereoMode, by FFmpeg's name; None for a single view."""
    return {
        "full_sbs": "left_right",
        "half_sbs": "left_right",
        "cross_eyed": "right_left",
        "full_tb": "top_bottom",
        "half_tb": "top_bottom",
        "anaglyph": "anaglyph_cyan_red",
    }.get(layout)


def frame_packing(layout: str) -> int | None:
    """Returns H.264's frame_packing_arrangement_type for x264, or None.

    x264 always signals the left view first, so `cross_eyed` has none.
    """
    return {"left_right": 3, "top_bottom": 4}.get(stereo_mode(layout) or "")


def write_st3d(path: Path, layout: str) -> None:
    """Makes st3d the only stereo box of a file; no box if st3d lacks the layout."""
    mode = _ST3D.get(stereo_mode(layout) or "")
    with Path(path).open("r+b") as file:
        existing = list(mp4_boxes.picture_boxes(file))
        tagged = any(b.name == "st3d" for b in existing)
        for box in existing:
            if box.name != "vexu":
                continue
            if mode is not None and not tagged:  # MOV: the muxer writes only vexu
                mp4_boxes.replace_box(file, box, "st3d", struct.pack(">IB", 0, mode))
                tagged = True
            else:
                mp4_boxes.replace_box(file, box, "free")


def read_stereo_mode(path: Path) -> str | None:
    """Returns the stereo mode of the container, else of the first frame, else None."""
    path = Path(path)
    if path.suffix.lower() in (".mp4", ".m4v", ".mov"):
        with path.open("rb") as file:
            for box in mp4_boxes.picture_boxes(file):
                if box.name == "st3d":
                    value = mp4_boxes.read_box(file, box)[4]
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
