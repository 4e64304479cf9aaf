"""Configurations, one file per model; each docstring is the config's lab notebook."""
