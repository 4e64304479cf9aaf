"""Training: one step over a mesh, the input, checkpoints, and the tasks."""
