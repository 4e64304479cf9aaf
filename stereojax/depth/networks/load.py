"""Loads a depth network from a converted part."""

from pathlib import Path
from typing import Any, TypeVar

from flax import nnx
from flax.typing import Dtype

from stereojax.weights.abstract import abstract

Network = TypeVar("Network", bound=nnx.Module)


def load_depth_network(
    folder: Path, network: type[Network], config: type, dtype: Dtype | None
) -> tuple[Network, dict[str, Any]]:
    """Returns the network with its weights, and the part's config.json.

    Args:
      folder: of the part.
      network: class of the network.
      config: class of its sizes, with `from_dict`.
      dtype: to compute in; None is float32 on a CPU and bfloat16 elsewhere.

    Raises:
      InputError: the part is absent, damaged or of another class.
    """
    from stereojax.weights import compute_dtype, load_network

    def build(sizes: dict[str, Any]) -> Network:
        sizes, kind = config.from_dict(sizes), compute_dtype(dtype)
        return abstract(lambda rngs: network(sizes, dtype=kind, rngs=rngs))

    return load_network(folder, network, build)
