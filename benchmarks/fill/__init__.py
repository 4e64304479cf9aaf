"""Compares methods that fill the hole in the right view."""
