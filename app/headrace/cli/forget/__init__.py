"""Forgetting a person: found, ordered, removed, searched for, certified."""
