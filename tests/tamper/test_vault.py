"""Every tampering of a vault is found, by its name and where it begins."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.streams.seal.partition import Limits
from tests.audit.log import AuditLog, leaves
from tests.seal.sealer import NOW, DiedError, MortalPlace, Sealer
from tests.tamper.lab import Lab, Tampering, verified
from tests.tamper.making import DAY, LOG, OTHER, SEALED_AT, vault_at
from tests.tamper.vault_list import VAULT, data, seal


@pytest.mark.parametrize("tampering", VAULT, ids=lambda one: one.name)
def test_it_is_found(tampering: Tampering, lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    tampering.do(root, lab)
    report = verified(root, lab, since=tampering.since(lab), now=tampering.now)
    tampering.assert_found(report)


def test_what_nobody_touched_is_whole(lab: Lab) -> None:
    report = verified(lab.original, lab)
    assert (report.whole, report.leaves, report.keys_pinned) == (True, 66, True)
    assert report.notices == []
    assert [(one.log, one.size, one.checkpoints) for one in report.logs] == [
        (LOG, 33, 3),
        (OTHER, 33, 3),
    ]
    pinned = verified(lab.original, lab, since=[lab.witness])
    assert (pinned.whole, pinned.logs[0].pinned) == (True, [10, 17, 33])


def test_a_marker_and_what_was_being_written_are_no_evidence(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    marker.make(DirectoryPlace(root))
    (root / ".new-0123456789abcdef").write_bytes(b"half")
    report = verified(root, lab)
    assert (report.whole, report.leaves, report.notices) == (True, 66, [])
    (root / "vault.json").rename(root / "other.json")
    assert [one.name for one in verified(root, lab).findings] == ["extra-file"]


def test_what_fell_due_is_no_tampering(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    for first in (0, 10, 17):
        data(root, first, "approval").unlink()
    report = verified(root, lab, now=SEALED_AT + 90 * DAY, since=[lab.witness])
    assert (report.whole, report.logs[0].expired, report.logs[0].leaves) == (True, 16, 17)
    assert report.logs[0].pinned == [10, 17, 33]
    assert not verified(root, lab, now=SEALED_AT + 90 * DAY - 1).whole


def test_a_cut_end_is_only_told_against_what_was_pinned(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    seal(root, 17).unlink()
    report = verified(root, lab)
    assert (report.whole, report.logs[0].size, report.logs[0].pinned) == (True, 17, [])
    assert "uncommitted" in report.notices[0]
    earlier = verified(root, lab, since=[lab.pinned(LOG, 17)])
    assert (earlier.whole, earlier.logs[0].pinned) == (True, [17])


def test_a_pinned_checkpoint_within_a_segment_is_compared(lab: Lab, tmp_path: Path) -> None:
    """A sealer that began anew may cut its segments elsewhere."""
    root = tmp_path / "vault"
    vault_at(root, lab.signing, (5, 28))
    report = verified(root, lab, since=[lab.witness])
    assert (report.whole, report.logs[0].pinned) == (True, [10, 17, 33])


def test_keys_that_lie_there_are_taken_on_trust(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    lab.made_anew(root, lab.stranger)
    assert verified(root, lab, pin=False).whole
    assert not verified(root, lab, pin=False).keys_pinned
    assert not verified(root, lab).whole


@pytest.mark.parametrize("behind", [False, True])
def test_what_a_sealer_writes_that_dies_again_and_again(
    lab: Lab, tmp_path: Path, *, behind: bool
) -> None:
    log = AuditLog()
    log.claim(b"w")
    log.write(b"w", leaves(30))
    place = DirectoryPlace(tmp_path / "vault")
    for dies_at in range(1, 12):
        with suppress(DiedError):
            mortal = MortalPlace(place, dies_at=dies_at, behind=behind)
            Sealer(mortal, lab.signing, Limits(leaves=3 + dies_at % 3)).read(log.records)
        if place.last("logs/") is not None:
            assert verified(tmp_path / "vault", lab, now=NOW).whole
    sealer = Sealer(place, lab.signing)
    sealer.read(log.records)
    sealer.seal()
    report = verified(tmp_path / "vault", lab, now=NOW)
    assert (report.whole, report.leaves) == (True, 30)
