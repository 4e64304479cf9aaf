"""Both compositings of the splat in float64 NumPy, written for clarity, not speed."""

import numpy as np


def oracle(image, disparity, *, compositing="published", **options):
    """Returns (warped, occlusion) of one frame: (h, w, c) and (h, w)."""
    return {"published": published, "coverage": coverage}[compositing](
        image, disparity, **options
    )


def published(image, disparity, *, sharpness=0.5, mask="soft", border="full"):
    """Weighs every source that reaches a target by 2 ** (sharpness * disparity)."""
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


def coverage(image, disparity, *, sharpness=0.5, mask="soft", border="full"):
    """Stacks the sources of a target from right to left until they cover it once."""
    del sharpness
    if image.dtype == np.uint8:
        image = image / 255.0
    height, width, channels = image.shape
    warped, total = np.zeros((height, width, channels)), np.zeros((height, width))
    for y in range(height):
        if border == "published" and y == height - 1:
            continue
        shares = shares_of_row(disparity[y].astype(np.float64), border)
        # The visible parts are the steps of the clipped sum over the sources.
        stacked = np.minimum(np.cumsum(shares[:, ::-1], axis=1), 1)[:, ::-1]
        visible = stacked - np.pad(stacked[:, 1:], ((0, 0), (0, 1)))
        total[y] = stacked[:, 0]
        landed = np.where(total[y] > 0, total[y], 1)
        warped[y] = visible @ image[y].astype(np.float64) / landed[:, None]
    if mask == "hard":
        return warped, np.where(total > 0, 0.0, 1.0)
    return warped, 1 - total


def shares_of_row(d, border):
    """Returns (target, source): the coverage of each target by each source, alone."""
    width = len(d)
    x = np.arange(width)
    with np.errstate(invalid="ignore"):
        left_column = x - np.ceil(d)  # floor(x - d)
        first, last = (0, width - 2) if border == "published" else (-1, width - 1)
        lands = (left_column >= first) & (left_column <= last)
    d = np.where(lands, d, np.nan)

    def open_gap(j):
        """Pixels between the footprints of sources j and j + 1; 0 at depth edges."""
        if not 0 <= j < width - 1 or not (lands[j] and lands[j + 1]):
            return 0.0
        return max(0.0, min(d[j] - d[j + 1], 2 - (d[j] - d[j + 1])))

    def slow_rise(j, gap):
        """The rise of disparity from source j to j + 1, if it is below the gap."""
        if not 0 <= j < width - 1 or not (lands[j] and lands[j + 1]) or gap == 0:
            return 0.0
        rise = max(0.0, d[j + 1] - d[j])
        return rise * min(max(4 * (1 - rise / gap), 0.0), 1.0)

    def closed_gap(j):
        gap, neighbors = open_gap(j), max(open_gap(j - 1), open_gap(j + 1))
        slow = max(slow_rise(j - 1, gap), slow_rise(j + 1, gap))
        return min(gap, 0.125 + max(2 * neighbors, 4 * slow), 15 / 16)

    shares = np.zeros((width, width))
    for j in np.flatnonzero(lands):
        whole = int(np.floor(d[j]))
        for target, b, gap in (
            (j - whole, whole + 1 - d[j], closed_gap(j)),
            (j - whole - 1, d[j] - whole, closed_gap(j - 1)),
        ):
            if 0 <= target < width:
                shares[target, j] = min(1.0, b / (1 - gap))
    return shares
