"""The sealer on the embedded broker."""

from __future__ import annotations

import pytest
from faust.types import TP

from headrace.events import topics
from headrace.events.errors import Retryable, SettingsError
from headrace.sinks.audit.keys import open_signing
from headrace.sinks.clickhouse import ClickHouseSink
from headrace.sinks.tables import AUDIT
from headrace.streams.seal import processor
from headrace.streams.seal.processor import SealProcessor
from headrace.streams.seal.rows import Rows
from headrace.streams.worker_metrics import Metrics
from tests.seal.behaviour import SealBehaviour
from tests.seal.rig import SealRig


class TestSealEmbedded(SealBehaviour):
    session_timeout = 2.0

    async def test_who_begins_while_the_vault_is_away_gives_up_in_time(
        self, rig: SealRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Faust would give up without a word, and hang."""
        monkeypatch.setattr(processor, "OPEN_SECONDS", 0.3)
        aside = rig.vault_directory.rename(rig.vault_directory.with_name("aside"))
        rig.vault_directory.write_text("the mount is gone")
        metrics = Metrics()
        rows = Rows(rig.vault, ClickHouseSink(rig.clickhouse, AUDIT), lambda _log: None, metrics)
        signing = open_signing(rig.settings)
        seal = SealProcessor(rig.settings, metrics, rig.vault, signing, rows=rows)
        mine = {TP(rig.prefix + topics.AUDIT, 0)}
        with pytest.raises(Retryable, match=r"not answered for 0\.3 s: .* mount it"):
            await seal._starts(mine)
        assert seal.waiting_for_sink
        # What answers at last may be the empty directory that it was mounted at.
        rig.vault_directory.unlink()
        rig.vault_directory.mkdir()
        with pytest.raises(SettingsError, match="so it is not a vault"):
            await seal._starts(mine)
        assert list(rig.vault_directory.iterdir()) == []
        rig.vault_directory.rmdir()
        aside.rename(rig.vault_directory)
        assert await seal._starts(mine) == dict.fromkeys(mine, 0)
        assert not seal.waiting_for_sink
        await seal.close()
