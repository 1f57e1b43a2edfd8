from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.streams.audit import fold as module
from headrace.streams.audit.fold import NO_HASH, Fold, ForkError
from tests.audit.log import AuditLog, accepted, leaf, leaves


class Writer:
    """Writes as the split does: claims, reads up to its claim, and one batch after the other."""

    def __init__(self, log: AuditLog, name: str) -> None:
        self._log = log
        self._name = name
        self._claims = 0
        self._claim: bytes | None = None
        self._next, self._prev = 0, NO_HASH
        self._in_flight: list[tuple[bytes | None, list[bytes]]] = []
        self._waits = False
        self.acknowledged: list[bytes] = []
        """What the broker said that it has, while this one's claim held."""

    def begin(self) -> None:
        """Claim, under a new name each time; also after a crash or a send of unknown fate."""
        self._claims += 1
        self._claim = f"{self._name}{self._claims}".encode()
        self._log.claim(self._claim)
        fold = Fold()
        accepted(self._log.records, fold)
        chain = fold.chain(leaf_log())
        self._next, self._prev = chain.next, chain.head
        self._waits = False

    def write(self, count: int, fate: str) -> None:
        """Send a batch. A zombie does it as well: it has not heard that it was overtaken."""
        if self._claim is None or self._waits:
            return
        # Its like at the same index has other bytes, as a policy's entry has.
        batch = leaves(count, first=self._next, prev=self._prev, mark=self._claim.decode())
        if fate == "in flight":
            self._in_flight.append((self._claim, batch))
            self._waits = True
            return
        for _ in range(2 if fate == "landed twice" else 1):
            self._log.write(self._claim, batch)
        if fate == "resent":
            self._in_flight.append((self._claim, batch))
        if self._holds():
            self.acknowledged += batch
        self._next += count
        self._prev = leaf_hash(batch[-1]).hex()

    def _holds(self) -> bool:
        fold = Fold()
        accepted(self._log.records, fold)
        return fold.writer == self._claim

    def land(self) -> None:
        """What was under way reaches the log at last, whatever came meanwhile."""
        if self._in_flight:
            self._log.write(*self._in_flight.pop(0))


def leaf_log() -> str:
    return str(orjson.loads(leaf(0, NO_HASH))["log"])


steps = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.one_of(
            st.just(("begin",)),
            st.just(("land",)),
            st.tuples(
                st.just("write"),
                st.integers(1, 3),
                st.sampled_from(["landed", "landed twice", "resent", "in flight"]),
            ),
        ),
    ),
    max_size=40,
)


@settings(max_examples=400)
@given(steps, st.data())
def test_two_writers_whatever_they_do_make_one_gapless_chain(
    order: list[tuple[str, tuple[Any, ...]]], data: st.DataObject
) -> None:
    log = AuditLog()
    writers = {name: Writer(log, name) for name in "ab"}
    for name, (what, *how) in order:
        getattr(writers[name], what)(*how)
    entries = accepted(log.records)
    assert [entry.head.index for entry in entries] == list(range(len(entries)))
    for before, after in pairwise(entries):
        assert after.head.prev == before.hash.hex()
    kept = {entry.leaf for entry in entries}
    for writer in writers.values():
        assert kept.issuperset(writer.acknowledged)
    cut = data.draw(st.integers(0, len(log.records)))
    first = Fold()
    begun = accepted(log.records[:cut], first)
    saved = Fold.from_data(orjson.loads(orjson.dumps(first.as_data())))
    assert begun + accepted(log.records, first) == entries  # read again from the beginning
    assert begun + accepted(log.records, saved) == entries


def test_what_is_written_under_no_claim_or_an_overtaken_one_is_void() -> None:
    log = AuditLog()
    log.write(None, leaves(1))
    log.write(b"a", leaves(1))
    log.claim(b"a")
    log.write(b"a", good := leaves(2))
    log.claim(b"b")
    log.write(b"a", leaves(3, mark="zombie"))
    log.write(None, [b"not even JSON"])
    fold = Fold()
    assert [entry.leaf for entry in accepted(log.records, fold)] == good
    assert (fold.void, fold.repeats) == (6, 0)


def test_a_repeat_counts_and_is_nothing_new() -> None:
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", good := leaves(3))
    log.write(b"a", good)
    fold = Fold()
    assert len(accepted(log.records, fold)) == 3
    assert fold.repeats == 3


@pytest.mark.parametrize(
    ("value", "index", "what"),
    [
        (leaf(1, NO_HASH, "other"), 1, "another entry"),
        (leaf(3, "ab" * 32), 3, "missing"),
        (leaf(2, NO_HASH), 2, "does not follow"),
        (b"{}", -1, "no entry"),
        (b"\xff", -1, "no entry"),
    ],
)
def test_a_fork_names_log_index_and_offset(value: bytes, index: int, what: str) -> None:
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", leaves(2))
    log.write(b"a", [value])
    fold = Fold()
    with pytest.raises(ForkError, match=what) as caught:
        accepted(log.records, fold)
    assert (caught.value.index, caught.value.offset) == (index, 3)
    with pytest.raises(ForkError):  # it does not go away
        accepted(log.records, fold)


def test_an_old_repeat_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_HASHES", 2)
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", leaves(4))
    log.write(b"a", [leaf(1, NO_HASH, "other")])
    assert len(accepted(log.records)) == 4
    log.write(b"a", [leaf(2, NO_HASH, "other")])
    with pytest.raises(ForkError):
        accepted(log.records)


def test_logs_of_a_source_that_was_made_anew_stand_side_by_side() -> None:
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", leaves(2))
    log.claim(b"b")
    log.write(b"b", [leaf(0, NO_HASH, log="fedcba9876543210-3")])
    fold = Fold()
    assert len(accepted(log.records, fold)) == 3
    assert fold.chain("fedcba9876543210-3").next == 1
