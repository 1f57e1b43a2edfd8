"""The state of one source partition: a function of the log's prefix and of nothing else.

Read the same prefix again, in whatever batches, and the state is the same: nothing here looks at a
clock, at the size of a batch, or at when a state was saved. So what is told after a crash is what
was told before it, and an upsert hides that it was told twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.heads import Head, data_of, heads_of
from headrace.streams.metrics.observe import CHUNK_OBSERVER, OBSERVERS, Call, label
from headrace.streams.metrics.pane import Cell, Pane, PaneKey
from headrace.streams.metrics.prices import Prices
from headrace.streams.metrics.totals import Labels, Totals
from headrace.streams.seen import Names, Seen, mark_of

_GAUGES: Final = {name for name, metric in METRICS.items() if metric.kind == "gauge"}

ON_TIME: Final = 10.0
"""Seconds after a pane's end within which its events are expected; later ones are counted late."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is held. Each is a part of what the state is: change one, and panes may differ."""

    epochs: int = 100_000
    """Epochs whose numbers are remembered; the one idle for longest is forgotten first."""
    cells: int = 20_000
    """Series of open panes; the pane idle for longest is closed first."""
    series: int = 200
    """Series of one metric in one pane of one tenant."""
    totals: int = 10_000
    """Series of the running totals."""


class _Epoch:
    __slots__ = ("active", "call", "mark", "names", "seen")

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.names: Names | None = None
        """None from when a state was loaded until an event comes."""
        self.seen = Seen()
        self.call = Call()
        self.active = -1
        """The latest pane that it was counted active in."""


@dataclass(frozen=True, slots=True)
class Told:
    """A series of a pane as it is now: a value to be set, never an increment."""

    key: PaneKey
    metric: str
    labels: Labels
    count: int
    sum: float
    buckets: tuple[int, ...]
    offset: int


