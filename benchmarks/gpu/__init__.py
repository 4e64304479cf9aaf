"""Measures splats, attention, convolutions and networks on a GPU."""
