"""Writes and reads the tags that tell players how two views are packed.

| container | tag |
|---|---|
| MKV, WebM | StereoMode (all layouts with two views, anaglyph too) |
| MP4 | the st3d box (Spherical Video V2; left-right and top-bottom, left first) |
| MOV | the st3d box, as in MP4 |
| any, with H.264 | the frame packing SEI (left-right and top-bottom, left first) |

FFmpeg's muxer also writes Apple's vexu box, but without the packing of the views.
Players of spatial video would misread this box, so it is removed.
"""

import struct
from pathlib import Path

import av
from av.sidedata.sidedata import Type as SideData

from stereojax.video.stereo import mp4_boxes

# Spherical Video V2's stereo_mode.
_ST3D = {"top_bottom": 1, "left_right": 2}
# Keys: (FFmpeg's AVStereo3DType, whether the right view comes first).
_PACKING = {
    (1, False): "left_right",
    (1, True): "right_left",
    (2, False): "top_bottom",
    (2, True): "bottom_top",
}


def stereo_mode(layout: str) -> str | None:
    """Returns FFmpeg's name of Matroska's StereoMode; None for a layout of one view."""
    return {
        "full_sbs": "left_right",
        "half_sbs": "left_right",
        "cross_eyed": "right_left",
        "full_tb": "top_bottom",
        "half_tb": "top_bottom",
        "anaglyph": "anaglyph_cyan_red",
    }.get(layout)


def frame_packing(layout: str) -> int | None:
    """Returns H.264's frame_packing_arrangement_type; None if x264 cannot signal it.

    x264 always signals that the left view comes first, so `cross_eyed` gives None.
    """
    return {"left_right": 3, "top_bottom": 4}.get(stereo_mode(layout) or "")


def write_st3d(path: Path, layout: str) -> None:
    """Removes vexu boxes from a file, and writes an st3d box if the muxer did not.

    A layout that st3d cannot express gets no box.
    """
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
    """Returns FFmpeg's name of a file's stereo mode; None if the file has none.

    Reads the container's tag, or the first frame's SEI if the container has no tag.
    """
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
        return _frame_stereo_mode(next(container.decode(stream)))


def _frame_stereo_mode(frame: av.VideoFrame) -> str | None:
    """Returns the stereo mode in the frame packing SEI of a frame."""
    data = frame.side_data.get(SideData.STEREO3D)
    if data is None:
        return None
    kind, flags = struct.unpack("<2i", bytes(data)[:8])
    return _PACKING.get((kind, bool(flags & 1)))
