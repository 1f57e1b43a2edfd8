"""What makes the audit trail provable: Merkle trees, signed notes, checkpoints, their verifier.

``verifier.py`` goes into every export and shares no code with what writes the trail, so that a
mistake in one of them is found by the other.
"""
