"""Reads videos: probing, frame index, shot detection, decoding."""
