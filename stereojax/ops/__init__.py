"""Array operations that JAX lacks or does differently, one file each."""
