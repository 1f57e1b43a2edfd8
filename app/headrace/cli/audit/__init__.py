"""The audit trail, as its commands show and serve it."""
