"""Where a frame's subsampled chroma lies between the luma samples.

PyAV does not hand out FFmpeg's `chroma_location`, but swscale reads it: so put ramps
into a small frame with the same properties, and see where their values come out.
"""

import av
import numpy as np

# These decoders always say; others leave it open, which swscale takes as the centre.
_TELLING = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg"}
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
    """ "left", "center", "topleft", "top", "bottomleft" or "bottom".

    "left", which all formats since MPEG-2 default to, where `decoder` does not tell.
    """
    if decoder not in _TELLING:
        return "left"
    width = 48 if frame.width == 32 else 32  # same size and format: not a copy
    # A matrix that both ends share: swscale refuses some, and none is applied.
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
