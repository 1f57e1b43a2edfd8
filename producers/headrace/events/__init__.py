"""The contract: envelope, identity, topics, settings. Imports nothing else of headrace."""
