"""The state of one source partition: a function of its prefix and of what agent.audit says.

Read the same prefix again, in whatever batches, and the same leaves come of it: nothing here looks
at the size of a batch, or at when a state was saved. When a policy took effect is the one thing
that no event says: where its entry was written, it is taken from there.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.events.envelope import decode
from headrace.events.errors import EnvelopeError, HeadraceError
from headrace.sinks.audit.leaf import POLICY, Leaf, Position, event_leaf, policy_leaf
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.streams.audit.fold import Fold
from headrace.streams.audit.found import Change, Found, Sealing, Written
from headrace.streams.audit.policy import Policy, loads
from headrace.streams.heads import Head, heads_of
from headrace.streams.seen import Names, Seen, mark_of

POLICY_KEY: Final = b"policy"
"""Of the records that hold a policy's entry; an event's is its session's pseudonym."""
OLD_POLICY: Final = "the audit policy that is in effect"


class RedoError(HeadraceError):
    """What is made of the source now is not what was made of it before."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is held. Each is a part of what the state is: change one, and leaves may differ."""

    value_bytes: int
    """Of the largest event whose leaf fits into a record of agent.audit."""
    epochs: int = 100_000
    """Epochs whose numbers are remembered; the one idle for longest is forgotten first."""


@dataclass(slots=True)
class Counts:
    """What was met since it was last asked for."""

    duplicates: int = 0
    unreadable: int = 0
    too_large: int = 0
    redone: int = 0
    forgotten: int = 0


class _Epoch:
    __slots__ = ("mark", "names", "seen")

    def __init__(self, mark: str, seen: Seen) -> None:
        self.mark = mark
        self.names: Names | None = None
        """None from when a state was loaded until an event comes."""
        self.seen = seen


