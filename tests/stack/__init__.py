"""Fixtures that start real parts: the embedded Kafka, a real one, ClickHouse."""
