"""Converts a video to a stereoscopic one.

    python -m stereojax.infer --input film.mkv --output film_3d.mkv
    python -m stereojax.infer --input folder/ --output folder_3d/

Sound, subtitles, chapters and metadata are kept. The same command resumes a run that
was killed. The config (--config) has a value for each setting; a flag of the same name
overrides it.
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
    "config",
    "fast",
    "name of a shipped config, or path of a .py file; :VARIANT may follow",
)
flags.DEFINE_string(
    "depth_path",
    None,
    "file or folder of the depth to use, instead of estimating depth",
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
    "clip to convert instead of the whole film, as SECONDS[@START], both in seconds;"
    " START is a third of the film by default; a contact sheet is written too",
)
flags.DEFINE_string(
    "weights_dir",
    None,
    "root folder of converted weights; by default $STEREOJAX_WEIGHTS, else"
    " ~/.cache/stereojax/weights",
)
flags.DEFINE_bool(
    "depth_only", False, "whether to write only the depth file, at --output"
)
flags.DEFINE_bool(
    "debug_grid",
    False,
    "whether to write also a 2x2 grid video of left, depth, mask and warped",
)
flags.DEFINE_bool(
    "splat_grid",
    False,
    "whether --input is a 2x2 grid video of left, depth, mask and warped",
)
flags.DEFINE_bool("overwrite", False, "whether to replace an existing output")
flags.DEFINE_bool(
    "keep_work",
    False,
    "whether to keep OUTPUT.work, so that other settings are rendered faster",
)
flags.DEFINE_bool("offline", False, "whether to work without downloading weights")
flags.DEFINE_bool(
    "allow_truncated", False, "whether to convert the readable part of a damaged file"
)
for _field in dataclasses.fields(InferSettings):
    flags.DEFINE_string(_field.name, None, describe(_field))


def run() -> int:
    for name in ("input", "output"):
        if not FLAGS[name].value:
            raise cli.InputError(f"--{name} is missing; --help lists all flags")
    names = [f.name for f in dataclasses.fields(InferSettings)]
    overrides = {n: FLAGS[n].value for n in names if FLAGS[n].value is not None}
    model, settings = resolve(
        FLAGS.config,
        overrides,
        depth_given=bool(FLAGS.depth_path),
    )
    options = RunOptions(
        given=tuple(overrides),
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
