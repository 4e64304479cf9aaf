"""Converts a rendered film, or --video, in the folder demo/.

The rendered film comes with exact disparity and a true right view, so splat and fill
are measured: PSNR in the holes, which the left camera does not see, and outside them.
"""

import math
from pathlib import Path

import numpy as np
from absl import flags

from stereojax import cli
from stereojax.stage_types import is_hole

FLAGS = flags.FLAGS

flags.DEFINE_string("video", None, "video file to convert instead of a rendered film")
flags.DEFINE_string("output", "demo", "folder to write to")
flags.DEFINE_integer("seed", 0, "random seed of the rendered film", lower_bound=0)
flags.DEFINE_integer("frames", 48, "length of the rendered film, frames", lower_bound=2)


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
    options = {"depth_path": paths.disparity, "overwrite": True}
    convert(paths.left, output, **options)
    preview = folder / "film_3d_preview.mp4"
    convert(paths.left, preview, preview=Preview(1.0, 0.0), **options)
    hole, rest = _psnr(film, output)
    print(f"right view, PSNR: {hole:.1f} dB in the holes, {rest:.1f} dB outside them")
    print(f"contact sheet: {preview.with_suffix('.contact_sheet.png')}")
    return output


def _psnr(film, output: Path) -> tuple[float, float]:
    """Returns the PSNR in dB of the right view inside and outside of the true holes."""
    from stereojax.video.reading.index import index_video
    from stereojax.video.reading.reader import read_frames

    index = index_video(output)
    errors, counts = np.zeros(2), np.zeros(2)
    frames = read_frames(index, 0, len(index))
    for truth, frame in zip(film.render(), frames, strict=True):
        right = frame.image[:, frame.image.shape[1] // 2 :] / 255
        error = np.mean((right - truth.right) ** 2, axis=-1)
        hole = is_hole(truth.occlusion)
        for i, pixels in enumerate((hole, ~hole)):
            errors[i] += error[pixels].sum()
            counts[i] += pixels.sum()
    hole, rest = (
        -10 * math.log10(e / max(n, 1)) for e, n in zip(errors, counts, strict=True)
    )
    return hole, rest


if __name__ == "__main__":
    cli.main(run)
