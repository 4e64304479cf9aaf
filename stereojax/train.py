"""Trains the inpainting network on stereo sequences or on synthetic scenes.

    python -m stereojax.train --config stereocrafter --workdir DIR --data DATASET
    python -m stereojax.train --config stereocrafter:runlocal --workdir DIR

DIR, DATASET and the other folders may be in a bucket: gs://BUCKET/FOLDER.
The same command resumes from the newest checkpoint, on any number of devices. Every
setting of the config's section `train` is also a flag: --config.train.steps=1000.
"""

import dataclasses

from absl import flags

from stereojax import cli
from stereojax.settings.fields import describe, make_settings
from stereojax.settings.load import load_config
from stereojax.settings.train import TrainSettings
from stereojax.storage import locations
from stereojax.training.multihost.preemption import Preemption

FLAGS = flags.FLAGS
PREFIX = "config.train."

flags.DEFINE_string(
    "config",
    "stereocrafter",
    "name of a shipped config, or path of a .py file; :VARIANT may follow",
)
flags.DEFINE_string(
    "workdir", None, "folder of the run: checkpoints, metrics and exports"
)
flags.DEFINE_string(
    "data", None, "dataset folder written by data_prep; by default, synthetic scenes"
)
flags.DEFINE_string(
    "weights_dir",
    None,
    "root folder of converted weights; by default $STEREOJAX_WEIGHTS, else "
    "~/.cache/stereojax/weights",
)
flags.DEFINE_string(
    "init_from",
    None,
    "initial U-Net: folder of a converted network, or --workdir of a finished run",
)
flags.DEFINE_string(
    "latents",
    None,
    "cache folder of config.train.cached_draws, which several runs can share; by "
    "default WORKDIR/latents",
)
flags.DEFINE_integer(
    "export_step",
    None,
    "step of a checkpoint to export to WORKDIR/step_0000000, instead of training",
    lower_bound=1,
)
flags.DEFINE_integer(
    "preempted_exit_code",
    0,
    "exit code after SIGTERM or Ctrl-C, by which a launcher recognises preemption",
    lower_bound=0,
    upper_bound=255,
)
flags.DEFINE_string(
    "coordinator_address",
    None,
    "address of process 0, HOST:PORT; detected on Slurm, Open MPI and TPU pods",
)
flags.DEFINE_integer(
    "num_processes",
    None,
    "number of processes; detected on Slurm, Open MPI and TPU pods",
)
flags.DEFINE_integer(
    "process_id",
    None,
    "index of this process, from 0; detected on Slurm, Open MPI and TPU pods",
)
for _field in dataclasses.fields(TrainSettings):
    flags.DEFINE_string(f"{PREFIX}{_field.name}", None, describe(_field))


def read_settings() -> TrainSettings:
    """Returns the config's settings, overridden by flags."""
    section = load_config(FLAGS.config).get("train")
    if section is None:
        raise cli.InputError(
            f"--config={FLAGS.config}: the config has no section train"
        )
    names = [field.name for field in dataclasses.fields(TrainSettings)]
    values = {name: FLAGS[PREFIX + name].value for name in names}
    overrides = {name: value for name, value in values.items() if value is not None}
    return make_settings(TrainSettings, {**section, **overrides}, PREFIX)


def run() -> int:
    preemption = Preemption()
    if not FLAGS.workdir:
        raise cli.InputError("--workdir is missing; --help lists all flags")
    settings = read_settings()
    workdir, weights_dir, init_from, latents = (
        locations.from_flag(name, FLAGS[name].value) if FLAGS[name].value else None
        for name in ("workdir", "weights_dir", "init_from", "latents")
    )

    if (FLAGS.data or "").startswith(locations.BUCKET):
        locations.from_flag("data", FLAGS.data)

    # Imported after the flags are checked: a wrong flag should not wait for JAX.
    from stereojax.training.multihost.fail_together import fail_together
    from stereojax.training.multihost.processes import join_processes

    join_processes(FLAGS.coordinator_address, FLAGS.num_processes, FLAGS.process_id)
    preemption.install_handlers()  # again: jax.distributed has replaced them

    from stereojax.storage.compilation_cache import enable_compilation_cache

    enable_compilation_cache()  # a resumed run does not compile again
    from stereojax.training.run import train

    with fail_together():
        complete = train(
            settings,
            workdir,
            preemption,
            data=FLAGS.data,
            weights_dir=weights_dir,
            init_from=init_from,
            latents=latents,
            export_step=FLAGS.export_step,
        )
    return 0 if complete else FLAGS.preempted_exit_code


if __name__ == "__main__":
    cli.main(run)
