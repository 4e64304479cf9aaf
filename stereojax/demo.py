"""Converts a film in the folder demo/: one that it renders itself, or --video.

The rendered film comes with exact disparity and a true right view, so what the splat
and the fill can do is measured: PSNR where the left camera saw nothing.
"""

import math
from pathlib import Path

import numpy as np
from absl import flags

from stereojax import cli
from stereojax.stage_types import is_hole

FLAGS = flags.FLAGS

flags.DEFINE_string("video", None, "convert this film instead of a rendered one")
flags.DEFINE_string("output", "demo", "the folder to write to")
flags.DEFINE_integer("seed", 0, "of the rendered film", lower_bound=0)
flags.DEFINE_integer("frames", 48, "of the rendered film", lower_bound=2)


def run() -> None:
    folder = Path(FLAGS.output)
    folder.mkdir(parents=True, exist_ok=True)
    if FLAGS.video:
        film = _convert(Path(FLAGS.video), folder)
    else:
        film = _render_and_convert(folder)
    print(f"watch {film} (left and right eye side by side)")


def _convert(video: Path, folder: Path) -> Path:
    from stereojax import convert
    from stereojax.video.writing.output_name import output_name

    film = folder / output_name(video, "full_sbs")
    report = convert(video, film)
    depth, shots = report["depth"]["model"], len(report["shots"])
    print(f"{report['frames_total']} frames, {shots} shots, depth: {depth}")
    return film


def _render_and_convert(folder: Path) -> Path:
    from stereojax import convert
    from stereojax.settings.run_options import Preview
    from stereojax.synthetic import make_film, write_film

    film = make_film(FLAGS.seed, frames=FLAGS.frames)
    progress = cli.Progress("synthetic film", len(film))
    paths = write_film(film, folder / "film", on_frame=progress.add)
    progress.close()
    output = folder / "film_3d.mp4"
    made = {"depth_path": paths.disparity, "overwrite": True}
    convert(paths.left, output, **made)
    sheet = folder / "film_3d_preview.mp4"
    convert(paths.left, sheet, preview=Preview(1.0, 0.0), **made)
    hole, rest = _psnr(film, output)
    print(f"right eye against the true one: {hole:.1f} dB in the hole, {rest:.1f} dB")
    print(f"outside it; look at {sheet.with_suffix('.contact_sheet.png')}")
    return output


def _psnr(film, output: Path) -> tuple[float, float]:
    """dB of the right view in the true hole, and outside it, over the whole film."""
    from stereojax.video.reading.index import index_video
    from stereojax.video.reading.reader import read_frames

    index = index_video(output)
    errors, counts = np.zeros(2), np.zeros(2)
    frames = read_frames(index, 0, len(index))
    for truth, frame in zip(film.render(), frames, strict=True):
        right = frame.image[:, frame.image.shape[1] // 2 :] / 255
        error = np.mean((right - truth.right) ** 2, axis=-1)
        hole = is_hole(truth.occlusion)
        for i, where in enumerate((hole, ~hole)):
            errors[i] += error[where].sum()
            counts[i] += where.sum()
    hole, rest = (
        -10 * math.log10(e / max(n, 1)) for e, n in zip(errors, counts, strict=True)
    )
    return hole, rest


if __name__ == "__main__":
    cli.main(run)
