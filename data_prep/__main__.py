"""Makes a training dataset from stereo films, or from ordinary films.

    python -m data_prep --config data_stereo --input FILMS/ --output DATASET/
    python -m data_prep --config data_mono --input 'FILMS/*.mp4' --output DATASET/

DATASET/ becomes a TFDS dataset: TFRecord shards with dataset_info.json. The same
command resumes a stopped run; finished films are kept in DATASET/work. Every setting of
the config is a flag too: --config.min_psnr=27.
"""

import dataclasses
import shlex

from absl import flags

from stereojax import cli
from stereojax.settings.data import SOURCE_LAYOUTS, DataSettings
from stereojax.settings.fields import describe
from stereojax.settings.load import resolve_data

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "input", None, "film, folder of films, or glob pattern of films; required"
)
flags.DEFINE_string("output", None, "output folder of the dataset; required")
flags.DEFINE_string(
    "config",
    "data_stereo",
    "name of a shipped config, or path of a .py file; :VARIANT may follow",
)
flags.DEFINE_enum(
    "layout",
    None,
    SOURCE_LAYOUTS,
    "packing of the two views in a stereo film; the same as --config.layout",
)
flags.DEFINE_string(
    "beam_options",
    "",
    "Apache Beam's options, e.g. '--runner=FlinkRunner --flink_master=host:8081';"
    " by default, those of a run on this machine",
)
flags.DEFINE_integer(
    "workers", 1, "number of worker processes on this machine", lower_bound=1
)
flags.DEFINE_boolean(
    "overwrite",
    False,
    "whether to replace an existing dataset even if this run lacks some of its films",
)
for _field in dataclasses.fields(DataSettings):
    flags.DEFINE_string(f"config.{_field.name}", None, describe(_field))


def run() -> None:
    for name in ("input", "output"):
        if not FLAGS[name].value:
            raise cli.InputError(f"--{name} is missing; --help lists all flags")
    names = [f.name for f in dataclasses.fields(DataSettings)]
    overrides = {n: FLAGS[f"config.{n}"].value for n in names}
    if FLAGS.layout is not None:
        if overrides["layout"] not in (None, FLAGS.layout):
            raise cli.InputError("--layout and --config.layout differ: drop one")
        overrides["layout"] = FLAGS.layout
    settings = resolve_data(FLAGS.config, overrides)
    # Imported after the flags are checked: a wrong flag must not wait for Beam.
    from data_prep.beam import Runner
    from data_prep.prepare import prepare

    runner = Runner(FLAGS.beam_options, FLAGS.workers)
    report = prepare(
        FLAGS.input, FLAGS.output, settings, runner, overwrite=FLAGS.overwrite
    )
    for name, count in report["counters"].items():
        print(f"{name}: {count}")
    for name, split in report["splits"].items():
        print(f"{name}: " + ", ".join(f"{n} {k}" for k, n in split.items()))
    output = shlex.quote(FLAGS.output)
    print(f"to view the samples: python -m data_prep.report {output}")


if __name__ == "__main__":
    cli.main(run)
