"""The audit trail: the proofs over it."""
