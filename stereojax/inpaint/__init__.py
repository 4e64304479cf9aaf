"""Fills the holes of splatted views, and composes the right view."""
