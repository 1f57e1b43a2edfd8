"""Where events can be that are not in the archive: spools, Kafka, the dead-letter queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from headrace.cli.verify import ranges
from headrace.cli.verify.accounting import EpochId
from headrace.cli.verify.ranges import Ranges
from headrace.events import types
from headrace.events.envelope import decode, split_prefix
from headrace.events.errors import EnvelopeError
from headrace.producers.lane import Lane

MAX_READ: Final = 2_000_000
"""Events looked at in Kafka and in spools. What lies beyond is counted and not told apart."""


@dataclass(slots=True)
class Sightings:
    """Which events were seen in a place, by epoch."""

    numbers: dict[EpochId, list[int]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[EpochId, int] = field(default_factory=dict)
    """Numbers of end markers."""
    heard: dict[EpochId, float] = field(default_factory=dict)
    """The latest ``ts`` of each epoch."""
    nameless: int = 0
    """Records that are no events: nobody's identity, so nobody's loss."""
    unread: int = 0
    """Records or lines beyond :data:`MAX_READ`."""
    _prefixes: dict[bytes, EpochId | None] = field(default_factory=dict)

    def add(self, line: bytes) -> None:
        """Take note of one event's bytes."""
        epoch, seq = self._identify(line)
        if epoch is None:
            self.nameless += 1
            return
        if epoch not in self.numbers or types.EPOCH_END.encode() in line:
            self._look_closely(line, epoch, seq)
        self.numbers[epoch].append(seq)

    def ranges(self, epoch: EpochId) -> Ranges:
        return ranges.of(self.numbers.get(epoch, ()))

    def _identify(self, line: bytes) -> tuple[EpochId | None, int]:
        try:
            prefix, seq = split_prefix(line)
            if prefix not in self._prefixes:
                self._prefixes[prefix] = _epoch_of(prefix)
        except EnvelopeError:
            return _decoded(line)
        epoch = self._prefixes[prefix]
        return (epoch, seq) if epoch is not None and seq > 0 else _decoded(line)

    def _look_closely(self, line: bytes, epoch: EpochId, seq: int) -> None:
        try:
            event = decode(line)
        except EnvelopeError:
            return
        self.heard[epoch] = max(self.heard.get(epoch, 0.0), event.ts)
        if event.type == types.EPOCH_END:
            self.ends[epoch] = max(self.ends.get(epoch, 0), seq)


def _epoch_of(prefix: bytes) -> EpochId | None:
    """Read tenant, session and epoch of a prefix, which many lines share."""
    try:
        fields = orjson.loads(prefix + b"}")
        epoch = EpochId(fields["tenant"], fields["session"], fields["epoch"])
    except (ValueError, KeyError, TypeError):
        return None
    return epoch if all(isinstance(part, str) and part for part in epoch) else None


def _decoded(line: bytes) -> tuple[EpochId | None, int]:
    try:
        event = decode(line)
    except EnvelopeError:
        return None, 0
    return EpochId(event.tenant, event.session, event.epoch), event.seq


def look_in_spool(spool_dir: Path) -> Sightings:
    """Read the lines of a spool directory that Kafka has not acknowledged. Changes nothing."""
    return see(line for lane in Lane.all(spool_dir) for line in undelivered(lane))


def see(lines: Iterable[bytes]) -> Sightings:
    """Take note of lines, of the first :data:`MAX_READ` by identity."""
    seen = Sightings()
    for count, line in enumerate(lines):
        if count < MAX_READ:
            seen.add(line)
        else:
            seen.unread += 1
    return seen


async def see_records(values: AsyncIterator[bytes | None]) -> Sightings:
    """Take note of Kafka records' values, of the first :data:`MAX_READ` by identity."""
    seen = Sightings()
    count = 0
    async for value in values:
        count += 1
        if count <= MAX_READ:
            seen.add(value or b"")
        else:
            seen.unread += 1
    return seen


def undelivered(lane: Lane) -> Iterator[bytes]:
    """Yield a lane's whole lines behind its checkpoint. A shipper may remove segments meanwhile."""
    checkpoint = lane.checkpoint()
    for number in lane.segments():
        if number < checkpoint.segment:
            continue
        try:
            with lane.segment_path(number).open("rb") as segment:
                if number == checkpoint.segment:
                    segment.seek(checkpoint.offset)
                for line in segment:
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except OSError:
            continue
