"""A local stack with keys, and evidence in its ClickHouse as the sealer writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.sinks.audit.keys import DataKeys, ensure_local, open_keys
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from tests.cli.conftest import (  # noqa: F401 - fixtures
    Stack,
    _no_settings_of_the_host,
    cli,
    on_stack,
    stack,
)
from tests.desk.evidence import Evidence
from tests.support import unique


@pytest.fixture(scope="session")
def keys(stack: Stack) -> DataKeys:  # noqa: F811
    ensure_local(stack.settings)
    return open_keys(stack.settings)


@pytest.fixture
def apart(
    stack: Stack,  # noqa: F811
    keys: DataKeys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Evidence:
    """The same in a vault of the test's own, which the commands take for theirs."""
    monkeypatch.setenv("HEADRACE_AUDIT_VAULT", str(tmp_path / "vault"))
    found = Evidence(stack, keys, unique())
    found.vault = Vault(DirectoryPlace(tmp_path / "vault"))
    marker.make(found.vault.place)
    return found


@pytest.fixture
def evidence(stack: Stack, keys: DataKeys) -> Evidence:  # noqa: F811
    """Of a tenant of the test's own."""
    return Evidence(stack, keys, unique())
