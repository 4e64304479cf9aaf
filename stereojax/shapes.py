"""Array types with shapes, as jaxtyping writes them: `Float[Array, "t h w 3"]`.

Free at run time; the tests enforce them. Where jaxtyping is not installed (a machine
with only jax, flax and numpy) the shapes fall away and the array types remain.
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
