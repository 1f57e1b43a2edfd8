"""Checks a vault, a bundle or a proof against its signed checkpoints."""
