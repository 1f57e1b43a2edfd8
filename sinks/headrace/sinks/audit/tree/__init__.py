"""What makes an audit trail provable: Merkle trees, signed notes, checkpoints."""
