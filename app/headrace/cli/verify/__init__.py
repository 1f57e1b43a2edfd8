"""The accounting: what was accepted, and where each event of it is."""
