"""Compares the fills by visible defects (ghosts, flicker, edges), PSNR and SSIM.

    python -m benchmarks.fill --video ../shared/data/office_stereo_sbs.mp4
    python -m benchmarks.fill --quick --data ../shared/data --pictures crops

Films are splatted from the left to the right eye, each method of
`benchmarks.fill.methods.FILLS` fills the hole, and the result is compared with the true
right view. Sources: synthetic films with exact and with
monocular-like depth, under four cameras; wires and silhouettes before a wall; 2D films
projected twice; stereo films whose disparity is matched. Each row names its set: fills
are tuned on TUNED_ON only. Prints a table and writes benchmarks/results/fill.json (with
--quick: fill_quick.json).
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.fill.cases import REPORTED_ON, TUNED_ON, Case, FillSet
from benchmarks.fill.double import clip_case
from benchmarks.fill.films import CAMERAS, film_cases
from benchmarks.fill.methods import FILLS, OURS
from benchmarks.fill.pairs import MATCHINGS, video_cases
from benchmarks.fill.pictures import save_crops
from benchmarks.fill.scores import MEASURES, score
from benchmarks.fill.wires import wires_case
from stereojax.metrics.deep_features import Weights, load_squeezenet

SETS = {"tuned": TUNED_ON, "reported": REPORTED_ON}
SOURCES = ("films", "wires", "clips", "videos")
SQUEEZENET = "metrics/squeezenet_v1.1_notop.h5"  # below the data folder
WALL_SPEED = 1.5  # pixels per frame, of the moving wall


def main(argv: Sequence[str] | None = None) -> None:
    flags = parse(argv)
    weights = None
    if flags.squeezenet:
        weights = load_squeezenet(flags.squeezenet)
    fills = {name: FILLS[name] for name in flags.fills}
    scores = score_cases(cases(flags), fills, weights, flags.pictures)
    rows = means(scores)
    print("\n".join(f"{name}: {meaning}" for name, meaning in MEASURES.items()))
    print(measure.table(rows))
    for row in rows:
        if row["method"] == OURS and len(fills) > 1:
            print(verdict(rows, row))
    print("written:", measure.save(flags.output, {"means": rows, "shots": scores}))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    def listed(choices):
        return lambda text: [checked(name, choices) for name in text.split(",")]

    def checked(name, choices):
        if name not in choices:
            raise argparse.ArgumentTypeError(f"{name}: expected one of {list(choices)}")
        return name

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="one small film of each kind: a minute")
    add("--data", type=Path, help="folder of the sets' films and weights")
    add("--squeezenet", type=Path, help="HDF5 weights; default: those in --data")
    add("--video", type=Path, action="append", default=[], help="side-by-side film")
    add("--clip", type=Path, action="append", default=[], help="2D film to project")
    add("--sets", type=listed(SETS), default=list(SETS), help="sets to score")
    sources = list(SOURCES)
    add("--sources", type=listed(SOURCES), default=sources, help="sources to score")
    cameras = "camera moves; default: all, with --quick own and travel"
    add("--cameras", type=listed(CAMERAS), help=cameras)
    add("--fills", type=listed(FILLS), default=list(FILLS), help="methods to score")
    matching = "stereo matching of filmed pairs"
    add("--matching", choices=MATCHINGS, default="usual", help=matching)
    add("--seeds", help="seeds of synthetic films; default: those of the sets")
    width = "width in pixels, except of stereo films"
    add("--width", type=int, default=480, help=width)
    reach = "neighbour frames on each side; default 12, with --quick 4"
    add("--reach", type=int, help=reach)
    add("--pictures", type=Path, help="folder for crops of the largest holes")
    add("--output", help="name of the result file; default fill, or fill_quick")
    flags = parser.parse_args(argv)
    flags.cameras = flags.cameras or (
        ["own", "travel"] if flags.quick else list(CAMERAS)
    )
    if flags.reach is None:
        flags.reach = 4 if flags.quick else 12
    flags.scored = 2 if flags.quick else 3
    flags.output = flags.output or ("fill_quick" if flags.quick else "fill")
    if flags.data and not flags.squeezenet:
        flags.squeezenet = flags.data / SQUEEZENET
    return flags


def cases(flags: argparse.Namespace) -> Iterator[Case]:
    """Yields the shots that the flags select, set by set.

    Films of --video and --clip belong to `REPORTED_ON`.
    """
    for name in flags.sets:
        chosen = SETS[name]
        reported = chosen is REPORTED_ON
        if "films" in flags.sources:
            yield from synthetic_cases(flags, chosen)
        if "wires" in flags.sources:
            yield from wires_cases(flags, chosen)
        if "clips" in flags.sources:
            paths = _films(flags, chosen.clips, flags.clip if reported else [])
            for path in paths[:1] if flags.quick else paths:
                yield clip_case(
                    chosen.name,
                    path,
                    flags.width,
                    reach=flags.reach,
                    scored=flags.scored,
                )
        if "videos" in flags.sources:
            for path in _films(flags, chosen.videos, flags.video if reported else []):
                yield from video_cases(
                    chosen.name,
                    path,
                    frames=4 if flags.quick else 10,
                    scored=flags.scored,
                    factors=(3,) if flags.quick else (1, 3),
                    matching=MATCHINGS[flags.matching],
                )


def _films(flags, names: Sequence[str], paths: list[Path]) -> list[Path]:
    """Returns the set's films and those of a flag, each once."""
    films = [flags.data / name for name in names] if flags.data else []
    return list(dict.fromkeys(films + paths))


