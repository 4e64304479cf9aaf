"""Renders a synthetic stereo video with exact disparity.

Writes STEM_sbs.mkv (full side by side, lossless), STEM.mp4 (the left view as an
ordinary 2D video) and STEM_disparity.npz (pixels, positive = in front of the screen).
"""

from absl import flags

from stereojax import cli
from stereojax.synthetic import make_film, write_film
from stereojax.synthetic.film import SceneConfig

_DEFAULTS = SceneConfig()


def define_flags() -> None:
    d = _DEFAULTS
    flags.DEFINE_string("output", None, "path stem of the output files", required=True)
    flags.DEFINE_integer("seed", 0, "random seed of the scenes", lower_bound=0)
    flags.DEFINE_integer("frames", d.frames, "length of the video in frames")
    flags.DEFINE_integer("width", d.width, "width of each view in pixels")
    flags.DEFINE_integer("height", d.height, "height of each view in pixels")
    flags.DEFINE_integer(
        "shots", d.shots, "number of shots, with hard cuts between them"
    )
    flags.DEFINE_float("frame_rate", d.frame_rate, "frame rate in frames per second")
    flags.DEFINE_float(
        "max_disparity_percent",
        d.max_disparity_percent,
        "largest absolute disparity, in % of the width",
    )
    flags.DEFINE_list(
        "sets", list(d.sets), "sets from which the shots are chosen: street, park, room"
    )


def run() -> None:
    f = flags.FLAGS
    try:
        film = make_film(
            f.seed,
            frames=f.frames,
            height=f.height,
            width=f.width,
            shots=f.shots,
            frame_rate=f.frame_rate,
            max_disparity_percent=f.max_disparity_percent,
            sets=tuple(f.sets),
        )
    except ValueError as error:
        raise cli.InputError(f"--{error}") from error
    progress = cli.Progress("rendering", len(film))
    paths = write_film(film, f.output, on_frame=progress.add)
    progress.close()
    for path in (paths.sbs, paths.left, paths.disparity):
        print(path)


if __name__ == "__main__":
    define_flags()
    cli.main(run)
