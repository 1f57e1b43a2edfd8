"""Sessions of real agents in the archive."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pytest

from tests.agentao.conftest import played
from tests.agentao.recording import Recorder
from tests.cli.conftest import Stack, insert
from tests.support import unique

__all__ = ["played"]


@dataclass(frozen=True)
class Cast:
    """The demo's sessions, archived under a tenant of the test's own."""

    tenant: str
    lines: list[bytes]

    def of(self, session: str) -> list[bytes]:
        return [line for line in self.lines if orjson.loads(line)["session"] == session]


@pytest.fixture(scope="session")
def cast(stack: Stack, played: Recorder) -> Cast:
    tenant = unique()
    mine = b'"tenant":"%b"' % tenant.encode()
    lines = [line.replace(b'"tenant":"test"', mine, 1) for line in played.lines()]
    insert(stack, lines)
    return Cast(tenant, lines)
