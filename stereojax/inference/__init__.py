"""A film from file to file: the work folder, the stages on disk, resume, the report."""
