"""The split of one partition: whatever crashes, the log is what one quiet reading makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.sinks.audit.keys import DataKeys, KeyName
from headrace.streams.audit.fold import WRITER, Entry, Fold
from headrace.streams.audit.found import Found, sealings
from headrace.streams.audit.partition import Bounds, Partition, RedoError
from headrace.streams.audit.policy import Policy
from tests.audit.keys import DerivedKeys
from tests.audit.log import LOG, AuditLog, Record, accepted, leaves
from tests.audit.sources import POLICIES, evidence, expected, line, policies_of, source

BOUNDS = Bounds(value_bytes=10_000)
NOW = 1_764_000_000.0


@dataclass
class Splitter:
    """A worker that the test leads, on an agent.audit and a saved state that outlive it."""

    records: list[Record]
    audit: AuditLog = field(default_factory=AuditLog)
    keys: DerivedKeys = field(default_factory=DerivedKeys)
    policy: Policy = POLICIES[0]
    saved: bytes | None = None
    claims: int = 0
    state: Partition | None = None
    redone: int = 0

    @property
    def real_keys(self) -> DataKeys:
        return cast("DataKeys", self.keys)

    def begin(self) -> Partition:
        """After a crash as at the first time."""
        data = orjson.loads(self.saved) if self.saved else None
        self.state = state = (
            Partition.from_data(data, LOG, self.policy, BOUNDS)
            if data
            else Partition(LOG, self.policy, BOUNDS)
        )
        self.claims += 1
        self.writer = f"w{self.claims}".encode()
        self.audit.claim(self.writer)
        for record in self.audit.records[state.fold.offset :]:
            state.recall(record)
        return state

    def split(self, count: int, *, lands: int | None = None) -> None:
        """Take so many records; of their entries so many land (None: all), then it is dead."""
        state = self.state or self.begin()
        batch = [one for one in self.records if one.offset >= state.offset][:count]
        made = state.judge(batch, NOW)
        by = sealings(self.real_keys, [one for one in made if isinstance(one, Found)])
        leaves = [leaf for _, leaf in state.leaves(made, by)]
        self.redone += state.take_counts().redone
        self.audit.write(self.writer, leaves[:lands])
        if lands is not None:
            self.state = None

    def save(self) -> None:
        state = self.state
        if state is None or state.recalling:
            return
        for record in self.audit.records[state.fold.offset :]:
            state.fold.take(record)
        if state.confirmed:
            self.saved = orjson.dumps(state.as_data())
        else:
            self.state = None

    def finish(self) -> list[Entry]:
        while True:
            state = self.state or self.begin()
            if not any(one.offset >= state.offset for one in self.records):
                return self.entries()
            self.split(3)

    def entries(self) -> list[Entry]:
        return accepted(self.audit.records)


def good(splitter: Splitter, entries: list[Entry]) -> None:
    """The log is whole, and holds what it should, in order, each once."""
    assert [one.head.index for one in entries] == list(range(len(entries)))
    assert all(after.head.prev == before.hash.hex() for before, after in pairwise(entries))
    want = [(one.offset, one.value) for one in expected(splitter.records, policies_of(entries))]
    nothing_shredded = cast("DataKeys", DerivedKeys())
    assert evidence(entries, nothing_shredded) == want


values = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 12), st.sampled_from("stu")).map(lambda one: line(*one)),
        st.sampled_from([None, b"no event", line(3, user=7), line(-4)]),
    ),
    max_size=40,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("split"), st.integers(1, 9)),
        st.tuples(st.just("crash"), st.integers(1, 9), st.integers(0, 6)),
        st.just(("save",)),
        st.just(("begin",)),
        st.just(("zombie",)),
        st.tuples(st.just("policy"), st.integers(0, 1)),
        st.tuples(st.just("shred"), st.sampled_from("stu")),
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(values, steps, st.integers(0, 2))
def test_whatever_crashes_each_event_is_there_once(
    content: list[bytes | None], order: list[tuple[Any, ...]], gap: int
) -> None:
    splitter = Splitter(source(content, gap=gap))
    zombies: list[tuple[Partition, bytes]] = []
    for what, *how in order:
        if what == "split":
            splitter.split(*how)
        elif what == "crash":
            splitter.split(how[0], lands=how[1])
        elif what == "save":
            splitter.save()
        elif what == "begin":
            splitter.begin()
        elif what == "policy":
            splitter.policy = POLICIES[how[0]]
            splitter.state = None
        elif what == "shred":
            for name in {name for asked in splitter.keys.asked for name in asked}:
                splitter.keys.shred(name)
        elif splitter.state is not None:
            zombies.append((splitter.state, splitter.writer))
            splitter.state = None
        for state, writer in zombies:
            resume(splitter, state, writer)
    good(splitter, splitter.finish())


def resume(splitter: Splitter, zombie: Partition, writer: bytes) -> None:
    """One that was away goes on as if it had its partition, and would even save."""
    batch = [one for one in splitter.records if one.offset >= zombie.offset][:2]
    made = zombie.judge(batch, NOW)
    by = sealings(splitter.real_keys, [one for one in made if isinstance(one, Found)])
    splitter.audit.write(writer, [leaf for _, leaf in zombie.leaves(made, by)])
    if not zombie.recalling:
        fold = Fold.from_data(zombie.fold.as_data())
        for record in splitter.audit.records[fold.offset :]:
            zombie.fold.take(record)
        if zombie.confirmed:
            splitter.saved = orjson.dumps(zombie.as_data())
        zombie.fold = fold


def test_who_was_overtaken_saves_nothing() -> None:
    splitter = Splitter(source([line(seq) for seq in range(1, 8)]))
    splitter.split(2)
    splitter.save()
    zombie, writer = splitter.state, splitter.writer
    assert zombie is not None
    splitter.begin()  # another, which dies at once
    for _ in range(2):
        resume(splitter, zombie, writer)
    splitter.state = None
    good(splitter, splitter.finish())


@settings(max_examples=100)
@given(values, st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6)), max_size=8))
def test_a_redo_gives_the_same_bytes(
    content: list[bytes | None], crashes: list[tuple[int, int]]
) -> None:
    quiet, crashing = Splitter(source(content)), Splitter(source(content))
    for count, lands in crashes:
        crashing.split(count, lands=lands)
        crashing.split(2)
        crashing.save()
    want = [one.leaf for one in quiet.finish()]
    assert [one.leaf for one in crashing.finish()] == want


def test_a_redo_compares_what_is_there() -> None:
    splitter = Splitter(source([line(1), line(2)]))
    splitter.split(2)
    splitter.begin()
    splitter.split(2)
    assert splitter.redone == 2
    assert len(splitter.entries()) == 3  # the policy's with them


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ([line(3), line(2)], "offset 0 of the source was evidence before"),
        ([line(6), line(2)], "what is made of offset 0"),
        ([None, line(2)], "was evidence before"),
    ],
)
def test_another_source_is_noticed(now: list[bytes | None], says: str) -> None:
    splitter = Splitter(source([line(1), line(2)]))
    splitter.split(2)
    splitter.records = source(now)
    splitter.begin()
    with pytest.raises(RedoError, match=says):
        splitter.split(2)


def test_what_was_none_and_would_be_evidence_now_is_noticed() -> None:
    splitter = Splitter(source([line(3), line(2)]))
    splitter.split(2)
    splitter.records = source([line(1), line(2)])
    splitter.begin()
    with pytest.raises(RedoError, match="offset 0 of the source was none before"):
        splitter.split(2)


def test_another_event_of_a_shredded_key_is_noticed() -> None:
    splitter = Splitter(source([line(1)]))
    splitter.split(1)
    (name,) = splitter.keys.asked[-1]
    assert isinstance(name, KeyName)
    splitter.keys.shred(name)
    splitter.records = source([line(6)])
    splitter.begin()
    with pytest.raises(RedoError, match="what is made of offset 0"):
        splitter.split(1)


def test_a_redo_makes_no_key_of_who_was_shredded() -> None:
    splitter = Splitter(source([line(1), line(6)]))
    splitter.split(1)
    (name,) = splitter.keys.asked[-1]
    splitter.keys.shred(name)
    splitter.begin()
    splitter.split(1)
    assert splitter.redone == 1
    assert splitter.keys.asked[-1] == set()
    splitter.split(1)
    assert splitter.keys.asked[-1] == {name}
    assert [one.head.key for one in splitter.entries()[1:]] == [
        f"{name.subject}.{name.audit_class}.{generation}" for generation in (1, 2)
    ]


def test_a_policy_judges_from_where_its_entry_says() -> None:
    splitter = Splitter(source([line(seq) for seq in range(1, 16)]))
    splitter.split(7)
    splitter.policy = POLICIES[1]
    splitter.begin()
    splitter.split(4)  # the redo, which the old one judges; it is used up within
    splitter.split(4)
    entries = splitter.finish()
    good(splitter, entries)
    assert [(offset, policy.id) for offset, policy in policies_of(entries)] == [
        (0, POLICIES[0].id),
        (8, POLICIES[1].id),
    ]
    assert [one.head.offset for one in entries if one.head.type == "session_start"] == [8, 13]


def test_what_the_source_has_no_more_stays_as_it_was_written() -> None:
    splitter = Splitter(source([line(seq) for seq in range(1, 8)]))
    splitter.split(7)
    before = splitter.entries()
    splitter.records = splitter.records[4:]
    splitter.begin()
    entries = splitter.finish()
    assert [one.leaf for one in entries] == [one.leaf for one in before]
    assert splitter.redone == 2


def test_the_key_of_a_session_is_for_who_has_no_user() -> None:
    splitter = Splitter(source([line(1), line(1, "t")]))
    entries = splitter.finish()
    anonymous, known = entries[1].head, entries[2].head
    assert (anonymous.user, known.key) == (None, f"{known.user}.approval.1")
    assert anonymous.key == f"{anonymous.session}.approval.1"
    keys = [one.key for one in splitter.audit.records if dict(one.headers).get(WRITER)]
    assert len(keys) == 3


def test_what_does_not_fit_is_counted_and_stays_out() -> None:
    big = line(1, data={"tool": "bash", "outcome": "x" * 10_000})
    splitter = Splitter(source([big, line(2)]))
    state = splitter.begin()
    made = state.judge(splitter.records, NOW)
    assert [one.offset for one in made] == [0, 1]  # the policy's, and the second event
    assert state.take_counts().too_large == 1


def test_unreadable_and_twice_are_counted() -> None:
    state = Splitter(source([])).begin()
    bad = [None, b"[", line(1, user=7), line(1), line(1), line(3), line(3)]
    state.judge(source(bad), NOW)
    counts = state.take_counts()
    assert (counts.unreadable, counts.duplicates) == (3, 2)
    assert state.take_counts().duplicates == 0


def test_epochs_are_forgotten_in_the_order_of_their_silence() -> None:
    state = Partition(LOG, POLICIES[0], Bounds(value_bytes=1000, epochs=2))
    order = [line(1, epoch=name) for name in ("a", "b", "a", "c", "a", "b")]
    made = state.judge(source(order), NOW)
    assert [one.offset for one in made if isinstance(one, Found)] == [0, 1, 3, 5]
    assert state.take_counts().forgotten == 2


def test_a_saved_state_names_nobody() -> None:
    """It outlives who asked to be forgotten; and another load forgets in the same order."""
    state = Partition(LOG, POLICIES[0], Bounds(value_bytes=1000, epochs=2))
    state.judge(source([line(1, epoch=name, session="ann-1") for name in ("a", "b")]), NOW)
    saved = orjson.dumps(state.as_data())
    assert b"ann-1" not in saved
    again = Partition.from_data(orjson.loads(saved), LOG, POLICIES[0], Bounds(1000, epochs=2))
    order = [line(1, epoch=name, session="ann-1") for name in ("a", "b", "a", "c", "b")]
    made = again.judge(source(order), NOW)
    assert [one.offset for one in made if isinstance(one, Found)] == [3, 4]


def test_a_log_without_a_policy_is_refused() -> None:
    splitter = Splitter(source([line(1)]))
    splitter.audit.claim(b"a")
    splitter.audit.write(b"a", leaves(1))
    splitter.begin()
    with pytest.raises(RedoError, match="does not begin with a policy"):
        splitter.split(1)
