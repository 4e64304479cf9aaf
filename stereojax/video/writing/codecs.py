"""Output codecs and their encoder settings.

Thread counts are fixed, not taken from the machine: frame threads change an encoder's
decisions, so a video resumed on another machine would have other frames.
"""

import dataclasses
import math
import re
from fractions import Fraction

from stereojax.cli import InputError
from stereojax.stage_types import Color
from stereojax.video.stereo import stereo_tags

CONTAINERS = (".mkv", ".mp4", ".m4v", ".mov", ".webm")
_APPLE = (".mkv", ".mp4", ".m4v", ".mov")


@dataclasses.dataclass(frozen=True)
class Codec:
    """An output codec, its encoder and the limits of both."""

    encoder: str  # FFmpeg's name
    containers: tuple[str, ...]
    crf: float | None  # default quality; None: lossless
    max_crf: float  # lowest quality
    max_bits: int
    preset: str | None


# At these CRFs the left view of real footage, with grain, is above 38 dB in each frame.
CODECS = {
    "h264": Codec("libx264", _APPLE, 16.0, 51.0, 10, "medium"),
    "hevc": Codec("libx265", _APPLE, 15.0, 51.0, 12, "fast"),
    "av1": Codec("libsvtav1", (".mkv", ".mp4", ".m4v", ".webm"), 15.0, 63.0, 10, "8"),
    "ffv1": Codec("ffv1", (".mkv", ".mp4", ".m4v"), None, 0.0, 16, None),
}
_X264_THREADS = 8
_X265_FRAME_THREADS = 3
_MAX_KEYFRAME_INTERVAL_S = 5


def resolve_crf(codec: str, crf: float | None) -> float | None:
    """Returns `crf`, or the codec's default; raises `InputError` if out of range."""
    chosen = CODECS[codec]
    if crf is None:
        return chosen.crf
    if chosen.crf is None:
        raise InputError(f"--crf={crf:g}: {codec} is lossless and has no CRF")
    if not (math.isfinite(crf) and 0 <= crf <= chosen.max_crf):
        raise InputError(f"--crf={crf:g}: {codec} takes 0 (best) to {chosen.max_crf:g}")
    if codec == "av1" and crf != int(crf):
        raise InputError(f"--crf={crf:g}: av1 takes whole numbers")
    return crf


def encoder_options(
    codec: str,
    crf: float | None,
    rate: Fraction,
    size: tuple[int, int],  # width, height of the packed picture
    color: Color,
    layout: str,
) -> tuple[tuple[str, str], ...]:
    """Returns the encoder's options, sorted by name."""
    options = {} if crf is None else {"crf": f"{crf:g}"}
    if CODECS[codec].preset:
        options["preset"] = CODECS[codec].preset
        options["g"] = str(max(1, round(_MAX_KEYFRAME_INTERVAL_S * rate)))
    if codec == "h264":
        options["x264-params"] = _joined(_x264(color, layout))
    elif codec == "hevc":
        options["x265-params"] = _joined(_x265(color))
    elif codec == "av1" and (hdr := _svt(color)):
        options["svtav1-params"] = _joined(hdr)
    elif codec == "ffv1":
        # FFV1 encodes slices in parallel and rejects slices that are too small.
        slices = 1 if min(size) < 64 else 4 if min(size) < 720 else 16
        options |= {"level": "3", "slicecrc": "1", "g": "1", "slices": str(slices)}
    return tuple(sorted(options.items()))


def _x264(color: Color, layout: str) -> dict[str, object]:
    params: dict[str, object] = {
        "threads": _X264_THREADS,
        # x264's lookahead reads uninitialised memory at the edges of its half-size
        # pictures (unless the width is a multiple of 128), so equal frames would give
        # unequal bytes. These options disable it. Scene cuts need no detection: no
        # segment crosses one.
        "mbtree": 0,
        "b-adapt": 0,
        "scenecut": 0,
        "weightp": 0,
        # Keep chroma and detailed pictures at the same quality as the rest.
        "chroma-qp-offset": -3,
        "qcomp": 0.7,
    }
    packing = stereo_tags.frame_packing(layout)
    if packing is not None:
        params["frame-packing"] = packing
    return params | _siting(color)


def _x265(color: Color) -> dict[str, object]:
    params: dict[str, object] = {
        "frame-threads": _X265_FRAME_THREADS,
        "open-gop": 0,
        "cbqpoffs": -3,
        "crqpoffs": -3,
        "qcomp": 0.7,
        "log-level": "error",
    }
    if color.mastering_display:
        params |= {"master-display": color.mastering_display, "hdr10": 1}
    if color.content_light:
        params |= {"max-cll": color.content_light, "hdr10": 1}
    return params | _siting(color)


def _svt(color: Color) -> dict[str, object]:
    params: dict[str, object] = {}
    if color.mastering_display:
        params["mastering-display"] = _in_units(color.mastering_display)
    if color.content_light:
        params["content-light"] = color.content_light
    return params


def _siting(color: Color) -> dict[str, object]:
    """Returns the chroma siting by H.264's and HEVC's numbers; 0, left, is implied."""
    known = ("left", "center", "topleft", "top", "bottomleft", "bottom")
    number = known.index(color.siting) if color.siting in known else 0
    return {"chromaloc": number} if number else {}


def _joined(params: dict[str, object]) -> str:
    return ":".join(f"{k}={v}" for k, v in params.items())


def _in_units(mastering_display: str) -> str:
    """Converts x265's integers G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min) to units."""

    def units(match: re.Match) -> str:
        name, first, second = match.groups()
        unit = 10000 if name == "L" else 50000
        return f"{name}({int(first) / unit:.5f},{int(second) / unit:.5f})"

    return re.sub(r"(G|B|R|WP|L)\((\d+),(\d+)\)", units, mastering_display)
