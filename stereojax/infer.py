"""Makes a stereoscopic video of an ordinary one.

    python -m stereojax.infer --input film.mkv --output film_3d.mkv
    python -m stereojax.infer --input folder/ --output folder_3d/

Sound, subtitles, chapters and metadata are kept. A run that was killed goes on where it
was when the same command is given again. Every setting of a look has its default in the
config (--config) and overrides it when given as a flag.
"""

import dataclasses
import os
from pathlib import Path

from absl import flags

from stereojax import cli
from stereojax.settings import InferSettings, resolve
from stereojax.settings.fields import describe
from stereojax.settings.run_options import Options, Preview

FLAGS = flags.FLAGS

flags.DEFINE_string("input", None, "a video file, or a folder of them")
flags.DEFINE_string("output", None, "the file to write; a folder for a folder")
flags.DEFINE_string("config", "fast", "a shipped config, or a path; NAME:VARIANT")
flags.DEFINE_string("depth_path", None, "depth from this file or folder")
flags.DEFINE_enum(
    "depth_units", None, ["relative", "pixels"], "what --depth_path holds"
)
flags.DEFINE_string("preview", None, "SECONDS[@START]: a clip and a contact sheet")
flags.DEFINE_string("weights_dir", None, "root of converted weights")
flags.DEFINE_bool("depth_only", False, "write the depth file and stop")
flags.DEFINE_bool("debug_grid", False, "also write left, depth, mask, warped as a grid")
flags.DEFINE_bool("splat_grid", False, "the input is such a grid, of any tool")
flags.DEFINE_bool("overwrite", False, "replace an existing output")
flags.DEFINE_bool("keep_work", False, "leave OUTPUT.work: another look is then quick")
flags.DEFINE_bool("offline", False, "fetch no weights")
flags.DEFINE_bool("allow_truncated", False, "convert what is there of a broken file")
for _field in dataclasses.fields(InferSettings):
    flags.DEFINE_string(_field.name, None, describe(_field))


def run() -> int:
    for name in ("input", "output"):
        if not FLAGS[name].value:
            raise cli.InputError(f"--{name} is missing; --help lists all flags")
    names = [f.name for f in dataclasses.fields(InferSettings)]
    model, settings = resolve(
        FLAGS.config,
        {n: FLAGS[n].value for n in names},
        depth_given=bool(FLAGS.depth_path),
    )
    options = Options(
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
    # Only now: a wrong flag should not wait for what converts films.
    from stereojax.inference.api import convert_path
    from stereojax.storage.compilation_cache import keep_compiled

    keep_compiled()

    # A trailing slash asks for a folder, and pathlib would drop it.
    into_folder = FLAGS.output.endswith(os.sep)
    return convert_path(
        Path(FLAGS.input), Path(FLAGS.output), model, settings, options, into_folder
    )


if __name__ == "__main__":
    cli.main(run)
