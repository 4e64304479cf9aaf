"""A mask as 32-bit words: which pixels are set, the n-th of them, and how many before.

These are dense passes over the mask only; the rest costs as much as is asked for.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Int, Shaped

_WORD = 32


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PackedMask:
    """A mask over positions 0, 1, .., packed into words; the lowest bit comes first."""

    words: Shaped[Array, "n"]
    until: Int[Array, "n"]  # number of set positions up to the end of each word

    @property
    def count(self) -> Int[Array, ""]:
        """Number of set positions."""
        return self.until[-1]

    def is_set(self, position: Int[Array, "*s"]) -> Bool[Array, "*s"]:
        """Returns whether each position is set; expects positions inside the mask."""
        word, bit = _split(position)
        return (read(self.words, word) >> bit) & 1 == 1

    def rank(self, position: Int[Array, "*s"]) -> Int[Array, "*s"]:
        """Returns the number of set positions before each; inside the mask, too."""
        word, bit = _split(position)
        from_here = read(self.words, word) >> bit
        return read(self.until, word) - _population(from_here)

    def positions(self, capacity: int) -> Int[Array, "{capacity}"]:
        """Returns the first `capacity` set positions, in order.

        Where fewer are set, the last one is repeated; 0 where none is.
        """
        rank = jnp.arange(capacity, dtype=jnp.int32)
        rank = jnp.clip(rank, 0, jnp.maximum(self.count - 1, 0))
        word = jnp.searchsorted(self.until, rank, side="right").astype(jnp.int32)
        word = jnp.minimum(word, len(self.words) - 1)
        bits = read(self.words, word)
        rank -= read(self.until, word) - _population(bits)
        position = word * _WORD
        # Halves the part of the word that holds the bit, five times.
        for half in (16, 8, 4, 2, 1):
            low = _population(bits & jnp.uint32((1 << half) - 1))
            above = rank >= low
            rank = jnp.where(above, rank - low, rank)
            position = jnp.where(above, position + half, position)
            bits = jnp.where(above, bits >> half, bits)
        return jnp.where(self.count > 0, position, 0)


def pack(mask: Bool[Array, "m"]) -> PackedMask:
    """Packs a mask of any length above 0."""
    mask = jnp.pad(mask, (0, -len(mask) % _WORD))
    bits = mask.reshape(-1, _WORD).astype(jnp.uint32)
    words = jnp.zeros(len(bits), jnp.uint32)
    for i in range(_WORD):
        words |= bits[:, i] << i
    return PackedMask(words, jnp.cumsum(_population(words)))


def read(
    values: Shaped[Array, "*c n"], index: Int[Array, "*s"]
) -> Shaped[Array, "..."]:
    """Returns `values[..., index]` without a check of the bounds, which costs more."""
    return values.at[..., index].get(mode="promise_in_bounds")


def _split(position: Int[Array, "*s"]) -> tuple[Array, Array]:
    """Returns each position's word, and its bit in the word."""
    # Shifts: a division of signed numbers costs more.
    bit = (position & (_WORD - 1)).astype(jnp.uint32)
    return position >> _WORD.bit_length() - 1, bit


def _population(words: Shaped[Array, "*s"]) -> Int[Array, "*s"]:
    return lax.population_count(words).astype(jnp.int32)