class Partition:
    """Counts the events of one partition. Not shared between tasks."""

    def __init__(self, prices: Prices, bounds: Bounds | None = None) -> None:
        self._prices = prices
        self._bounds = bounds or Bounds()
        self.offset = 0
        """The next one to be read."""
        self.duplicates = 0
        self.skipped = 0
        """Records that are no events, or whose names are too long."""
        self.forgotten = 0
        """Epochs that were forgotten to make room."""
        self._epochs: OrderedDict[str, _Epoch] = OrderedDict()
        """By mark, the one idle for longest first."""
        self._by_names: dict[Names, _Epoch] = {}
        self._panes: OrderedDict[tuple[str, int], Pane] = OrderedDict()
        self._cells = 0
        self._closed: list[Pane] = []
        """Closed since the last telling, with something to tell."""
        self._untold: dict[tuple[PaneKey, str, Labels], Told] = {}
        self.totals = Totals(self._bounds.totals)
        self._epoch: _Epoch | None = None
        self._pane: Pane | None = None

    # ── reading ──────────────────────────────────────────────────────────────

    def take(self, records: Sequence[Any]) -> int:
        """Count records, in the order of their offsets; how many were events not seen before.

        Those before :attr:`offset` are in the state already.
        """
        if records and records[0].offset < self.offset:
            records = [record for record in records if record.offset >= self.offset]
        new = 0
        for record, head in zip(records, heads_of([r.value for r in records]), strict=True):
            self.offset = record.offset + 1
            if head is None:
                self.skipped += 1
                continue
            epoch = self._epoch
            if epoch is None or epoch.names != (head.tenant, head.session, head.epoch):
                epoch = self._enter(head)
            if not epoch.seen.add(head.seq):
                self.duplicates += 1
                continue
            new += 1
            self._count(record, head, epoch)
        return new

    def _enter(self, head: Head) -> _Epoch:
        names = (head.tenant, head.session, head.epoch)
        epoch = self._by_names.get(names) or self._meet(names)
        self._epochs.move_to_end(epoch.mark)
        self._epoch = epoch
        return epoch

    def _meet(self, names: Names) -> _Epoch:
        """Return an epoch that is new, or was loaded and not heard of since."""
        mark = mark_of(names)
        epoch = self._epochs.get(mark)
        if epoch is None:
            epoch = self._epochs[mark] = _Epoch(mark)
            if len(self._epochs) > self._bounds.epochs:
                _, gone = self._epochs.popitem(last=False)
                if gone.names is not None:
                    del self._by_names[gone.names]
                self.forgotten += 1
        epoch.names = names
        self._by_names[names] = epoch
        return epoch

    def _count(self, record: Any, head: Head, epoch: _Epoch) -> None:
        offset = record.offset
        start = int(head.ts) // PANE_SECONDS * PANE_SECONDS
        pane = self._pane
        if pane is None or pane.key.start != start or pane.key.tenant != head.tenant:
            pane = self._open(head.tenant, start, offset)
        made = pane.add("agent.events", (label(head.type),), 1.0, offset)
        if epoch.active < start:
            epoch.active = start
            made += pane.add("agent.session.active", (), 1.0, offset)
        observe = OBSERVERS.get(head.type)
        if observe is not None:
            data = data_of(record.value)
            for metric, labels, value in observe(data, head.duration_ms, epoch.call, self._prices):
                made += pane.add(metric, labels, value, offset)
        elif head.duration_ms is not None and head.type in ("llm_text", "thinking"):
            for metric, labels, value in CHUNK_OBSERVER(
                {}, head.duration_ms, epoch.call, self._prices
            ):
                made += pane.add(metric, labels, value, offset)
        self._cells += made
        arrived = record.timestamp / 1000
        if arrived > start + PANE_SECONDS + ON_TIME:
            self._late(head.tenant, arrived, arrived - start - PANE_SECONDS, offset)
        if self._cells > self._bounds.cells:
            self._make_room()

    def _late(self, tenant: str, arrived: float, by: float, offset: int) -> None:
        """Count a late event in the pane in which it came."""
        pane = self._open(tenant, int(arrived) // PANE_SECONDS * PANE_SECONDS, offset)
        self._cells += pane.add("agent.events.late", (), by, offset)

    def _open(self, tenant: str, start: int, offset: int) -> Pane:
        pane = self._panes.get((tenant, start))
        if pane is None:
            pane = Pane(PaneKey(tenant, start, offset), self._bounds.series, self.totals)
            self._panes[tenant, start] = pane
        else:
            self._panes.move_to_end((tenant, start))
        self._pane = pane
        return pane

    def _make_room(self) -> None:
        while self._cells > self._bounds.cells and len(self._panes) > 1:
            _, pane = self._panes.popitem(last=False)
            self._cells -= len(pane.cells)
            if pane.dirty:
                self._closed.append(pane)

    # ── telling ──────────────────────────────────────────────────────────────

    def tell(self) -> list[Told]:
        """Give each series that changed since the last time, and take it into the totals."""
        closed, self._closed = self._closed, []
        untold, self._untold = self._untold, {}
        for pane in (*closed, *(pane for pane in self._panes.values() if pane.dirty)):
            untold.update({(one.key, one.metric, one.labels): one for one in self._tell(pane)})
        return list(untold.values())

    def _tell(self, pane: Pane) -> Iterator[Told]:
        for metric, labels, cell in pane.take_dirty():
            yield _told(pane.key, metric, labels, cell)

    def tell_again(self, told: Iterable[Told]) -> None:
        """Give these once more the next time: their telling failed."""
        self._untold.update({(one.key, one.metric, one.labels): one for one in told})

    @property
    def closed_cells(self) -> int:
        """Series of closed panes that wait to be told."""
        return len(self._untold) + sum(len(pane.cells) for pane in self._closed)

    def begin_again(self) -> None:
        """Go on with another log, which brings again what this one had: what was seen stays seen.

        The panes are closed; everything must have been told.
        """
        self.offset = 0
        self._panes.clear()
        self._cells = 0
        self._pane = None

    def tell_all(self) -> list[Told]:
        """Give every series of the open panes, as after a recovery."""
        return [
            _told(pane.key, metric, labels, cell)
            for pane in self._panes.values()
            for (metric, labels), cell in pane.cells.items()
        ]

    def gauges(self, start: int) -> list[tuple[str, str, Labels, float]]:
        """Give tenant, metric, labels and value of each gauge of the panes that start then (s)."""
        return [
            (pane.key.tenant, metric, labels, cell.sum)
            for pane in self._panes.values()
            if pane.key.start == start
            for (metric, labels), cell in pane.cells.items()
            if metric in _GAUGES
        ]

    @property
    def missing(self) -> int:
        """How many events have not come although later ones of their epochs have."""
        return sum(epoch.seen.missing for epoch in self._epochs.values() if epoch.seen.spans)

    # ── saving ───────────────────────────────────────────────────────────────

    def as_data(self) -> dict[str, Any]:
        """Return the whole state, plain. Everything must have been told before.

        It shares lists with the state: to be used before anything else is counted.
        """
        return {
            "offset": self.offset,
            "duplicates": self.duplicates,
            "skipped": self.skipped,
            "forgotten": self.forgotten,
            "epochs": [
                [
                    epoch.mark,
                    epoch.seen.contiguous,
                    epoch.seen.spans,
                    epoch.call.model,
                    epoch.active,
                ]
                for epoch in self._epochs.values()
            ],
            "panes": [pane.as_data() for pane in self._panes.values()],
            "totals": self.totals.as_data(),
        }

    @classmethod
    def from_data(
        cls, data: dict[str, Any], prices: Prices, bounds: Bounds | None = None
    ) -> Partition:
        """Make the state of :meth:`as_data` again."""
        state = cls(prices, bounds)
        state.offset = data["offset"]
        state.duplicates, state.skipped = data["duplicates"], data["skipped"]
        state.forgotten = data["forgotten"]
        for *names, contiguous, spans, model, active in data["epochs"]:
            # States of earlier versions have the names.
            epoch = _Epoch(names[0] if len(names) == 1 else mark_of((names[0], names[1], names[2])))
            epoch.seen = Seen(contiguous, spans)
            epoch.call, epoch.active = Call(model), active
            state._epochs[epoch.mark] = epoch
        state.totals.load(data["totals"])
        for one in data["panes"]:
            pane = Pane.from_data(one, state._bounds.series, state.totals)
            state._panes[pane.key.tenant, pane.key.start] = pane
            state._cells += len(pane.cells)
        return state


def _told(key: PaneKey, metric: str, labels: Labels, cell: Cell) -> Told:
    return Told(key, metric, labels, cell.count, cell.sum, tuple(cell.buckets), cell.offset)
