"""What DepthCrafter needs to go on in the middle of a shot, as arrays and back."""

import jax.numpy as jnp
import numpy as np

from stereojax.depth.estimator import State
from stereojax.depth.overlapping_windows import Shared
from stereojax.shapes import Array


def state_of(
    shared: Shared[tuple[Array, Array]], waiting: list[Array], done: int, read: int
) -> State:
    """What the next window needs; `read` frames will not be read again."""
    shape = shared.latents.shape[1:]
    channels, context = (
        (np.stack(x) for x in zip(*shared.given, strict=True))
        if shared.given
        else (np.zeros((0, *shape), np.float32), np.zeros((0, 1), "f"))
    )
    return {
        "channels": channels,
        "context": context,
        "latents": np.asarray(shared.latents),
        "noise": np.asarray(shared.noise),
        "waiting": np.asarray(waiting, np.float32).reshape(-1, *shape),
        "done": np.array(done),
        "read": np.array(read),
    }


def loaded(state: State) -> tuple[Shared[tuple[Array, Array]], list[Array]]:
    given = [
        (jnp.asarray(channels), jnp.asarray(context))
        for channels, context in zip(state["channels"], state["context"], strict=True)
    ]
    latents, noise = jnp.asarray(state["latents"]), jnp.asarray(state["noise"])
    return Shared(given, latents, noise), [jnp.asarray(x) for x in state["waiting"]]
