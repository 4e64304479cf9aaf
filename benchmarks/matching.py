"""Measures error and time of each stereo matcher.

    python -m benchmarks.matching --video ../shared/data/office_stereo_sbs.mp4

Synthetic films have exact disparity. They are shifted so that its minimum is 0, as in a
dataset. EPE is the mean error in pixels, TEPE the mean error of the change from frame
to frame, both over pixels that the right eye sees too. `bad 1` and `bad 3` are the
shares of these pixels with a larger error or without a match. A filmed pair has no true
disparity: `agree` is the share of pixels whose disparities in both directions differ by
at most a pixel, and `dB` is the PSNR of the left view, splatted from these pixels only,
against the right view.

Prints a table and writes benchmarks/results/matching.json.
"""

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import measure
from data_prep.stages import correspondence
from stereojax.matching import MATCHERS, Matcher, choose_matcher, match_both
from stereojax.shapes import Bool, Float, UInt8
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import is_hole
from stereojax.synthetic import make_film


@dataclasses.dataclass(frozen=True)
class MatchingCase:
    """Frames of one shot, and the true disparity if it is known."""

    name: str
    left: UInt8[np.ndarray, "t h w 3"]
    right: UInt8[np.ndarray, "t h w 3"]
    truth: Float[np.ndarray, "t h w"] | None = None
    visible: Bool[np.ndarray, "t h w"] | None = None  # in the right view too


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--matcher",
        choices=MATCHERS,
        action="append",
        default=[],
        help="matcher to measure, repeatable; default: all",
    )
    parser.add_argument(
        "--video",
        type=Path,
        action="append",
        default=[],
        help="full side-by-side film to measure, repeatable",
    )
    parser.add_argument(
        "--sets", default="room,street,park", help="synthetic sets to render"
    )
    parser.add_argument(
        "--seeds", default="0,1", help="seeds; each renders a shot of each set"
    )
    parser.add_argument("--frames", type=int, default=3, help="frames of each shot")
    parser.add_argument("--width", type=int, default=1024, help="width in pixels")
    parser.add_argument("--output", default="matching", help="name of the result file")
    flags = parser.parse_args(argv)
    rows = []
    for name in flags.matcher or MATCHERS:
        matcher = choose_matcher(name)
        for scene_set in (s for s in flags.sets.split(",") if s):
            seeds = [int(s) for s in flags.seeds.split(",")]
            shots = [synthetic(scene_set, s, flags.frames, flags.width) for s in seeds]
            rows.append(mean([score(matcher, shot) for shot in shots]))
        for path in flags.video:
            rows.append(score(matcher, filmed(path, flags.frames)))
    print(measure.table(rows))
    print("written:", measure.save(flags.output, rows))


def synthetic(sets: str, seed: int, frames: int, width: int) -> MatchingCase:
    """Renders a shot with disparities within 4 % of the width, and shifts it."""
    film = make_film(
        seed,
        frames=frames,
        height=width * 9 // 16,
        width=width,
        shots=1,
        sets=(sets,),
        max_disparity_percent=4.0,
    )
    rendered = list(film.render())
    truth = np.stack([f.disparity for f in rendered])
    x = np.round(np.arange(width) - truth).astype(int)
    seen = np.stack([f.right_disparity for f in rendered])
    seen = np.take_along_axis(seen, np.clip(x, 0, width - 1), axis=-1)
    visible = (x >= 0) & (x < width) & (np.abs(seen - truth) < 1)
    left, right = (
        np.stack([np.rint(255 * getattr(f, e)).astype(np.uint8) for f in rendered])
        for e in ("left", "right")
    )
    shift = max(0, -int(np.floor(truth.min())))
    inside = slice(0, width - shift)
    visible = visible & (x >= shift)
    return MatchingCase(
        sets,
        np.ascontiguousarray(left[:, :, inside]),
        np.ascontiguousarray(right[:, :, shift:]),
        truth[:, :, inside] + np.float32(shift),
        visible[:, :, inside],
    )


def filmed(path: Path, frames: int) -> MatchingCase:
    """Reads the first frames of a full side-by-side film."""
    with av.open(str(path)) as container:
        pictures = []
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == frames:
                break
    left, right = np.split(np.stack(pictures), 2, axis=2)
    return MatchingCase(
        path.stem, np.ascontiguousarray(left), np.ascontiguousarray(right)
    )


def score(matcher: Matcher, shot: MatchingCase) -> dict[str, Any]:
    """Returns the table row of a matcher on a shot."""
    pairs = list(zip(shot.left, shot.right, strict=True))
    list(matcher.match(iter(pairs[:1])))  # compiles and loads weights
    start = time.perf_counter(), time.process_time()
    estimate = np.stack(list(matcher.match(iter(pairs))))
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    height, width = estimate.shape[1:]
    row = {"matcher": matcher.name, "shot": shot.name, "size": f"{width}x{height}"}
    if shot.truth is not None:
        row |= errors(estimate, shot.truth, shot.visible)
    row |= agreement(matcher, pairs)
    return row | {"s/frame": wall / len(pairs), "cpu s/frame": cpu / len(pairs)}


def errors(
    estimate: Float[np.ndarray, "t h w"],
    truth: Float[np.ndarray, "t h w"],
    visible: Bool[np.ndarray, "t h w"],
) -> dict[str, float]:
    """Returns the errors against the true disparity, over visible pixels."""
    error = np.abs(estimate - truth)
    known = np.isfinite(error) & visible
    change = np.abs(np.diff(estimate, axis=0) - np.diff(truth, axis=0))
    lasting = known[1:] & known[:-1]
    bad = np.where(np.isfinite(error), error, np.inf)[visible]
    return {
        "EPE": float(error[known].mean()),
        "TEPE": float(change[lasting].mean()) if lasting.any() else float("nan"),
        "bad 1 %": 100 * float((bad > 1).mean()),
        "bad 3 %": 100 * float((bad > 3).mean()),
    }


def agreement(matcher: Matcher, pairs: list[tuple]) -> dict[str, float]:
    """Returns the measures that need no true disparity."""
    agrees, squares, count = [], 0.0, 0
    for (left, right), both in zip(pairs, match_both(matcher, pairs), strict=True):
        kept = agreed(*both)
        agrees.append(np.isfinite(kept).mean())
        splat = forward_splat(left, kept, sharpness=sharpness_for(left.shape[1]))
        landed = ~is_hole(np.asarray(splat.occlusion))
        error = np.asarray(splat.warped)[landed] - right[landed] / np.float32(255)
        squares += float(np.square(error, dtype=np.float64).sum())
        count += error.size
    decibels = -10 * np.log10(squares / count)
    return {"agree %": 100 * float(np.mean(agrees)), "dB": float(decibels)}


def agreed(
    left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Returns the left view's disparity; NaN where the right view's differs."""
    return np.where(correspondence.agreement(left, right, 1.0), left, np.float32("nan"))


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Averages the rows of one set; their sizes differ by the shift."""
    numbers = {
        key: float(np.mean([row[key] for row in rows]))
        for key, value in rows[0].items()
        if isinstance(value, float)
    }
    return rows[0] | numbers | {"shots": len(rows)}


if __name__ == "__main__":
    main()
