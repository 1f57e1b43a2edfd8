"""What the commands of the audit trail do."""
