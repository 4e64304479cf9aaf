"""Reads videos: container, streams, frame index, shots, frames."""
