"""What fell due goes, what is held stays, and what is left can be proven all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.sinks.audit.tree.merkle import leaf_hash, root_of
from headrace.sinks.audit.vault import expiry
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.expiry import due, expire
from headrace.sinks.audit.vault.holds import (
    Hold,
    Release,
    active_holds,
    held_files,
    holds,
    mark,
    place_hold,
    release_hold,
    unmark,
)
from headrace.sinks.audit.vault.place import (
    ChangedError,
    KeptError,
    MissingError,
    Place,
    TakenError,
)
from headrace.sinks.audit.vault.s3 import S3Place
from headrace.sinks.audit.vault.vault import Vault
from tests.audit.log import LOG
from tests.seal.signing import Signing
from tests.seal.written import SEALED_AT, written

DAY = 86_400.0
LATE = SEALED_AT + 91 * DAY
"""When the class approval has fallen due, and access has not."""


@pytest.fixture
def place(tmp_path: Path) -> DirectoryPlace:
    return DirectoryPlace(tmp_path, clock=lambda: LATE)


@pytest.fixture
def vault(place: Place) -> Vault:
    vault = Vault(place)
    written(place, Signing(), [4, 4], classes=("approval", "access", "policy"))
    return vault


def hold(name: str = "case-7", **conditions: Any) -> Hold:
    return Hold(id=name, reason="litigation", by="counsel", placed_at=1.0, **conditions)


def release(name: str = "case-7") -> Release:
    return Release(id=name, reason="settled", by="counsel", released_at=2.0)


def test_what_fell_due_goes_and_the_rest_is_proven(vault: Vault) -> None:
    assert list(expire(vault, SEALED_AT + 89 * DAY)) == []
    gone = list(expire(vault, LATE))
    assert [(one.audit_class, one.held) for one in gone] == [("approval", False)] * 2
    assert {one.due_since for one in gone} == {SEALED_AT + 90 * DAY}
    assert list(expire(vault, LATE)) == []
    left = {index for seal in vault.seals(LOG) for index, _ in vault.leaves(seal)}
    assert left == {1, 2, 4, 5, 7}
    hashes = list(vault.all_hashes(LOG))
    for seal in vault.seals(LOG):
        assert f"\n{seal.end}\n" in seal.checkpoint
        assert [leaf_hash(line) for _, line in vault.leaves(seal)] == [
            hashes[index] for index, _ in vault.leaves(seal)
        ]
    assert len(hashes) == 8
    assert root_of(hashes)


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({"audit_class": "approval"}, [True, True]),
        ({"audit_class": "access"}, [False, False]),
        ({"user": "ab" * 16}, [False, False]),
        ({}, [True, True]),
    ],
)
def test_a_hold_keeps_what_meets_all_of_its_conditions(
    vault: Vault, conditions: dict[str, str], kept: list[bool]
) -> None:
    place_hold(vault, hold(**conditions))
    assert [one.held for one in due(vault, LATE)] == kept
    assert [one.held for one in expire(vault, LATE)] == kept
    there = [vault.lines(one) is not None for seal in vault.seals(LOG) for one in seal.classes]
    assert there.count(False) == kept.count(False)


def test_a_released_hold_lets_go_and_is_remembered(vault: Vault) -> None:
    place_hold(vault, hold(audit_class="approval"))
    place_hold(vault, hold("other", audit_class="access"))
    assert len(list(mark(vault, active_holds(vault)[0]))) == 2
    with pytest.raises(KeptError, match="legal hold"):
        vault.place.remove(next(held_files(vault, [hold(audit_class="approval")])))
    release_hold(vault, release())
    states = {state.hold.id: state.release for state in holds(vault)}
    assert states == {"case-7": release(), "other": None}
    assert len(list(unmark(vault, hold(audit_class="approval")))) == 2
    assert len([one for one in expire(vault, LATE) if not one.held]) == 2


def test_what_two_hold_stays_until_both_let_go(vault: Vault) -> None:
    for name in ("one", "two"):
        place_hold(vault, hold(name, audit_class="approval"))
        list(mark(vault, hold(name, audit_class="approval")))
    release_hold(vault, release("one"))
    assert list(unmark(vault, hold("one", audit_class="approval"))) == []
    assert all(one.held for one in expire(vault, LATE))


def test_a_hold_that_comes_in_the_middle_holds_the_rest(vault: Vault) -> None:
    going = expire(vault, LATE)
    assert not next(going).held
    place_hold(vault, hold())
    assert next(going).held
    assert len(list(due(vault, LATE))) == 1  # interrupted, it goes on with what is left


def test_holds_are_written_once(vault: Vault) -> None:
    place_hold(vault, hold(tenant="acme"))
    with pytest.raises(TakenError):
        place_hold(vault, hold(tenant="other"))
    with pytest.raises(MissingError):
        release_hold(vault, release("nothing"))
    release_hold(vault, release())
    with pytest.raises(ChangedError, match="is no hold"):
        place_hold(vault, hold("../../etc"))
    vault.place.create("holds/odd.json", b'{"tenant":1}')
    with pytest.raises(ChangedError, match=r"holds/odd\.json is no hold"):
        active_holds(vault)


def test_a_date_that_a_copy_lost_is_the_seals(vault: Vault, tmp_path: Path) -> None:
    for path in tmp_path.rglob("*.jsonl"):
        path.chmod(0o600)
        path.touch()
    assert {one.audit_class for one in expire(vault, LATE)} == {"approval"}


def test_what_a_dead_sealer_left_goes_too(vault: Vault, place: Place) -> None:
    name = f"logs/{LOG}/data/{3:020d}-{4:020d}.access.{'0' * 16}.jsonl"
    place.create(name, b"", retain_until=LATE - 1)
    assert name in {one.name for one in expire(vault, LATE)}
    assert name not in set(place.names(f"logs/{LOG}/data/"))


def test_s3_keeps_what_is_held_beyond_its_date(bucket: str) -> None:
    place = S3Place(bucket, "v")
    written(place, Signing(), [2])
    vault = Vault(place)
    assert list(expire(vault, SEALED_AT + 89 * DAY)) == []
    place_hold(vault, hold())
    assert [one.held for one in expire(vault, LATE)] == [True]
    (name,) = (one.name for one in expiry.due(vault, LATE))
    assert place.retained(name).held
    release_hold(vault, release())
    assert name in list(unmark(vault, hold()))
    # By the clock of S3 the date has not come: it refuses what a wrong clock here would remove.
    later = Vault(S3Place(bucket, "v", clock=lambda: LATE))
    with pytest.raises(KeptError, match="S3 refuses"):
        list(expire(later, LATE))
    assert vault.lines(next(vault.seals(LOG)).classes[1]) is not None
