"""Depth networks, in the layout of their published weights."""
