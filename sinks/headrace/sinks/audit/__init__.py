"""The audit trail's keys, its vault and the proofs over it; ``docs/audit.md`` is for operators."""
