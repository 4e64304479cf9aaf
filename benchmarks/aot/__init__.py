"""Ahead-of-time compilation for accelerators that need not be there."""
