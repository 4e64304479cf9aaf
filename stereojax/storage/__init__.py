"""Files and folders: written atomically, hashed, kept in a folder or in a bucket."""
