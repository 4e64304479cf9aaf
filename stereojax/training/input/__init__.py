"""From sequences of stereo frames to batches on the devices."""
