"""What ``headrace tail-file`` does: records of log files, as they are written, into Kafka."""