class Partition:
    """Splits evidence off one partition. Not shared between tasks."""

    def __init__(
        self, log: str, policy: Policy, bounds: Bounds, *, fold: Fold | None = None
    ) -> None:
        """``policy``: which is to take effect; ``fold``: of the partition of agent.audit."""
        self.log = log
        self.offset = 0
        """The next one to be read."""
        self.fold = fold or Fold()
        self._wanted = policy
        self._bounds = bounds
        self._policy: Policy | None = None
        self._epochs: OrderedDict[str, _Epoch] = OrderedDict()
        """By mark, the one idle for longest first."""
        self._by_names: dict[Names, _Epoch] = {}
        self._epoch: _Epoch | None = None
        self._written: deque[Written] = deque()
        chain = self.fold.chain(log)
        self._next, self._prev = chain.next, chain.head
        self._counts = Counts()

    # ── what stands in agent.audit ───────────────────────────────────────────

    def recall(self, record: Any) -> None:
        """Take a record in that was written since the state was saved: each one, in order.

        Raises :class:`ForkError`.
        """
        entry = self.fold.take(record)
        if entry is not None and entry.head.log == self.log:
            self._written.append(Written(entry.head, entry.hash))
            self._next, self._prev = entry.head.index + 1, entry.hash.hex()

    @property
    def recalling(self) -> bool:
        """Whether something is left that must be made again: then it is not to be saved."""
        return bool(self._written)

    @property
    def confirmed(self) -> bool:
        """Whether every leaf of ours was read in agent.audit, and accepted by its fold."""
        chain = self.fold.chain(self.log)
        return (chain.next, chain.head) == (self._next, self._prev)

    # ── reading the source ───────────────────────────────────────────────────

    def judge(self, records: Sequence[Any], now: float) -> list[Found | Change]:
        """Read records, in the order of their offsets; what is to be written for them.

        Those before :attr:`offset` were read already. ``now``: seconds since 1970, for a policy
        that takes effect. Raises :class:`RedoError`.
        """
        if records and records[0].offset < self.offset:
            records = [record for record in records if record.offset >= self.offset]
        if not records:
            return []
        made: list[Found | Change] = []
        if not self._written and (self._policy is None or self._policy.id != self._wanted.id):
            self._policy = self._wanted
            made.append(Change(self.offset, now, self._policy.id, self._policy.text))
        heads = heads_of([record.value for record in records])
        again = 0
        while self._written and again < len(records):
            made += self._judge_again(records[again], heads[again])
            again += 1
        made += (
            self._judge(records[again:], heads[again:]) if again else self._judge(records, heads)
        )
        self.offset = records[-1].offset + 1
        return made

    def _judge(self, records: Sequence[Any], heads: Sequence[Head | None]) -> list[Found]:
        if self._policy is None:
            raise RedoError(f"log {self.log} does not begin with a policy")
        selects = self._policy.types
        epoch = self._epoch
        found: list[Found] = []
        for record, head in zip(records, heads, strict=True):
            if head is None:
                self._counts.unreadable += 1
                continue
            if epoch is None or epoch.names != (head.tenant, head.session, head.epoch):
                epoch = self._epoch = self._enter((head.tenant, head.session, head.epoch))
            if head.type in selects:
                one = self._select(record, self._policy, epoch.seen)
                if one is not None:
                    found.append(one)
            elif not epoch.seen.add(head.seq):
                self._counts.duplicates += 1
        return found

    def _select(self, record: Any, policy: Policy, seen: Seen) -> Found | None:
        try:
            event = decode(record.value)
        except EnvelopeError:
            self._counts.unreadable += 1
            return None
        if not seen.add(event.seq):
            self._counts.duplicates += 1
            return None
        audit_class = policy.classify(event)
        if audit_class is None:
            return None
        if len(record.value) > self._bounds.value_bytes:
            self._counts.too_large += 1
            return None
        return Found(record.offset, event, record.value, policy.id, audit_class)

    def _enter(self, names: Names) -> _Epoch:
        epoch = self._by_names.get(names) or self._meet(names)
        self._epochs.move_to_end(epoch.mark)
        return epoch

    def _meet(self, names: Names) -> _Epoch:
        """Return an epoch that is new, or was loaded and not heard of since."""
        mark = mark_of(names)
        epoch = self._epochs.get(mark)
        if epoch is None:
            epoch = self._epochs[mark] = _Epoch(mark, Seen())
            if len(self._epochs) > self._bounds.epochs:
                _, gone = self._epochs.popitem(last=False)
                if gone.names is not None:
                    del self._by_names[gone.names]
                self._counts.forgotten += 1
        epoch.names = names
        self._by_names[names] = epoch
        return epoch

    # ── reading again what was read before a crash ───────────────────────────

    def _judge_again(self, record: Any, head: Head | None) -> list[Found]:
        self._pass_by(record.offset)
        found = self._judge((record,), (head,))
        if not self._written:
            return found
        due = self._written[0].head.offset == record.offset
        if due != bool(found):
            raise RedoError(
                f"log {self.log}: offset {record.offset} of the source was "
                f"{'evidence' if due else 'none'} before: is this another version of headrace?"
            )
        if due:
            found[0].written = self._written.popleft()
        return found

    def _pass_by(self, offset: int) -> None:
        """Take up the policies that judge from here on, and leave what is no more in the source."""
        while self._written:
            head = self._written[0].head
            if head.kind == POLICY and head.offset <= offset:
                self._policy = loads(head.text or "", OLD_POLICY)
            elif head.offset >= offset:
                return
            self._written.popleft()

    # ── writing ──────────────────────────────────────────────────────────────

    def leaves(
        self, made: Iterable[Found | Change], sealings: Iterable[Sealing]
    ) -> list[tuple[bytes, bytes]]:
        """Make key and leaf of all that was judged and is not there yet, in order.

        ``sealings``: of the events, in their order. Raises :class:`RedoError`.
        """
        entries: list[tuple[bytes, bytes]] = []
        sealing = iter(sealings)
        for one in made:
            if isinstance(one, Change):
                entries.append((POLICY_KEY, self._change(one)))
            elif one.written is not None:
                self._compare(one, one.written, next(sealing))
            else:
                by = next(sealing)
                at = Position(self.log, self._next, self._prev, one.offset)
                entries.append((by.who.session.encode(), self._appended(_leaf(one, at, by))))
        return entries

    def _change(self, one: Change) -> bytes:
        at = Position(self.log, self._next, self._prev, one.offset)
        return self._appended(policy_leaf(at, ts=one.ts, policy=one.policy, text=one.text))

    def _appended(self, leaf: bytes) -> bytes:
        self._next, self._prev = self._next + 1, leaf_hash(leaf).hex()
        return leaf

    def _compare(self, one: Found, written: Written, by: Sealing) -> None:
        self._counts.redone += 1
        before = written.head
        if before.key == by.key.id:
            at = Position(self.log, before.index, before.prev, one.offset)
            same = leaf_hash(_leaf(one, at, by)) == written.hash
        else:  # the key that it was sealed by is no longer there
            same = _claims(before) == _claims_of(one, by)
        if not same:
            raise RedoError(
                f"log {self.log}: what is made of offset {one.offset} of the source is not what "
                f"stands at index {before.index}: is it another source, or other keys?"
            )

    # ── what was met, and saving ─────────────────────────────────────────────

    def take_counts(self) -> Counts:
        counts, self._counts = self._counts, Counts()
        return counts

    def as_data(self) -> dict[str, Any]:
        """Return the whole state, plain. To be used before anything else is read."""
        return {
            "offset": self.offset,
            "fold": self.fold.as_data(),
            "policy": self._policy.text if self._policy is not None else None,
            "epochs": [[one.mark, *one.seen.as_data()] for one in self._epochs.values()],
        }

    @classmethod
    def from_data(cls, data: dict[str, Any], log: str, policy: Policy, bounds: Bounds) -> Partition:
        """Make the state of :meth:`as_data` again."""
        state = cls(log, policy, bounds, fold=Fold.from_data(data["fold"]))
        state.offset = data["offset"]
        if data["policy"] is not None:
            state._policy = loads(data["policy"], OLD_POLICY)
        for mark, contiguous, spans in data["epochs"]:
            state._epochs[mark] = _Epoch(mark, Seen(contiguous, spans))
        return state

    @classmethod
    def after(cls, data: dict[str, Any], log: str, policy: Policy, bounds: Bounds) -> Partition:
        """Begin another source, whose evidence goes behind that of the one that was saved."""
        return cls(log, policy, bounds, fold=Fold.from_data(data["fold"]))


def _leaf(one: Found, at: Position, by: Sealing) -> bytes:
    return event_leaf(
        at,
        ts=one.event.ts,
        policy=one.policy,
        audit_class=one.audit_class,
        identity=one.event.identity,
        who=by.who,
        type=one.event.type,
        tool=one.event.data.get("tool"),
        key_id=by.key.id,
        key=by.key.key,
        value=one.value,
    )


def _claims(leaf: Leaf) -> tuple[Any, ...]:
    return leaf.tenant, leaf.session, leaf.epoch, leaf.seq, leaf.audit_class


def _claims_of(one: Found, by: Sealing) -> tuple[Any, ...]:
    event = one.event
    return event.tenant, by.who.session, event.epoch, event.seq, one.audit_class