def _seeds(flags: argparse.Namespace, chosen: FillSet) -> list[int]:
    if flags.seeds:
        return [int(seed) for seed in flags.seeds.split(",")]
    return list(chosen.seeds)[: 1 if flags.quick else None]


def synthetic_cases(flags: argparse.Namespace, chosen: FillSet) -> Iterator[Case]:
    for camera in flags.cameras:
        for seed in _seeds(flags, chosen):
            yield from film_cases(
                chosen.name,
                seed,
                camera,
                flags.width,
                reach=flags.reach,
                scored=flags.scored,
            )


def wires_cases(flags: argparse.Namespace, chosen: FillSet) -> Iterator[Case]:
    for speed in (0.0, WALL_SPEED):
        for seed in _seeds(flags, chosen):
            yield wires_case(
                chosen.name,
                seed,
                flags.width,
                reach=flags.reach,
                scored=5 if flags.quick else 10,  # fractions of the near disparity
                wall_speed=speed,
            )


def score_cases(
    cases: Iterable[Case],
    fills: dict[str, Any] = FILLS,
    weights: Weights | None = None,
    pictures: Path | None = None,
) -> list[dict[str, Any]]:
    """Returns a row for each shot and fill; writes crops into the folder `pictures`."""
    rows = []
    for case in cases:
        hole = case.hole()
        if not hole.any():
            continue
        head = {
            "set": case.set,
            "source": case.source,
            "width": case.width,
            "shot": case.name,
            "hole %": 100 * float(hole.mean()),
        }
        views = {}
        for method, fill in fills.items():
            measures, views[method] = score(case, fill, weights)
            rows.append(head | {"method": method} | measures)
        if pictures:
            save_crops(pictures, case, views)
    return rows


def means(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the mean over the shots of each set, source, width and method."""
    groups: dict[tuple, list[dict]] = {}
    for row in scores:
        key = tuple(row[name] for name in ("set", "source", "width", "method"))
        groups.setdefault(key, []).append(row)
    table = []
    for (name, source, width, method), rows in groups.items():
        row = {"set": name, "source": source, "width": width, "method": method}
        row["shots"] = len(rows)
        for measured in ("hole %", *MEASURES):
            if measured in rows[0]:
                row[measured] = float(np.mean([shot[measured] for shot in rows]))
        table.append(row)
    return table


def verdict(rows: list[dict[str, Any]], ours: dict[str, Any]) -> str:
    """Returns a sentence that compares our fill's PSNR with the best of the others."""
    same = ("set", "source", "width")
    others = [
        row
        for row in rows
        if all(row[key] == ours[key] for key in same) and row["method"] != OURS
    ]
    best = max(others, key=lambda row: row["dB"])
    return (
        f"{ours['set']}: {ours['source']} {ours['width']}:"
        f" {ours['dB'] - best['dB']:+.2f} dB against {best['method']},"
        " the best of the others"
    )


if __name__ == "__main__":
    main()
