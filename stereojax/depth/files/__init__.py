"""Depth file formats: gray16 video, npz, PNG and EXR folders."""
