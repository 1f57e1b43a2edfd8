"""What a policy selects: shown, checked, and tried on the archive."""
