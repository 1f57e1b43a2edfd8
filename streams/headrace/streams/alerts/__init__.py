"""Alerts without Kafka: rules, windows over panes, conditions, and the life of an alert."""
