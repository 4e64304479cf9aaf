"""What `python -m stereojax.evaluate` can measure: one file a task."""
