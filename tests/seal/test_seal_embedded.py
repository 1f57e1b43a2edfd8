"""The sealer on the embedded broker."""

from __future__ import annotations

from tests.seal.behaviour import SealBehaviour


class TestSealEmbedded(SealBehaviour):
    session_timeout = 2.0

    async def test_a_worker_that_begins_while_the_vault_is_away_ends(
        self, rig: SealRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that its supervisor starts it again; Faust would hang."""
        monkeypatch.setattr(processor, "OPEN_SECONDS", 0.5)
        rig.vault_directory.rename(rig.vault_directory.with_name("aside"))
        rig.vault_directory.write_text("the mount is gone")
        metrics = Metrics()
        rows = Rows(rig.vault, ClickHouseSink(rig.clickhouse, AUDIT), lambda _log: None, metrics)
        signing = open_signing(rig.settings)
        seal = SealProcessor(rig.settings, metrics, rig.vault, signing, rows=rows)
        await seal.app.start()
        try:
            await wait_until(lambda: seal.app.crashed, what="it gives up")
            assert str(seal.app.crash_reason) == "the vault has not answered for 0.5 s"
            assert seal.waiting_for_sink
        finally:
            await seal.app.stop()
            await seal.close()
