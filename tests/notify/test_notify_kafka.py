"""The worker of ``notify`` on a real Kafka."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from headrace.events import topics
from tests.notify.behaviour import NotifyBehaviour
from tests.notify.endpoint import Endpoint
from tests.notify.rig import NotifyRig, alerts, news
from tests.stack.made_anew import make_anew


@pytest.mark.kafka
class TestNotifyKafka(NotifyBehaviour):
    async def test_an_end_that_stood_in_a_log_that_is_gone_is_told(
        self, rig: NotifyRig, ops: Endpoint
    ) -> None:
        rig.rules(("ops", ops))
        worker = await rig.begin()
        await rig.write(news("A.1"))
        await rig.got(ops, ("A.1", "firing"))
        assert await asyncio.to_thread(worker.stop) == 0
        end = orjson.dumps(news("A.1", "resolved", 2))
        await rig.produce([end], 0, rig.prefix + topics.ALERTS)
        await make_anew(rig.kafka, rig.prefix + topics.ALERTS_LOG, 1)
        await rig.begin()
        await rig.got(ops, ("A.1", "resolved"))
        await rig.write(news("B.1"))
        await rig.got(ops, ("B.1", "firing"))
        told = [alerts(got) for got in ops.got]
        assert told == [[("A.1", "firing")], [("A.1", "resolved")], [("B.1", "firing")]]
