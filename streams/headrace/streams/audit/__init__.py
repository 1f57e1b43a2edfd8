"""The audit trail: what the policy selects, split off the stream of events."""
