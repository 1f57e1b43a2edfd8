"""What ``headrace backfill`` does: archives of events, from files into Kafka."""
