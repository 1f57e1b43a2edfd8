"""Master keys, and their rotation."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import (
    KeyName,
    KeysError,
    MasterKeyError,
    MissingKeyError,
    ensure_local,
    open_keys,
    rotation,
)
from headrace.sinks.audit.keys.master import LocalMasterKey, generate, parse
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.keys.private import locked
from headrace.sinks.audit.keys.record import Wrapped
from headrace.sinks.audit.keys.rotation import rotate_master
from headrace.sinks.audit.keys.store import KeyStore
from headrace.sinks.audit.keys.survey import survey
from tests.keys.conftest import ANN, BASE64, BOB, MASTER, Open, with_audit

NEW = LocalMasterKey(b"n" * 32)
MANY = [KeyName(f"{n:032x}", "approval") for n in range(6)]


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.text(max_size=60))
def test_what_a_master_key_wrapped_it_unwraps(master: bytes, key: bytes, key_id: str) -> None:
    one = LocalMasterKey(master)
    wrapped = one.wrap(key_id, key)
    assert one.unwrap(key_id, wrapped) == key
    assert one.wrap(key_id, key) != wrapped
    with pytest.raises(MissingKeyError):
        one.unwrap(key_id + "x", wrapped)


@given(st.binary(max_size=80))
def test_what_it_did_not_wrap_is_an_error(wrapped: bytes) -> None:
    with pytest.raises(MissingKeyError):
        MASTER.unwrap("x", wrapped)


def test_its_id_and_its_repr_do_not_tell_it() -> None:
    text = generate()
    (key,) = parse(text, "here")
    assert len(key.id) == 16
    assert key.id == parse(text, "there")[0].id
    assert repr(key) == f"LocalMasterKey({key.id})"


@pytest.mark.parametrize("text", ["", " \n", "short", BASE64[:-4], BASE64 + "\nx", "ü" * 43])
def test_what_is_no_master_key_says_so_and_quotes_nothing(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, "FILE")
    assert str(caught.value).startswith("FILE ")
    assert "base64 of 32 bytes" in str(caught.value)
    assert not any(word in str(caught.value) for word in text.split())


def test_another_master_key_says_which_is_asked_for(opened: Open) -> None:
    with pytest.raises(MasterKeyError) as caught:
        opened(NEW)
    assert str(caught.value) == (
        f"the key pseudonyms is wrapped by the master key {MASTER.id}, and the settings give "
        f"{NEW.id}: add it behind them"
    )


def test_every_key_is_wrapped_anew_and_stays_what_it_was(opened: Open, store: KeyStore) -> None:
    keys = opened()
    made = keys.current(MANY)
    shredded = keys.current([ANN])[ANN].id
    keys.shred(shredded)
    ticks: list[None] = []
    assert keys.rewrap(NEW, lambda: ticks.append(None)) == len(MANY) + 1
    assert len(ticks) == len(MANY) + 2
    assert keys.rewrap(NEW) == 0
    other = opened(NEW)
    assert other.current(MANY) == made
    assert other.pseudonym("user", "acme", "ann") == keys.pseudonym("user", "acme", "ann")
    assert not other.shred(shredded)
    for path in store.paths():
        assert MASTER.id.encode() not in (store.read(path) or b"")


def test_readers_that_know_both_keys_read_at_every_moment(
    opened: Open, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = opened()
    made = keys.current(MANY)
    replace, seen = type(store).replace, []

    def watched(self: KeyStore, path: str, old: bytes, new: bytes) -> bool:
        seen.append(opened(MASTER, NEW).current(MANY) == made)
        return replace(self, path, old, new)

    monkeypatch.setattr(type(store), "replace", watched)
    opened(lanes=1).rewrap(NEW)
    assert len(seen) == len(MANY) + 1
    assert all(seen)


def test_a_damaged_key_holds_no_other_up(opened: Open, store: KeyStore) -> None:
    keys = opened()
    made = keys.current([BOB])
    store.create(path_of(ANN.generation(1)), b"{}")
    with pytest.raises(KeysError, match=r"1 keys could not be wrapped anew: .*is damaged"):
        keys.rewrap(NEW)
    assert opened(NEW).current([BOB]) == made


def test_a_rotation_puts_a_fresh_key_into_the_file(local: Settings) -> None:
    ensure_local(local)
    made = open_keys(local).current(MANY)
    file = local.state_dir / "audit" / "master.key"
    first = file.read_text().split()
    done = rotate_master(local)
    second = file.read_text().split()
    assert (done.fresh, done.rewrapped, second[1:]) == (True, len(MANY) + 1, first)
    assert done.master == parse(second[0], "file")[0].id
    assert file.stat().st_mode & 0o777 == 0o600
    rotate_master(local)
    third = file.read_text().split()
    assert third[1:] == second[:1]
    file.write_text(third[0])
    assert open_keys(local).current(MANY) == made


def test_a_running_worker_reads_what_was_wrapped_anew(local: Settings) -> None:
    ensure_local(local)
    worker = open_keys(local)
    made = worker.current([ANN])
    rotate_master(local)
    assert worker.by_id(made[ANN].id) == made[ANN].key


def test_a_running_worker_wraps_by_the_fresh_key(local: Settings) -> None:
    ensure_local(local)
    worker = open_keys(local)
    rotate_master(local)
    late = worker.current([BOB])[BOB]
    record = open_keys(local).record(late.id)
    assert isinstance(record, Wrapped)
    assert record.master == open_keys(local).ring.current.id


def test_what_a_worker_wrapped_by_the_former_key_is_wrapped_anew_first(local: Settings) -> None:
    ensure_local(local)
    late = open_keys(local)
    late.ring._load = None  # it has read the file just before it was changed
    rotate_master(local)
    made = late.current([ANN])
    done = rotate_master(local)
    assert (done.fresh, done.rewrapped) == (False, 1)
    assert rotate_master(local).fresh
    assert open_keys(local).current([ANN]) == made


def test_two_rotations_at_once_are_refused(local: Settings) -> None:
    ensure_local(local)
    lock = local.state_dir / "audit" / ".master.key.lock"
    with locked(lock), pytest.raises(SettingsError, match=r"another rotation of .* runs: wait"):
        rotate_master(local)


def test_a_file_that_cannot_be_written_says_what_to_do_instead(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kubernetes mounts a secret: whoever makes it puts the fresh key into it."""
    ensure_local(local)
    made = open_keys(local).current([ANN])
    file = local.state_dir / "audit" / "master.key"

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(rotation, "locked", read_only)
    with pytest.raises(SettingsError, match=r"Read-only file system: put a fresh key before"):
        rotate_master(local)
    file.write_text(f"{generate()}\n{file.read_text()}")
    done = rotate_master(local)
    assert (done.fresh, done.rewrapped) == (False, 2)
    file.write_text(file.read_text().split()[0])
    assert open_keys(local).current([ANN]) == made


