"""Relative inverse depth of video: estimators, file formats and post-processing."""
