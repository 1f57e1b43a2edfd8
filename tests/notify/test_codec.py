"""Records that anybody may have written: what is none is said to be none, and stops nobody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from headrace.events.settings import KafkaSettings
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.notification import Notification
from headrace.streams.alerts.silences import silence
from headrace.streams.follower import Follower
from headrace.streams.notify.codec import decode_delivery, decode_silence
from headrace.streams.notify.silences_feed import SilencesFeed
from tests.notify.things import NOW, transition

STRANGE: list[Any] = [["a"], {"a": 1}, None]
SILENCE = silence(
    'tenant="acme"', starts_at=NOW, ends_at=NOW + 60, created_by="ann", comment="", now=NOW
).as_data()
DELIVERY = DeliveryRecord(
    "msg_1", Notification("ops", "g", {"a": "b"}, (transition(),)), "queued", 0, NOW, NOW
).as_dict()


@pytest.mark.parametrize("value", STRANGE)
@pytest.mark.parametrize("name", [name for name in SILENCE if name != "matchers"])
def test_a_silence_of_strange_parts_is_passed_over(name: str, value: Any) -> None:
    assert decode_silence(orjson.dumps(SILENCE)).as_data() == SILENCE
    with pytest.raises(ValueError, match="silence"):
        decode_silence(orjson.dumps({**SILENCE, name: value}))
    feed = SilencesFeed("silences")
    feed.take(SimpleNamespace(key=b"x", offset=0, value=orjson.dumps({**SILENCE, name: value})))
    assert not list(feed.silences)


@pytest.mark.parametrize("value", STRANGE)
@pytest.mark.parametrize("name", ["receiver", "group_key", "number", "tries", "reason", "first_at"])
def test_a_delivery_of_strange_parts_is_passed_over(name: str, value: Any) -> None:
    assert decode_delivery(orjson.dumps(DELIVERY)).as_dict() == DELIVERY
    with pytest.raises(ValueError, match="delivery"):
        decode_delivery(orjson.dumps({**DELIVERY, name: value}))


async def test_who_follows_no_longer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(KafkaSettings("127.0.0.1:9"), "silences", lambda _: None)
    asked = asyncio.Event()

    async def follow(_backoff: object) -> None:
        follower._caught_up.set()
        await asked.wait()
        raise RuntimeError("a fault")

    monkeypatch.setattr(follower, "_follow", follow)
    await follower.start()
    follower.check()
    asked.set()
    assert follower._task is not None
    await asyncio.wait([follower._task])
    with pytest.raises(RuntimeError, match="a fault"):
        follower.check()
    await follower.close()
