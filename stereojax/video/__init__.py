"""Reading, writing, shots, stereo layouts; import the part that you need."""
