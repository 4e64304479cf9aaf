"""How near each stereo matcher comes to the truth, and how long it takes.

    python -m benchmarks.matching --video ../shared/data/office_stereo_sbs.mp4

Synthetic films have an exact disparity; they are shifted so that its least is 0, as the
films of a dataset are. EPE is the mean error in pixels, TEPE that of its change from
frame to frame, both where the right eye sees what the left one sees; `bad 1` and
`bad 3` are the shares of these pixels that are off by more, or have no match. A filmed
pair has no truth: there, `agree` is the share on which both directions are within a
pixel, and `dB` how well the left view, splatted from there alone, fits the right one.

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
from stereojax.matching import MATCHERS, Matcher, choose, match_both
from stereojax.shapes import Bool, Float, UInt8
from stereojax.splat import forward_splat, sharpness_for
from stereojax.synthetic import make_film


@dataclasses.dataclass(frozen=True)
class Shot:
    """Frames of one shot; without a truth, where that is None."""

    name: str
    left: UInt8[np.ndarray, "t h w 3"]
    right: UInt8[np.ndarray, "t h w 3"]
    truth: Float[np.ndarray, "t h w"] | None = None
    visible: Bool[np.ndarray, "t h w"] | None = None  # to the right eye too


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matcher", choices=MATCHERS, action="append", default=[])
    parser.add_argument("--video", type=Path, action="append", default=[])
    parser.add_argument("--sets", default="room,street,park", help="synthetic ones")
    parser.add_argument("--seeds", default="0,1", help="a shot of each set for each")
    parser.add_argument("--frames", type=int, default=3, help="of each shot")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--output", default="matching")
    flags = parser.parse_args(argv)
    rows = []
    for name in flags.matcher or MATCHERS:
        matcher = choose(name)
        for chosen in (s for s in flags.sets.split(",") if s):
            seeds = [int(s) for s in flags.seeds.split(",")]
            shots = [synthetic(chosen, s, flags.frames, flags.width) for s in seeds]
            rows.append(mean([score(matcher, shot) for shot in shots]))
        for path in flags.video:
            rows.append(score(matcher, filmed(path, flags.frames)))
    print(measure.table(rows))
    print("written:", measure.save(flags.output, rows))


def synthetic(sets: str, seed: int, frames: int, width: int) -> Shot:
    """A shot with disparities of up to 4 % of the width either way, then shifted."""
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
    return Shot(
        sets,
        np.ascontiguousarray(left[:, :, inside]),
        np.ascontiguousarray(right[:, :, shift:]),
        truth[:, :, inside] + np.float32(shift),
        visible[:, :, inside],
    )


def filmed(path: Path, frames: int) -> Shot:
    """The first frames of a full side-by-side film."""
    with av.open(str(path)) as container:
        pictures = []
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == frames:
                break
    left, right = np.split(np.stack(pictures), 2, axis=2)
    return Shot(path.stem, np.ascontiguousarray(left), np.ascontiguousarray(right))


def score(matcher: Matcher, shot: Shot) -> dict[str, Any]:
    pairs = list(zip(shot.left, shot.right, strict=True))
    list(matcher.match(iter(pairs[:1])))  # compile, and load what is to be loaded
    begun = time.perf_counter(), time.process_time()
    found = np.stack(list(matcher.match(iter(pairs))))
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    height, width = found.shape[1:]
    row = {"matcher": matcher.name, "shot": shot.name, "size": f"{width}x{height}"}
    if shot.truth is not None:
        row |= errors(found, shot.truth, shot.visible)
    row |= agreement(matcher, pairs)
    return row | {"s/frame": wall / len(pairs), "cpu s/frame": cpu / len(pairs)}


def errors(
    found: Float[np.ndarray, "t h w"],
    truth: Float[np.ndarray, "t h w"],
    visible: Bool[np.ndarray, "t h w"],
) -> dict[str, float]:
    error = np.abs(found - truth)
    known = np.isfinite(error) & visible
    change = np.abs(np.diff(found, axis=0) - np.diff(truth, axis=0))
    lasting = known[1:] & known[:-1]
    bad = np.where(np.isfinite(error), error, np.inf)[visible]
    return {
        "EPE": float(error[known].mean()),
        "TEPE": float(change[lasting].mean()) if lasting.any() else float("nan"),
        "bad 1 %": 100 * float((bad > 1).mean()),
        "bad 3 %": 100 * float((bad > 3).mean()),
    }


def agreement(matcher: Matcher, pairs: list[tuple]) -> dict[str, float]:
    """What can be said without a truth."""
    agrees, squares, count = [], 0.0, 0
    for (left, right), both in zip(pairs, match_both(matcher, pairs), strict=True):
        kept = agreed(*both)
        agrees.append(np.isfinite(kept).mean())
        splat = forward_splat(left, kept, sharpness=sharpness_for(left.shape[1]))
        landed = np.asarray(splat.occlusion) < 0.5
        error = np.asarray(splat.warped)[landed] - right[landed] / np.float32(255)
        squares += float(np.square(error, dtype=np.float64).sum())
        count += error.size
    decibels = -10 * np.log10(squares / count)
    return {"agree %": 100 * float(np.mean(agrees)), "dB": float(decibels)}


def agreed(
    ours: Float[np.ndarray, "h w"], theirs: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """The left view's disparity; NaN where the right view's is another."""
    width = ours.shape[1]
    x = np.arange(width) - np.nan_to_num(ours, nan=width)
    x = np.rint(x).astype(int)
    answer = np.take_along_axis(theirs, np.clip(x, 0, width - 1), axis=1)
    agrees = (x >= 0) & (x < width) & (np.abs(answer - ours) <= 1)
    return np.where(agrees, ours, np.float32("nan"))


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the shots of one set; sizes differ by the shift."""
    numbers = {
        key: float(np.mean([row[key] for row in rows]))
        for key, value in rows[0].items()
        if isinstance(value, float)
    }
    return rows[0] | numbers | {"shots": len(rows)}


if __name__ == "__main__":
    main()
