"""Log records for people: what is chosen, read, followed and shown."""
