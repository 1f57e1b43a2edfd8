"""Bundles: a selection of the evidence with all that it takes to check it, for a regulator."""

from headrace.sinks.audit.bundle.chosen import BundleError, Chosen, Counts
from headrace.sinks.audit.bundle.writing import write_bundle

__all__ = ["BundleError", "Chosen", "Counts", "write_bundle"]
