"""The lists are long enough and leave out no finding, and every finding is documented."""

from __future__ import annotations

from headrace.sinks.audit.verify.offline import FINDINGS
from tests.docs.generate import DOCS
from tests.tamper.bundle_list import BUNDLE
from tests.tamper.vault_list import VAULT


def test_there_are_many_of_different_names() -> None:
    for what, tamperings in (("vault", VAULT), ("bundle", BUNDLE)):
        names = {one.name for one in tamperings}
        assert len(names) == len(tamperings) >= 40
        findings = len({one.finding for one in tamperings})
        print(f"{len(names)} tamperings of a {what}: {findings} different findings")


def test_each_finding_has_a_tampering() -> None:
    assert {one.finding for one in (*VAULT, *BUNDLE)} == set(FINDINGS)


def test_each_finding_is_documented() -> None:
    page = (DOCS / "audit.md").read_text(encoding="utf-8")
    for name, meaning in FINDINGS.items():
        assert f"| `{name}` | {meaning} |" in page
