"""Stereo layouts: packing of the two eyes, file tags, file names."""
