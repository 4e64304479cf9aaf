"""Converts films: work folder, stages on disk, resume, report."""
