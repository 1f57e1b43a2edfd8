"""How a worker reads Kafka: sizes and times, with the reason for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """One set for all processors of a worker."""

    max_fetch_bytes: int = 2 * 1024 * 1024
    """Largest batch of one partition (a single larger record still comes, alone)."""

    max_buffered_bytes: int = 64 * 1024 * 1024
    """Handed out and not yet acknowledged, each record for its value and 100 bytes. Beyond it
    nothing is fetched until the sink catches up. What aiokafka has prefetched (one fetch a
    partition) comes on top."""

    fetch_max_wait_ms: int = 100
    """How long the broker may hold a fetch that finds nothing: part of the worst latency."""

    session_timeout_ms: int = 30_000
    """A killed worker's partitions move on after this. The embedded broker makes every join take
    half of it and a second, so a local stack sets it low; a real Kafka must not."""

    max_poll_interval_ms: int = 300_000
    """A consumer that does not ask for records for this long leaves its group. Full buffers do not
    count: the transport asks all the same."""

    request_timeout_ms: int = 40_000
    """Longer than the session timeout, as a join may take that long to be answered."""

    metadata_max_age_ms: int = 30_000
    """How soon a partition's new leader is noticed without an error."""

    commit_interval: float = 1.0
    """Seconds between commits: what a crash reads again, at most, beside the batch in work."""

    @property
    def heartbeat_interval_ms(self) -> int:
        """A third of the session timeout, as Kafka advises, so that one lost heartbeat is none."""
        return min(3_000, self.session_timeout_ms // 3)
