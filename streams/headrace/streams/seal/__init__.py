"""The sealer: evidence of ``agent.audit`` becomes segments under signed checkpoints."""
