"""Makes training records from stereo films and from ordinary films."""
