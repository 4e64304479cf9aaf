"""Training: the update over a mesh, the input pipeline, checkpoints, and the tasks."""
