"""Converts a video to a stereoscopic one.

    python -m stereojax.infer --input film.mkv --output film_3d.mkv
    python -m stereojax.infer --input folder/ --output folder_3d/

Sound, subtitles, chapters and metadata are kept. The same command resumes a run that
was killed. Every setting of the look has its default in the config (--config); a flag
of the same name overrides it.
"""

import dataclasses
import os
from pathlib import Path

from absl import flags

from stereojax import cli
from stereojax.settings import InferSettings, resolve
from stereojax.settings.fields import describe
from stereojax.settings.run_options import Preview, RunOptions

FLAGS = flags.FLAGS

flags.DEFINE_string("input", None, "video file, or folder of video files, to convert")
flags.DEFINE_string(
    "output", None, "video file to write; a folder if --input is a folder"
)
flags.DEFINE_string(
    "config", "fast", "name of a shipped config, or path of a .py file; NAME:VARIANT"
)
flags.DEFINE_string(
    "depth_path", None, "file or folder to read depth from, instead of estimating it"
)
flags.DEFINE_enum(
    "depth_units",
    None,
    ["relative", "pixels"],
    "units of --depth_path: relative inverse depth, or disparity in pixels; by default"
    " as the file says",
)
flags.DEFINE_string(
    "preview",
    None,
    "length and start in seconds, SECONDS[@START]: convert a clip of that length and"
    " draw a contact sheet; START is a third of the film by default",
)
flags.DEFINE_string(
    "weights_dir",
    None,
    "root folder of converted weights; by default $STEREOJAX_WEIGHTS, else"
    " ~/.cache/stereojax/weights",
)
flags.DEFINE_bool("depth_only", False, "write the depth file to --output and stop")
flags.DEFINE_bool(
    "debug_grid", False, "also write a film of left, depth, mask and warped, 2x2"
)
flags.DEFINE_bool(
    "splat_grid", False, "the input is a film of such 2x2 grids, written by any tool"
)
flags.DEFINE_bool("overwrite", False, "replace an existing output")
flags.DEFINE_bool(
    "keep_work", False, "keep OUTPUT.work, so that another look is rendered faster"
)
flags.DEFINE_bool("offline", False, "download no weights")
flags.DEFINE_bool(
    "allow_truncated", False, "convert the readable part of a damaged file"
)
for _field in dataclasses.fields(InferSettings):
    flags.DEFINE_string(_field.name, None, describe(_field))


def run() -> int:
    for name in ("input", "output"):
        if not FLAGS[name].value:
            raise cli.InputError(f"--{name} is missing; --help lists all flags")
    names = [f.name for f in dataclasses.fields(InferSettings)]
    given = {n: FLAGS[n].value for n in names if FLAGS[n].value is not None}
    model, settings = resolve(
        FLAGS.config,
        given,
        depth_given=bool(FLAGS.depth_path),
    )
    options = RunOptions(
        given=tuple(given),
        depth_path=Path(FLAGS.depth_path) if FLAGS.depth_path else None,
        depth_units=FLAGS.depth_units,
        depth_only=FLAGS.depth_only,
        preview=Preview.parse(FLAGS.preview) if FLAGS.preview else None,
        splat_grid=FLAGS.splat_grid,
        debug_grid=FLAGS.debug_grid,
        overwrite=FLAGS.overwrite,
        keep_work=FLAGS.keep_work,
        offline=FLAGS.offline,
        allow_truncated=FLAGS.allow_truncated,
        weights_dir=Path(FLAGS.weights_dir) if FLAGS.weights_dir else None,
    )
    # Imported after the flags are checked: these imports take seconds.
    from stereojax.inference.api import convert_path
    from stereojax.storage.compilation_cache import enable_compilation_cache

    enable_compilation_cache()

    # A trailing slash names a folder; pathlib drops it.
    into_folder = FLAGS.output.endswith(os.sep)
    return convert_path(
        Path(FLAGS.input), Path(FLAGS.output), model, settings, options, into_folder
    )


if __name__ == "__main__":
    cli.main(run)
