"""Writes videos: codec settings, segments, stream copies, containers."""
