"""Taking events out of the archive, as files."""
