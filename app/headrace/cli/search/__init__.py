"""Full-text search over what agents said, called and were told."""
