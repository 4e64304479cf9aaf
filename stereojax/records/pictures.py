"""Single pictures as bytes: JPEG for views, PNG for what must not change.

JPEG at quality 95 without chroma subsampling, of 1024x576 film frames: 150 to 190 kB,
46 to 47 dB, 3 ms to write and 3.5 ms to read on one core. Lossless WebP takes 350 kB
and 100 ms, PNG 500 kB and 25 ms; lossy WebP subsamples chroma and is 3 dB worse.
"""

import cv2
import numpy as np

from stereojax.shapes import Shaped, UInt8

_JPEG_444 = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
# On 16-bit disparity, level 3 after the "up" filter is a tenth smaller than level 1;
# level 6 saves another twentieth for three times the work.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_FILTER, 32)


def to_jpeg(picture: UInt8[np.ndarray, "h w 3"], quality: int = 95) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality, *_JPEG_444]
    return _encoded(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)


def to_png(picture: Shaped[np.ndarray, "h w *c"]) -> bytes:
    """uint8 (h, w, 3), or uint16 (h, w)."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return _encoded(".png", picture, list(_PNG))


def read_rgb(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{len(data)} bytes are no picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def read_steps(data: bytes) -> Shaped[np.ndarray, "h w"]:
    """The 16-bit gray picture of `to_png`."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16 or picture.ndim != 2:
        raise ValueError(f"{len(data)} bytes are no 16-bit gray picture")
    return picture


def _encoded(suffix: str, picture: np.ndarray, parameters: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, picture, parameters)
    if not done:
        raise ValueError(f"a {picture.shape} {picture.dtype} picture as {suffix}")
    return data.tobytes()
