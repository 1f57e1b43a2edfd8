"""Events whose texts are searched, and waiting until the index has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from headrace.sinks.connection import connect
from tests.cli.conftest import Stack, insert
from tests.support import wait_until_sync

_WAITING: Final = """
SELECT count() FROM headrace.texts_work
WHERE tenant = {tenant:String}
    AND mark NOT IN (SELECT fingerprint FROM headrace.texts WHERE tenant = '' AND session = '')
"""


def archive(stack: Stack, tenant: str, lines: Sequence[bytes]) -> None:
    """Put a tenant's events into the archive, and wait until all of its are in the index."""
    insert(stack, lines)
    client = connect(stack.writer)

    def indexed() -> bool:
        waiting: Any = client.query(_WAITING, parameters={"tenant": tenant}).result_rows[0][0]
        if waiting:
            client.command("SYSTEM REFRESH VIEW headrace.texts_feed")
        return not waiting

    try:
        wait_until_sync(indexed, 60, interval=0.1)
    finally:
        client.close()
