"""What can be learnt: one file a task, found by its name.

A task is a module with

- `TRAINABLE`: rules on the names of parameters, True for what trains;
- `init(settings, *, root, init_from)`: the `networks.Start`;
- `batch(clip, rng, settings)`: one sample of a batch, as numpy arrays by name;
- `encode(settings)`: a `step.Encode`, of what does not train;
- `loss(settings)`: a `step.Loss`, of a batch or of what `encode` makes of it;
- `validate(settings)`: a `validation.Validate`, and `SCORE`, which of its numbers
  tells the best checkpoint;
- `OPTIONAL`: those of its numbers that are absent where their weights are;
- `NETWORK` and `PREFIX`: which network trains, and what its names begin with;
- `PRECISE`: beginnings of frozen names that keep their types.
"""

import importlib
from types import ModuleType

from stereojax.cli import InputError

TASKS = {"inpaint": "stereojax.training.inpaint_task"}


def find_task(name: str) -> ModuleType:
    """Returns the task of that name.

    Raises:
      InputError: no task has that name.
    """
    if name not in TASKS:
        raise InputError(
            f"config.train.task={name}: expected one of {', '.join(TASKS)}"
        )
    return importlib.import_module(TASKS[name])
