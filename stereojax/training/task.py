"""The training tasks by name, and the interface that each of them implements."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from stereojax.cli import InputError
from stereojax.settings.train import TrainSettings
from stereojax.training.input.pipeline import MakeSample
from stereojax.training.sharding import Rules
from stereojax.training.step import Encode, Loss
from stereojax.training.validation import Validate
from stereojax.weights.structure import ModelStructure

TASKS = {"inpaint": "stereojax.training.inpaint_task:INPAINT"}


@dataclasses.dataclass(frozen=True)
class InitialModel:
    """The structure and the arrays of all networks of a run, before training."""

    structure: ModelStructure
    arrays: dict[str, np.ndarray]  # on the host, by dotted name
    sizes: dict[str, Any]  # the trained network's, as in a part's config.json
    identity: dict[str, str]  # network name -> fingerprint of its weights
    licence: str  # of the trained network's initial weights


@dataclasses.dataclass(frozen=True)
class Task:
    """The parts of training that depend on the task."""

    # (settings, *, root, init_from) to the model that training starts from.
    load_initial_model: Callable[..., InitialModel]
    trainable: Rules[bool]  # on parameter names: True for those to train
    precise: tuple[str, ...]  # prefixes of frozen names that keep their dtype
    network: str  # class name of the network to export
    prefix: str  # first part of that network's parameter names, such as "unet"
    # (clip, rng, settings) to one sample: arrays by name, "t h w c" and "t h w".
    make_sample: MakeSample
    # Encodes a batch with frozen networks; the result can be cached on disk.
    encode: Callable[[TrainSettings], Encode]
    # The loss of a batch, or of an encoded batch.
    loss: Callable[[TrainSettings], Loss]
    # Per-sample metrics since the last row, each "n", to the row's metrics.
    summarize: Callable[[dict[str, np.ndarray]], dict[str, float | None]]
    validate: Callable[[TrainSettings], Validate]
    score: (
        str  # the validation metric that selects the best checkpoint; higher is better
    )
    optional_metrics: tuple[
        str, ...
    ] = ()  # of validation; "absent" without their weights


def find_task(name: str) -> Task:
    """Returns the task of this name.

    Raises:
      InputError: no task has this name.
    """
    if name not in TASKS:
        raise InputError(
            f"config.train.task={name}: expected one of {', '.join(TASKS)}"
        )
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