def test_a_key_of_the_environment_is_rotated_by_who_sets_it(local: Settings) -> None:
    settings = with_audit(local, master_key=BASE64)
    ensure_local(settings)
    made = open_keys(settings).current([ANN])
    assert (rotate_master(settings).fresh, rotate_master(settings).rewrapped) == (False, 0)
    fresh = generate()
    both = with_audit(local, master_key=f"{fresh} {BASE64}")
    assert rotate_master(both).rewrapped == 2
    assert open_keys(with_audit(local, master_key=fresh)).current([ANN]) == made


def test_a_former_file_moves_to_where_the_settings_say(local: Settings, tmp_path: Path) -> None:
    ensure_local(local)
    made = open_keys(local).current([ANN])
    moved = with_audit(local, master_key=BASE64)
    with pytest.raises(MasterKeyError):
        open_keys(moved)
    assert rotate_master(moved, local.state_dir / "audit" / "master.key").rewrapped == 2
    assert open_keys(moved).current([ANN]) == made


def test_a_survey_says_what_is_lost_and_why(opened: Open, store: KeyStore) -> None:
    keys = opened()
    keys.current([ANN])
    keys.shred(keys.current([BOB])[BOB].id)
    foreign = NEW.wrap(BOB.generation(2), b"k" * 32)
    record = Wrapped(BOB.generation(2), NEW.id, foreign)
    store.create(path_of(record.id), record.encode())
    damaged = KeyName("c" * 32, "approval").generation(1)
    store.create(path_of(damaged), b"\x00")
    found = {one.id: one for one in survey(keys, unwrap=True)}
    assert found.keys() == {
        *(ANN.generation(1), BOB.generation(1), BOB.generation(2), damaged, "pseudonyms")
    }
    lost = {one.id: one.lost for one in found.values() if one.lost}
    assert lost.keys() == {BOB.generation(2), damaged}
    assert NEW.id in (lost[BOB.generation(2)] or "")
    assert "damaged" in (lost[damaged] or "")
    assert [one.id for one in survey(keys) if one.lost] == [damaged]
