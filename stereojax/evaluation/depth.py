"""`--task=depth`: scores the depth of a film against the true depth.

--pred and --truth are depth files in any format that --depth_path takes, such as the
file that --depth_only writes. The values of --truth are inverse depth or, if --infinity
is given for each shot, disparity in pixels.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from stereojax.cli import InputError
from stereojax.depth.files.depth_file import DepthFile
from stereojax.depth.files.from_file import ForeignDepth, open_source
from stereojax.metrics.depth import DepthScores, depth_scores
from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize

Depth = DepthFile | ForeignDepth


def evaluate(
    pred: Path, truth: Path, *, infinity: Sequence[float] = ()
) -> dict[str, Any]:
    """Scores each shot; returns the scores and their mean, weighted by frames.

    The shots are those in the sidecar of `pred`; without a sidecar there is one.

    Args:
      infinity: disparity in pixels of infinitely far points, one number per shot; only
        if the truth is disparity.

    Raises:
      InputError: a file cannot be read, or the two files do not match.
    """
    estimate, true = open_source(pred), open_source(truth)
    if len(estimate) != len(true):
        raise InputError(
            f"--pred={pred}: has {len(estimate)} frames, and --truth={truth} "
            f"{len(true)}; expected the same number"
        )
    shots = [(s["start"], s["stop"]) for s in getattr(estimate, "shots", ())]
    shots = shots or [(0, len(true))]
    if true.units == "pixels" and len(infinity) != len(shots):
        raise InputError(
            f"--truth={truth} is disparity: expected --infinity=PIXELS, the disparity "
            f"of infinitely far points, one number for each of {len(shots)} shots; "
            f"{len(infinity)} came"
        )
    if true.units != "pixels":
        infinity = [0.0] * len(shots)
    clips = []
    for (start, stop), zero in zip(shots, infinity, strict=True):

        def pairs(start=start, stop=stop, zero=zero) -> Iterator[Any]:
            return _pairs(estimate, true, start, stop, zero)

        try:
            clips.append(depth_scores(pairs))
        except ValueError as error:
            raise InputError(f"--truth={truth}: frames {start}:{stop}: {error}") from (
                error
            )
    return {"shots": [dataclasses.asdict(clip) for clip in clips], **_mean(clips)}


def _pairs(
    estimate: Depth, true: Depth, start: int, stop: int, zero: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (estimate, truth) of each frame, at the size of the truth."""
    frames = estimate.read(start, stop), true.read(start, stop)
    for guess, truth in zip(*frames, strict=True):
        if guess.shape != truth.shape:
            rows, columns = (
                bilinear(size, true_size, align_corners=False)
                for size, true_size in zip(guess.shape, truth.shape, strict=True)
            )
            guess = np.asarray(resize(jnp.asarray(guess)[..., None], rows, columns))
            guess = guess[..., 0]
        yield guess, truth - np.float32(zero)


def _mean(clips: list[DepthScores]) -> dict[str, Any]:
    frames = [clip.frames for clip in clips]
    names = ("abs_rel", "delta1", "flicker", "breathing")
    return {"frames": sum(frames)} | {
        name: float(np.average([getattr(clip, name) for clip in clips], weights=frames))
        for name in names
    }


def table(scores: dict[str, Any]) -> str:
    """Returns the scores as a text table, one line per shot."""
    head = "  frames   AbsRel   delta1  flicker %  breathing %"
    rows = [*scores["shots"], scores] if len(scores["shots"]) > 1 else [scores]
    lines = [
        f"{r['frames']:>8} {r['abs_rel']:>8.4f} {r['delta1']:>8.4f} "
        f"{r['flicker']:>10.3f} {r['breathing']:>12.3f}"
        for r in rows
    ]
    return "\n".join([head, *lines])
