"""Measures of a picture, a film or a depth map against its truth, within a mask."""
