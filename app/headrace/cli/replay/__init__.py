"""A session as a person reads it: events in, timeline out."""
