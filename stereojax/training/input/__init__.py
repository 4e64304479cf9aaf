"""The input pipeline: clips of stereo frames, samples, and batches on the devices."""
