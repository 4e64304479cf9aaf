"""Color conversion between decoded frames and RGB."""
