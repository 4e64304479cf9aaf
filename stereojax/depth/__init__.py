"""Relative inverse depth of video: networks, files, and what is done to it after."""
