"""Array types with shapes in jaxtyping's notation: `Float[Array, "t h w 3"]`.

They cost nothing at run time; the tests enforce them. Without jaxtyping (a machine with
only jax, flax and numpy) an annotation is the array type alone.
"""

import jax

Array = jax.Array

try:
    from jaxtyping import Bool, Float, Int, Key, Shaped, UInt8
except ImportError:

    class _Unchecked:
        def __getitem__(self, item: tuple) -> type:
            return item[0]

    Bool = Float = Int = Key = Shaped = UInt8 = _Unchecked()

__all__ = ["Array", "Bool", "Float", "Int", "Key", "Shaped", "UInt8"]
