"""Video input and output; import from the subpackages."""
