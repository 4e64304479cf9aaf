"""Configurations, one file per model; a config's docstring is its lab notebook."""
