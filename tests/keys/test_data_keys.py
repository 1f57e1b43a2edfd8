"""Data keys, on a directory and on S3 from one source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys import (
    CACHE_SECONDS,
    DataKey,
    KeyName,
    KeysError,
    MissingKeyError,
    ShreddedError,
)
from headrace.sinks.audit.keys.cache import Cache
from headrace.sinks.audit.keys.data_keys import DataKeys
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.names import id_at, path_of
from headrace.sinks.audit.keys.record import Tombstone, Wrapped, decode
from headrace.sinks.audit.keys.store import KeyStore
from tests.keys.conftest import ANN, BOB, MASTER, Clock, Open

subjects = st.text("0123456789abcdef", min_size=32, max_size=32)
classes = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)


@given(subjects, classes, st.integers(1, 999_999_999))
def test_a_keys_id_is_found_again_at_its_path(subject: str, kind: str, number: int) -> None:
    name = KeyName(subject, kind)
    key_id = name.generation(number)
    assert id_at(path_of(key_id)) == key_id
    assert name.number_of(key_id) == number


def test_what_is_no_keys_id_is_looked_for_nowhere(opened: Open) -> None:
    endings = ("A.1", "a.0", "a.1\n")
    for wrong in ("", "x", "../../etc/passwd", *(f"{'a' * 32}.{end}" for end in endings)):
        with pytest.raises(MissingKeyError, match="not the id of a data key"):
            opened().by_id(wrong)


@given(st.binary(min_size=0, max_size=64), st.text(max_size=40))
def test_a_wrapped_key_is_read_back(wrapped: bytes, master: str) -> None:
    record = Wrapped(ANN.generation(1), master, wrapped)
    assert decode(record.id, record.encode()) == record


@given(st.floats(0, 4e9), st.integers(0, 300))
def test_a_tombstone_is_read_back_with_blanks_behind_it(when: float, blanks: int) -> None:
    stone = Tombstone(ANN.generation(1), when)
    assert decode(stone.id, stone.encode() + b" " * blanks) == stone


@given(st.binary(max_size=80))
def test_bytes_that_are_no_record_are_a_lost_key(content: bytes) -> None:
    with pytest.raises(MissingKeyError, match="restore it from a backup"):
        decode(ANN.generation(1), content)


def test_a_record_under_anothers_name_is_a_lost_key() -> None:
    with pytest.raises(MissingKeyError):
        decode(ANN.generation(2), Tombstone(ANN.generation(1), 0).encode())


def test_a_key_is_made_once_and_read_by_every_process(opened: Open) -> None:
    made = opened().current([ANN, BOB])
    assert len({one.key for one in made.values()}) == 2
    assert {len(one.key) for one in made.values()} == {32}
    other = opened()
    assert other.current([BOB, ANN]) == made
    assert other.by_id(made[ANN].id) == made[ANN].key
    assert made[ANN].id == f"{ANN.subject}.approval.1"


def test_the_key_is_nowhere_in_its_store(opened: Open, store: KeyStore) -> None:
    key = opened().current([ANN])[ANN]
    content = store.read(path_of(key.id)) or b""
    record = decode(key.id, content)
    assert isinstance(record, Wrapped)
    assert key.key not in record.wrapped
    assert MASTER.unwrap(key.id, record.wrapped) == key.key
    assert repr(key.key) not in repr(key)


def test_a_wrapped_key_opens_under_its_own_id_alone(opened: Open, store: KeyStore) -> None:
    key = opened().current([ANN])[ANN]
    record = decode(key.id, store.read(path_of(key.id)) or b"")
    assert isinstance(record, Wrapped)
    moved = Wrapped(BOB.generation(1), record.master, record.wrapped)
    store.create(path_of(moved.id), moved.encode())
    with pytest.raises(MissingKeyError, match=r"damaged in its store"):
        opened().by_id(moved.id)


def test_a_shredded_key_is_gone_and_its_tombstone_stays(opened: Open, clock: Clock) -> None:
    keys = opened()
    first = keys.current([ANN])[ANN]
    assert keys.shred(first.id)
    when = clock.seconds
    clock.seconds += 5
    assert not keys.shred(first.id)
    for reader in (keys, opened()):
        with pytest.raises(ShreddedError, match="was shredded") as caught:
            reader.by_id(first.id)
        assert (caught.value.key_id, caught.value.shredded_at) == (first.id, when)


def test_who_comes_back_gets_a_key_of_the_next_generation(opened: Open) -> None:
    keys = opened()
    for number in (1, 2, 3):
        key = keys.current([ANN])[ANN]
        assert key.id == ANN.generation(number)
        keys.shred(key.id)
    assert opened().current([ANN])[ANN].id == ANN.generation(4)
    assert keys.ids_of(ANN.subject) == [ANN.generation(n) for n in (1, 2, 3, 4)]


def test_ids_of_a_subject_are_of_every_class_and_of_nobody_else(opened: Open) -> None:
    keys = opened()
    others = [KeyName(ANN.subject, "consent"), BOB]
    keys.current([ANN, *others])
    assert keys.ids_of(ANN.subject) == [ANN.generation(1), others[0].generation(1)]
    assert keys.ids_of("f" * 32) == []


def test_another_process_uses_a_shredded_key_for_a_minute_at_most(
    opened: Open, clock: Clock
) -> None:
    keys, worker = opened(), opened()
    first = worker.current([ANN])[ANN]
    worker.by_id(first.id)
    keys.shred(first.id)
    clock.seconds += CACHE_SECONDS - 0.001
    assert worker.current([ANN])[ANN] == first
    assert worker.by_id(first.id) == first.key
    clock.seconds += 0.001
    assert worker.current([ANN])[ANN].id == ANN.generation(2)
    with pytest.raises(ShreddedError):
        worker.by_id(first.id)


def test_a_key_that_nobody_asks_for_again_leaves_the_memory(opened: Open, clock: Clock) -> None:
    keys = opened()
    keys.current([ANN])
    assert keys._cache._entries
    clock.seconds += CACHE_SECONDS
    keys.current([BOB])
    assert list(keys._cache._entries) == [f"{BOB.subject}.approval"]


def test_the_cache_keeps_the_most_recently_used(clock: Clock) -> None:
    cache = Cache(clock, most=2)
    for name in ("a", "b"):
        cache.put(name, DataKey(name, b""), b"", clock.seconds)
    cache.get("a")
    cache.put("c", DataKey("c", b""), b"", clock.seconds)
    assert [name for name in ("a", "b", "c") if cache.get(name)] == ["a", "c"]


def test_more_names_than_the_cache_holds_are_all_answered(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = opened()
    keys._cache._most = 3
    names = [KeyName(f"{n:032x}", "approval") for n in range(10)]
    assert set(keys.current(names)) == set(names)
    assert keys.current(names) == opened().current(names)


def test_a_key_is_unwrapped_again_only_when_it_changed(
    opened: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().current([ANN])
    keys = opened()
    asked: list[str] = []
    unwrap = keys.ring.unwrap

    def watched(record: Wrapped) -> bytes:
        asked.append(record.id)
        return unwrap(record)

    monkeypatch.setattr(keys.ring, "unwrap", watched)
    for _ in range(3):
        keys.current([ANN])
        clock.seconds += CACHE_SECONDS
    assert asked == [ANN.generation(1)]


def test_a_key_that_is_not_there_says_where_it_should_be(opened: Open, store: KeyStore) -> None:
    keys = opened()
    for ask in (keys.by_id, keys.shred):
        with pytest.raises(MissingKeyError) as caught:
            ask(ANN.generation(1))
        assert str(caught.value) == (
            f"the key {ANN.generation(1)} is not in {store.where}: restore a backup"
        )


def test_a_store_that_was_never_initialised_says_what_to_do(store: KeyStore) -> None:
    with pytest.raises(SettingsError, match=r"no audit keys in .*: run `headrace audit keys init`"):
        DataKeys(store, KeyRing([MASTER]))


def test_the_secret_of_the_pseudonyms_is_not_shredded(opened: Open) -> None:
    with pytest.raises(KeysError, match="nobody's key"):
        opened().shred("pseudonyms")


def test_pseudonyms_are_the_same_in_every_process_and_differ_by_all_they_say(opened: Open) -> None:
    first, second = opened(), opened()
    asked = [
        (kind, tenant, value)
        for kind in ("user", "session")
        for tenant in ("acme", "acmeu")
        for value in ("ann", "uann", "")
    ]
    found = [first.pseudonym(*one) for one in asked]
    assert found == [second.pseudonym(*one) for one in asked]
    assert len(set(found)) == len(asked)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in found)


def test_a_damaged_key_is_shredded_all_the_same(opened: Open, store: KeyStore) -> None:
    keys = opened()
    store.create(path_of(ANN.generation(1)), b'{"v":1,"wrap')
    with pytest.raises(MissingKeyError, match="damaged"):
        keys.current([ANN])
    assert keys.shred(ANN.generation(1))
    assert keys.current([ANN])[ANN].id == ANN.generation(2)
