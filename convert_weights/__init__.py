"""Weights of other frameworks to ours, strictly, and back."""
