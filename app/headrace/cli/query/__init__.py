"""The library of named queries: plain SQL, a file a question."""
