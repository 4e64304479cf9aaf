"""Array operations that JAX lacks or computes differently, one per file."""
