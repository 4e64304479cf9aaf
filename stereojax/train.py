"""Trains the network that fills holes, on stereo sequences or on synthetic scenes.

    python -m stereojax.train --config stereocrafter --workdir DIR --data DATASET
    python -m stereojax.train --config stereocrafter:runlocal --workdir DIR

DIR, DATASET and the other folders may lie in a bucket: gs://BUCKET/FOLDER.
The same command goes on from the newest checkpoint, on any number of devices. Every
setting has its default in the config and a flag: --config.train.steps=1000.
"""

import dataclasses

from absl import flags

from stereojax import cli
from stereojax.settings.fields import describe, fill
from stereojax.settings.load import load_config
from stereojax.settings.train import TrainSettings
from stereojax.storage import locations
from stereojax.training.multihost.preemption import Preemption

FLAGS = flags.FLAGS
PREFIX = "config.train."

flags.DEFINE_string("config", "stereocrafter", "a shipped config, or a path")
flags.DEFINE_string("workdir", None, "where checkpoints, rows and pictures go")
flags.DEFINE_string("data", None, "a dataset of data_prep; without: synthetic scenes")
flags.DEFINE_string("weights_dir", None, "root of converted weights")
flags.DEFINE_string(
    "init_from", None, "begin with this part, or with what the run in this folder ended"
)
flags.DEFINE_string(
    "latents",
    None,
    "where config.train.cached_draws are kept, which runs can share; by default in the "
    "workdir",
)
flags.DEFINE_integer(
    "export_step",
    None,
    "train nothing: write the network of this checkpoint, such as the best one, to "
    "step_0000000 in the workdir",
    lower_bound=1,
)
flags.DEFINE_integer(
    "preempted_exit_code",
    0,
    "how a run ends that SIGTERM stopped; launchers start it again by it",
    lower_bound=0,
    upper_bound=255,
)
flags.DEFINE_string("coordinator_address", None, "HOST:PORT of process 0")
flags.DEFINE_integer("num_processes", None, "how many there are")
flags.DEFINE_integer("process_id", None, "which one this is")
for _field in dataclasses.fields(TrainSettings):
    flags.DEFINE_string(f"{PREFIX}{_field.name}", None, describe(_field))


def read_settings() -> TrainSettings:
    """The config's, then the flags that were given."""
    section = load_config(FLAGS.config).get("train")
    if section is None:
        raise cli.InputError(f"--config={FLAGS.config}: it has no section train")
    names = [field.name for field in dataclasses.fields(TrainSettings)]
    given = {name: FLAGS[PREFIX + name].value for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    return fill(TrainSettings, {**section, **given}, PREFIX)


def run() -> int:
    preemption = Preemption()
    if not FLAGS.workdir:
        raise cli.InputError("--workdir is missing; --help lists all flags")
    settings = read_settings()
    workdir, weights_dir, init_from, latents = (
        locations.find(name, FLAGS[name].value) if FLAGS[name].value else None
        for name in ("workdir", "weights_dir", "init_from", "latents")
    )

    if (FLAGS.data or "").startswith(locations.BUCKET):
        locations.find("data", FLAGS.data)

    from stereojax.training.multihost import processes
    from stereojax.training.multihost.fail_together import together

    processes.start(FLAGS.coordinator_address, FLAGS.num_processes, FLAGS.process_id)
    preemption.listen()

    from stereojax.storage.compilation_cache import keep_compiled

    keep_compiled()  # a run that goes on has not to wait for what it had compiled
    # Only now: a wrong flag should not wait for jax, nor jax for the other hosts.
    from stereojax.training.run import train

    with together():
        whole = train(
            settings,
            workdir,
            preemption,
            data=FLAGS.data,
            weights_dir=weights_dir,
            init_from=init_from,
            latents=latents,
            export_step=FLAGS.export_step,
        )
    return 0 if whole else FLAGS.preempted_exit_code


if __name__ == "__main__":
    cli.main(run)
