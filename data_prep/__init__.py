"""Training records from stereo and plain video."""
