"""Traces: spans of turns, model calls and tools, made of the stream of events."""
