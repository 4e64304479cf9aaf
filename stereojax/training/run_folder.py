"""What a run leaves in its folder to know itself by."""

import dataclasses
import json
from typing import Any

from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.storage import locations

FILE = "run.json"
# Settings that may change when a run goes on: they decide no update that was made.
FREE = (
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


def claim(
    workdir: locations.Place,
    settings: TrainSettings,
    data: dict[str, str],
    identity: dict[str, str],
    *,
    writes: bool = True,
) -> None:
    """Writes down what the run is; or finds that the folder is another run's.

    Args:
      data: what tells it from other data.
      identity: what tells each network's weights from others.
      writes: or finds that nobody has.

    Raises:
      InputError: it is another run's: names what differs.
      RunError: nothing can be written there.
    """
    fixed = {
        name: value
        for name, value in dataclasses.asdict(settings).items()
        if name not in FREE
    }
    ours = {"data": data, "networks": identity, "train": fixed}
    path = workdir / FILE
    with locations.told(f"--workdir={workdir}"):
        there = locations.read_text(path)
    if there is not None:
        try:
            theirs = json.loads(there)
        except ValueError as error:
            raise InputError(f"{path}: not what a run writes: {error}") from error
        _compare(theirs, ours, workdir)
    if not writes:
        if there is None:
            raise RunError(
                f"--workdir={workdir}: there is no {FILE} of a run; expected a folder "
                "that all processes see"
            )
        return
    ours["all"] = dataclasses.asdict(settings)
    with locations.told(f"--workdir={workdir}"):
        locations.write(path, (json.dumps(ours, indent=1) + "\n").encode())


def _compare(
    theirs: dict[str, Any], ours: dict[str, Any], workdir: locations.Place
) -> None:
    here, there = _flat(ours), _flat({k: theirs.get(k) for k in ours})
    for name, value in here.items():
        if there.get(name) != value:
            raise InputError(
                f"--workdir={workdir}: holds a run with {name}={there.get(name)}, not "
                f"{value}; give the same settings to go on with it, or another folder"
            )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
