"""Writes and checks run.json, so that a run is not resumed with other settings."""

import dataclasses
import json
from typing import Any

from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.storage import locations
from stereojax.weights.names import flatten

FILE = "run.json"
# Settings that may change when a run is resumed: past updates do not depend on them.
MAY_CHANGE = (
    "steps",
    "workers",
    "prefetch",
    "accumulate",
    "remat",
    "fsdp",
    "log_every",
    "checkpoint_every",
    "keep",
    "keep_best",
    "validate_every",
    "validation_scenes",
    "validation_steps",
)


def register(
    workdir: locations.Location,
    settings: TrainSettings,
    data: dict[str, str],
    networks: dict[str, str],
    *,
    write: bool = True,
) -> None:
    """Checks that `workdir` is empty or holds this run; writes run.json.

    Args:
      data: the identity of the training data.
      networks: the identity of each network's initial weights.
      write: False to require an existing run.json, and leave it as it is.

    Raises:
      InputError: the folder holds another run; names the first difference.
      RunError: the folder cannot be written, or run.json is absent but required.
    """
    fixed = {
        name: value
        for name, value in dataclasses.asdict(settings).items()
        if name not in MAY_CHANGE
    }
    run: dict[str, Any] = {"data": data, "networks": networks, "train": fixed}
    path = workdir / FILE
    with locations.as_run_error(f"--workdir={workdir}"):
        text = locations.read_text(path)
    if text is not None:
        try:
            registered = json.loads(text)
        except ValueError as error:
            raise InputError(f"{path}: expected JSON of a run: {error}") from error
        _check_same(registered, run, workdir)
    if not write:
        if text is None:
            raise RunError(
                f"--workdir={workdir}: {FILE} does not exist; expected the folder of a "
                "run, on storage that all processes share"
            )
        return
    run["all"] = dataclasses.asdict(settings)
    with locations.as_run_error(f"--workdir={workdir}"):
        locations.write_file(path, (json.dumps(run, indent=1) + "\n").encode())


def _check_same(
    registered: dict[str, Any], run: dict[str, Any], workdir: locations.Location
) -> None:
    old = flatten({key: registered.get(key) for key in run})
    for name, value in flatten(run).items():
        if old.get(name) != value:
            raise InputError(
                f"--workdir={workdir}: holds a run with {name}={old.get(name)}, not "
                f"{value}; give the same settings to resume it, or another folder"
            )
