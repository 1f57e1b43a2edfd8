"""The sealer on a real Kafka."""

from __future__ import annotations

import pytest

from headrace.events import topics
from tests.archive.rig import PARTITIONS
from tests.seal.behaviour import SealBehaviour
from tests.seal.rig import SealRig
from tests.stack.made_anew import make_anew


@pytest.mark.kafka
class TestSealKafka(SealBehaviour):
    async def test_an_audit_topic_made_anew_ends_the_worker_with_a_word(self, rig: SealRig) -> None:
        worker = await rig.begin()
        await rig.write(20)
        await rig.sealed()
        await make_anew(rig.kafka, rig.prefix + topics.AUDIT, PARTITIONS)
        assert await worker.ended() == 1
        before = [seal for log in rig.logs for seal in rig.vault.seals(log.name)]
        for log in rig.logs:
            log.leaves, log.head, log.claim = [], "0" * 64, b""
        await rig.write(20)
        again = await rig.start(name="seal")
        assert await again.ended() == 1
        assert "was made anew" in again.log.read_text()
        assert [seal for log in rig.logs for seal in rig.vault.seals(log.name)] == before
