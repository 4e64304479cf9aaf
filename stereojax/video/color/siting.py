"""Detects the chroma siting of a frame: the position of chroma between luma samples.

PyAV does not expose FFmpeg's `chroma_location`, but swscale applies it. So a small
frame with the same properties gets ramps as chroma, and the upsampled values show the
siting.
"""

import av
import numpy as np

# Decoders that always set the siting. Others leave it open, and swscale would assume
# the center.
_DECODERS_WITH_SITING = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg"}
# (horizontal, vertical) value at luma (16, 16) of ramps that rise by 4 a luma sample
# from 0 at the first chroma sample -> name in the scale filter.
_NAMES = {
    (64, 62): "left",
    (62, 62): "center",
    (64, 64): "topleft",
    (62, 64): "top",
    (64, 60): "bottomleft",
    (62, 60): "bottom",
}


def siting_of(frame: av.VideoFrame, decoder: str) -> str:
    """Returns "left", "center", "topleft", "top", "bottomleft" or "bottom".

    "left", the default of all formats since MPEG-2, if `decoder` does not set a siting.
    """
    if decoder not in _DECODERS_WITH_SITING:
        return "left"
    # Another width, because `reformat` does not copy a frame of the same size.
    width = 48 if frame.width == 32 else 32
    # Equal matrices, so none is applied; swscale rejects some of a file's own tags.
    matrix = {"src_colorspace": 5, "dst_colorspace": 5}
    small = frame.reformat(width, 32, format="yuv420p", **matrix)
    for plane, axis in ((small.planes[1], 1), (small.planes[2], 0)):
        shape = (plane.height, plane.line_size)
        ramp = np.arange(max(shape), dtype=np.int64)[: shape[axis]] * 8 % 256
        ramp = ramp[None, :] if axis else ramp[:, None]
        plane.update(np.broadcast_to(ramp, shape).astype(np.uint8).tobytes())
    full = small.reformat(format="yuv444p", interpolation="BICUBIC", **matrix)
    across, down = (
        int(np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[16, 16])
        for plane in full.planes[1:]
    )
    return _NAMES.get((across, down), "left")
