"""Stereo layouts: packing of two views into one picture, and file tags."""
