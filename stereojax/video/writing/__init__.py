"""Writes videos: encodings, segments, copied streams, containers."""
