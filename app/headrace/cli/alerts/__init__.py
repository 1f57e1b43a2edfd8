"""Alerts for people: what fires, what did, what would have, and who was told."""
