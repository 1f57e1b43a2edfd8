"""Two sessions side by side: what changed between a good and a bad run."""
