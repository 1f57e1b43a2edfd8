"""``headrace forget``: what needs no stack."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_where_nobody_was_forgotten_that_is_said(cli: Cli, tmp_path: Path) -> None:
    ran = cli("forget", "status", "--state-dir", str(tmp_path))
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "no requests on this machine")
