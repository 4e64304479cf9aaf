"""How near the background fill comes to the truth, beside the usual simple fills.

    python -m benchmarks.fill --video ../shared/data/office_stereo_sbs.mp4

A real stereo pair is splatted from its left eye to its right one by the disparity that
semi-global matching finds; a synthetic one by its exact disparity. What the left eye
did not see is filled, and compared with the true right view there: PSNR in dB, the mean
over the pairs of each film, at full and at third size. Prints a table and writes
benchmarks/results/fill.json; --pictures DIR writes the fills to look at.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from benchmarks.fill_pairs import (
    MATCHINGS,
    Case,
    Pair,
    shrink,
    splatted,
    synthetic_pairs,
    video_pairs,
)
from stereojax.inpaint.background import fill_background
from stereojax.shapes import Float
from stereojax.stage_types import is_hole

OURS = "background"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, action="append", default=[])
    parser.add_argument("--frames", default="0,9", help="of each video")
    parser.add_argument("--matching", choices=MATCHINGS, default="usual")
    parser.add_argument("--seeds", default="0,1,2,3,4,5", help="of synthetic films")
    parser.add_argument("--width", type=int, default=960, help="of synthetic films")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--output", default="fill")
    flags = parser.parse_args(argv)
    frames, seeds = (
        [int(n) for n in text.split(",") if n] for text in (flags.frames, flags.seeds)
    )
    scores = []
    for path in flags.video:
        pairs = video_pairs(path, frames, MATCHINGS[flags.matching])
        scores += score(pairs, pictures=flags.pictures)
    scores += score(synthetic_pairs(seeds, flags.width), pictures=flags.pictures)
    rows = means(scores)
    print(measure.table(rows))
    for row in rows:
        if row["method"] == OURS:
            print(verdict(rows, row))
    print("written:", measure.save(flags.output, {"means": rows, "pairs": scores}))


def score(
    pairs: Iterable[Pair],
    factors: Sequence[int] = (1, 3),
    pictures: Path | None = None,
) -> list[dict[str, Any]]:
    """A row for each pair, size and method."""
    rows = []
    for pair in pairs:
        for factor in factors:
            case = splatted(shrink(pair, factor) if factor > 1 else pair)
            if not case.counted.any():
                continue
            head = {"source": pair.source, "frame": pair.frame, "size": f"1/{factor}"}
            hole = 100 * float(case.counted.mean())
            for method, fill in METHODS.items():
                filled = fill(case)
                rows.append(
                    head
                    | {"method": method, "dB": hole_psnr(filled, case), "hole %": hole}
                )
                if pictures:
                    name = f"{pair.source} {pair.frame} {factor} {method}.png"
                    save_picture(pictures / name.replace(" ", "_"), filled)
            if pictures:
                name = f"{pair.source} {pair.frame} {factor}".replace(" ", "_")
                save_picture(pictures / f"{name}_warped.png", case.warped)
                save_picture(pictures / f"{name}_truth.png", case.truth)
    return rows


def means(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean of the pairs of each film, size and method."""
    groups: dict[tuple, list[dict]] = {}
    for row in scores:
        key = (row["source"], row["size"], row["method"])
        groups.setdefault(key, []).append(row)
    return [
        {
            "source": source,
            "size": size,
            "method": method,
            "pairs": len(rows),
            "hole %": float(np.mean([row["hole %"] for row in rows])),
            "dB": float(np.mean([row["dB"] for row in rows])),
        }
        for (source, size, method), rows in groups.items()
    ]


def verdict(rows: list[dict[str, Any]], ours: dict[str, Any]) -> str:
    """Ours against the best of the others, in words."""
    others = [
        row
        for row in rows
        if all(row[key] == ours[key] for key in ("source", "size"))
        and row["method"] != OURS
    ]
    best = max(others, key=lambda row: row["dB"])
    return (
        f"{ours['source']} {ours['size']}: {ours['dB'] - best['dB']:+.2f} dB against"
        f" {best['method']}, the best of the others"
    )


def hole_psnr(filled: Float[np.ndarray, "h w 3"], case: Case) -> float:
    error = np.clip(filled, 0, 1)[case.counted] - case.truth[case.counted]
    return float(-10 * np.log10(np.mean(error.astype(np.float64) ** 2)))


def save_picture(path: Path, picture: Float[np.ndarray, "h w 3"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8)
    cv2.imwrite(str(path), pixels[..., ::-1])


def ours(case: Case) -> Float[np.ndarray, "h w 3"]:
    frames = (jnp.asarray(x)[None] for x in (case.warped, case.occlusion))
    return np.asarray(fill_background(*frames)[0])


def opencv(method: int) -> Callable[[Case], Float[np.ndarray, "h w 3"]]:
    def fill(case: Case) -> Float[np.ndarray, "h w 3"]:
        pixels = (255 * case.warped + 0.5).astype(np.uint8)
        hole = is_hole(case.occlusion).astype(np.uint8)
        return cv2.inpaint(pixels, hole, 5, method).astype(np.float32) / 255

    return fill


def row_extension(case: Case) -> Float[np.ndarray, "h w 3"]:
    """The known pixel to the right in the same row; to the left where there is none."""
    width = case.occlusion.shape[1]
    known = ~is_hole(case.occlusion)
    x = np.arange(width)[None]
    right = np.where(known, x, width)[:, ::-1]
    right = np.minimum.accumulate(right, axis=1)[:, ::-1]
    left = np.maximum.accumulate(np.where(known, x, 0), axis=1)
    source = np.where(right < width, right, left)
    return np.take_along_axis(case.warped, source[..., None], axis=1)


METHODS = {
    OURS: ours,
    "Telea": opencv(cv2.INPAINT_TELEA),
    "Navier-Stokes": opencv(cv2.INPAINT_NS),
    "row extension": row_extension,
}


if __name__ == "__main__":
    main()
