"""How long rows are kept: what is in force, and what it holds."""
