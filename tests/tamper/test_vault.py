"""Every tampering of a vault is found, by its name and where it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.sinks.audit.verify.offline import FINDINGS
from tests.tamper.lab import Lab, Tampering, verified
from tests.tamper.making import DAY, LOG, OTHER, SEALED_AT, vault_at
from tests.tamper.vault_list import VAULT, data, seal


@pytest.mark.parametrize("tampering", VAULT, ids=lambda one: one.name)
def test_it_is_found(tampering: Tampering, lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    tampering.do(root, lab)
    report = verified(root, lab, since=tampering.since(lab), now=tampering.now)
    tampering.assert_found(report)
    assert {one.name for one in report.findings} <= set(FINDINGS)


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
