"""What the audit commands do."""
