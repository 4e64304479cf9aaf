"""Colour conversion between decoded frames and RGB."""
