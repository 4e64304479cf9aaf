"""Small pictures of samples, for the report."""

import cv2
import numpy as np

from data_prep.stages.packing import View

_WIDTH = 256  # of each picture in the row


def thumbnail(*pictures: View) -> bytes:
    """A JPEG of pictures of one size in a row."""
    height, width = pictures[0].shape[:2]
    size = _WIDTH, max(1, round(height * _WIDTH / width))
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    row = cv2.cvtColor(np.concatenate(small, axis=1), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
