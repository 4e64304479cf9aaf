"""2D video to stereoscopic 3D, in JAX."""
