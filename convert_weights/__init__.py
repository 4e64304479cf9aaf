"""PyTorch weights to ours: one strict engine, one short table of renames a model."""

from convert_weights.conversion import convert

__all__ = ["convert"]
