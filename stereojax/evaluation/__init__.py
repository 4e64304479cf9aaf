"""The tasks of `python -m stereojax.evaluate`: one module each."""
