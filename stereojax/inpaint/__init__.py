"""Filling what the left camera never saw, and composing the right view."""
