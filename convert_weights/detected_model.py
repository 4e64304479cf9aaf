"""What a family of models tells the engine about a checkpoint that it recognises."""

import dataclasses
from collections.abc import Callable
from typing import Any

from flax import nnx

from convert_weights.table import Table


@dataclasses.dataclass(frozen=True)
class Part:
    """One network to be, and how its checkpoint becomes it."""

    name: str  # depth_anything_v2_small
    sizes: dict[str, Any]  # of its config, as JSON holds them
    table: Table
    build: Callable[[nnx.Rngs], nnx.Module]  # only its shapes are used
    also: tuple[str, ...] = ()  # other parts that look the same; `--model` tells
