"""What a splat is, in float64 NumPy and in no hurry."""

import numpy as np


def oracle(image, disparity, *, sharpness=0.5, mask="soft", border="full"):
    """(warped, occlusion) of one frame: (h, w, c) and (h, w)."""
    if image.dtype == np.uint8:
        image = image / 255.0
    image = image.astype(np.float64)
    height, width, channels = image.shape
    row, column = np.nonzero(np.isfinite(disparity) & (np.abs(disparity) < 1e6))
    d = disparity[row, column].astype(np.float64)
    colors = image[row, column]
    x0 = column - np.ceil(d).astype(int)  # floor(x)
    taps = [
        (column - np.floor(d).astype(int), np.floor(d) + 1 - d),
        (column - np.floor(d).astype(int) - 1, d - np.floor(d)),
    ]
    keep = np.ones(len(d), bool)
    if border == "published":
        keep = (x0 >= 0) & (x0 + 1 <= width - 1) & (row + 1 <= height - 1)

    nearest = np.full((height, width), -np.inf)
    color = np.zeros((height, width, channels))
    total, coverage = np.zeros((height, width)), np.zeros((height, width))
    hits = [keep & (b > 0) & (t >= 0) & (t < width) for t, b in taps]
    for (t, _), hit in zip(taps, hits, strict=True):
        np.maximum.at(nearest, (row[hit], t[hit]), d[hit])
    for (t, b), hit in zip(taps, hits, strict=True):
        at = (row[hit], t[hit])
        weight = b[hit] * np.exp2(sharpness * (d[hit] - nearest[at]))
        np.add.at(color, at, weight[:, None] * colors[hit])
        np.add.at(total, at, weight)
        np.add.at(coverage, at, b[hit])
    landed = total > 0
    warped = np.where(
        landed[..., None], color / np.where(landed, total, 1)[..., None], 0
    )
    if mask == "hard":
        return warped, np.where(landed, 0.0, 1.0)
    return warped, 1 - np.clip(coverage, 0, 1)
