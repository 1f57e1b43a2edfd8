"""What ``headrace scrub`` does."""
