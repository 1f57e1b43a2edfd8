"""Judging and writing a partition, with a process that may end at every single write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.metrics import WATERMARK
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import compacted
from headrace.streams.alerts import processor as processor_module
from headrace.streams.alerts.alerts_log import AlertsLog
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.partition import AlertsPartition, Judged
from headrace.streams.alerts.processor import AlertsProcessor
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.span import Span
from headrace.streams.alerts.transition import Transition
from headrace.streams.app import remove_directory
from headrace.streams.metrics.pane import PaneKey
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Told
from headrace.streams.worker_metrics import Metrics
from tests.alerts.fakes import FakeKafka, Killed
from tests.alerts.support import T0, Clock, pane
from tests.support import wait_until

RULES = loads(
    """
[[rule]]
name = "Failing"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "20s"
above = 0.5
for = "10s"
keep_firing_for = "20s"
flap = { fires = 3, within = "2m" }
max_age = "1d"

[[rule]]
name = "Many"
sum = ["agent.tool.calls"]
window = "1m"
above = 20
max_age = "1d"
"""
)
SETTINGS = Settings(state_dir=Path("/nowhere"), kafka=KafkaSettings("127.0.0.1:9"))


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None


class Source:
    """One partition of agent.metrics."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, panes: Sequence[PaneRecord], end: int) -> None:
        """Add panes and behind them the word that panes up to a time (s) are whole."""
        told = [
            Told(PaneKey(p.tenant, p.start, 1), p.metric, p.labels, p.count, p.sum, (), p.offset)
            for p in panes
        ]
        told.append(Told(PaneKey("", 0, 0), WATERMARK, (), 1, float(end), (), end))
        for one in told:
            self.records.append(Record(len(self.records), record_of(one, "log", 0)[1]))


def calls(tenant: str, start: int, bad: int) -> list[PaneRecord]:
    return [
        pane("agent.tool.calls", start, 4 + bad, tenant=tenant, tool="a", status="ok"),
        pane("agent.tool.failures", start, bad, tenant=tenant, tool="a"),
    ]


async def opened(
    kafka: FakeKafka, source: Source, clock: Clock, rules: RuleSet = RULES
) -> AlertsPartition:
    """Make the partition as a new process does."""
    alerts = AlertsLog(SETTINGS, cast("Any", kafka))
    partition = AlertsPartition(0, rules, clock, end=len(source.records))
    judged = (await alerts.judged()).get(0, Judged())
    partition.restore((await alerts.transitions()).get(0, ()), judged)
    return partition


async def run(kafka: FakeKafka, source: Source, partition: AlertsPartition, until: int) -> None:
    """Read what is there, then judge and write until nothing is due."""
    new = [one for one in source.records if partition.offset <= one.offset < until]
    if new:
        partition.take(new)
    while partition.due:
        verdicts = partition.judge()
        await AlertsLog(SETTINGS, cast("Any", kafka)).write(verdicts)
        partition.has_written(verdicts)


def logged(kafka: FakeKafka) -> dict[tuple[str, int], dict[str, Any]]:
    """What the log says by identity; what stands there twice must be the same."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for _, value in kafka.topics.get(topics.ALERTS_LOG, ()):
        assert value is not None
        one = orjson.loads(value)
        del one["at"]
        assert found.setdefault((one["id"], one["seq"]), one) == one
    return found


@pytest.fixture(autouse=True)
def reads_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    async def latest(_settings: KafkaSettings, topic: str) -> dict[bytes, bytes]:
        return await _current[0].latest(_settings, topic)

    monkeypatch.setattr(compacted, "latest", latest)


_current: list[FakeKafka] = []


def fresh() -> FakeKafka:
    """Make another one, which is the one that is read from now on."""
    _current[:] = [FakeKafka()]
    return _current[0]


def a_story(bad: list[int]) -> tuple[Source, list[int]]:
    """Two tenants, of which one behaves the other way round; where each pane's telling ends."""
    source, stops = Source(), []
    source.add([], T0)
    for number, one in enumerate(bad):
        start = T0 + 10 * number
        source.add(calls("acme", start, one) + calls("other", start, 9 - one), start + 10)
        stops.append(len(source.records))
    return source, stops


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0, 9]), min_size=3, max_size=12), st.data())
def test_a_process_that_ends_at_any_write_tells_the_same(
    bad: list[int], data: st.DataObject
) -> None:
    source, stops = a_story(bad)
    clock = Clock(T0 + 10 * len(bad) + 1)

    async def whole() -> FakeKafka:
        kafka = fresh()
        partition = await opened(kafka, Source(), clock)
        await run(kafka, source, partition, 1)
        for stop in stops:
            await run(kafka, source, partition, stop)
        return kafka

    want = asyncio.run(whole())
    deaths = data.draw(st.lists(st.integers(1, max(1, want.sends)), max_size=4))

    async def broken() -> FakeKafka:
        kafka = fresh()
        await run(kafka, source, await opened(kafka, Source(), clock), 1)
        for death in deaths:
            kafka.killed_at = kafka.sends + death
            partition = await opened(kafka, source, clock)
            try:
                for stop in stops:
                    await run(kafka, source, partition, stop)
            except Killed:
                pass
        kafka.killed_at = -1
        await run(kafka, source, await opened(kafka, source, clock), stops[-1])
        return kafka

    got = asyncio.run(broken())
    assert logged(got) == logged(want)
    assert asyncio.run(got.latest(SETTINGS.need_kafka(), topics.ALERTS)).keys() == (
        asyncio.run(want.latest(SETTINGS.need_kafka(), topics.ALERTS)).keys()
    )


async def test_late_data_that_nobody_judged_are_judged_by_the_next() -> None:
    kafka, clock = fresh(), Clock(T0 + 41)
    source = Source()
    source.add([], T0)
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    source.add([], T0 + 40)
    await run(kafka, source, partition, len(source.records))
    assert logged(kafka) == {}
    # Told, and the process ends before it judges.
    source.add(calls("acme", T0 + 20, 9), T0 + 40)
    after = await opened(kafka, source, clock)
    await run(kafka, source, after, len(source.records))
    assert [one["state"] for one in logged(kafka).values()] == ["pending"]
    assert after.engine.late == 2


async def test_late_data_wait_for_a_second_at_most() -> None:
    kafka, clock = fresh(), Clock(T0 + 41)
    source = Source()
    source.add([], T0 + 40)
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    source.add(calls("acme", T0 + 20, 9), T0 + 40)
    await run(kafka, source, partition, len(source.records))
    assert logged(kafka) == {}
    clock.now += 1
    await run(kafka, source, partition, len(source.records))
    assert [one["state"] for one in logged(kafka).values()] == ["pending"]


async def test_a_worker_that_is_behind_writes_as_it_goes() -> None:
    kafka, clock = fresh(), Clock(T0 + 1)
    source = Source()
    source.add([], T0)
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    source.add([], T0 + 3600)
    clock.now = T0 + 3601.0
    await run(kafka, source, partition, len(source.records))
    ends = [orjson.loads(value)["end"] for _, value in kafka.topics[topics.ALERTS_STATE] if value]
    assert ends == [T0, *range(T0 + 60, T0 + 3601, 60)]


async def test_nothing_is_judged_before_the_past_is_read() -> None:
    kafka, clock = fresh(), Clock(T0 + 21)
    source = Source()
    source.add(calls("acme", T0, 9), T0 + 10)
    source.add(calls("acme", T0 + 10, 0), T0 + 20)
    partition = await opened(kafka, source, clock)
    await run(kafka, source, partition, 3)
    assert not partition.caught_up
    assert kafka.sends == 0
    await run(kafka, source, partition, len(source.records))
    assert partition.written.end == T0 + 20


async def test_ended_alerts_leave_the_compacted_topic_when_nobody_minds_them_any_more() -> None:
    kafka, clock = fresh(), Clock(T0 + 1000)
    source = Source()
    source.add([], T0)
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    source.add(calls("acme", T0, 9), T0 + 20)  # pending, then over with its window
    source.add([], T0 + 120)
    await run(kafka, source, partition, len(source.records))
    assert [one["state"] for one in logged(kafka).values()] == ["pending", "firing", "resolved"]
    assert len(await kafka.latest(SETTINGS.need_kafka(), topics.ALERTS)) == 1
    source.add([], T0 + 170)
    again = await opened(kafka, source, clock)
    await run(kafka, source, again, len(source.records))
    assert len(await kafka.latest(SETTINGS.need_kafka(), topics.ALERTS)) == 1
    source.add([], T0 + 180)
    await run(kafka, source, again, len(source.records))
    assert await kafka.latest(SETTINGS.need_kafka(), topics.ALERTS) == {}


async def test_a_clock_that_was_ahead_silences_nothing() -> None:
    kafka, clock = fresh(), Clock(T0 + 5)
    future = orjson.dumps({"end": T0 + 10**8, "offset": 0})
    kafka.topics[topics.ALERTS_STATE] = [(b"judged/0", future)]
    source = Source()
    source.add([], T0 + 10)
    partition = await opened(kafka, source, clock)
    clock.now = T0 + 11.0
    await run(kafka, source, partition, 1)
    assert partition.written.end == T0 + 10


async def test_an_alert_of_a_clock_that_was_ahead_goes_on_and_ends() -> None:
    kafka, clock = fresh(), Clock(T0 + 21)
    source, stops = a_story([9, 9])
    partition = await opened(kafka, Source(), clock)
    for stop in (1, *stops):
        await run(kafka, source, partition, stop)
    assert {(alert.rule, alert.state) for alert in partition.open} == {
        ("Failing", "firing"),
        ("Many", "firing"),
    }
    ahead = 10**7
    for topic in (topics.ALERTS, topics.ALERTS_STATE):
        for key, value in list(kafka.topics[topic]):
            one = orjson.loads(value or b"")
            for name in {"end", "pane", "judged", "starts_at"} & one.keys():
                one[name] += ahead
            kafka.topics[topic].append((key, orjson.dumps(one)))
    source.add([], T0 + 90)
    clock.now = T0 + 31.0
    after = await opened(kafka, source, clock)
    assert len(list(after.open)) == 2
    clock.now = T0 + 91.0
    await run(kafka, source, after, len(source.records))
    assert not after.open


async def test_a_clock_that_went_back_ends_the_worker() -> None:
    """The next one judges from now on."""
    kafka, clock = fresh(), Clock(T0 + 7300)
    source = Source()
    source.add([], T0 + 7200)
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    clock.now = T0 + 3600.0
    assert not partition.due
    clock.now = T0 + 10.0
    with pytest.raises(HeadraceError, match="clock went back"):
        _ = partition.due
    after = await opened(kafka, source, clock)
    assert not after.due
    source.add([], T0 + 20)
    clock.now = T0 + 21.0
    after.take(source.records)
    assert after.due


async def test_what_cannot_be_read_is_passed_over() -> None:
    clock = Clock(T0 + 11)
    partition = AlertsPartition(0, RULES, clock)
    source = Source()
    source.add([], T0 + 10)
    bad = [Record(0, b"{"), Record(1, b"null"), Record(2, None), Record(3, b'{"metric": "x"}')]
    partition.take([*bad, Record(4, source.records[0].value)])
    assert partition.unreadable == 2
    assert partition.due


async def test_a_record_of_alerts_that_cannot_be_read_is_passed_over() -> None:
    kafka = fresh()
    kafka.topics[topics.ALERTS] = [(b"x", b"{"), (b"y", b"[]"), (b"z", b"{}")]
    assert await AlertsLog(SETTINGS, cast("Any", kafka)).transitions() == {}


async def test_kafka_away_loses_and_reorders_nothing() -> None:
    kafka, clock = fresh(), Clock(T0 + 61)
    source, stops = a_story([0, 9, 9, 9, 0, 0])
    processor = AlertsProcessor(SETTINGS, Metrics(), RULES, clock=clock)
    inside = cast("Any", processor)
    inside._producer = kafka
    partition = await opened(kafka, Source(), clock)
    await run(kafka, source, partition, 1)
    partition.take(source.records[1 : stops[2]])
    kafka.away, kafka.unacknowledged = True, True  # written, but who knows
    inside._partitions = {0: partition}
    judging = asyncio.create_task(inside._keep_judging())
    try:
        await wait_until(lambda: processor.waiting_for_sink, what="trouble")
        kafka.unacknowledged = False
        partition.take(source.records[stops[2] :])
        sends = kafka.sends
        await wait_until(lambda: kafka.sends > sends, what="another try")
        assert partition.written == Judged(T0, 1)
        kafka.away = False
        await wait_until(lambda: partition.written.end == T0 + 60, what="what was missed")
        assert not processor.waiting_for_sink
        assert not processor.failed.done()
    finally:
        judging.cancel()
        remove_directory(processor.app)
    calm = fresh()
    whole = await opened(calm, Source(), clock)
    for stop in (1, *stops):
        await run(calm, source, whole, stop)
    assert logged(kafka) == logged(calm)
    order = [key for key, _ in _first_writes(kafka)]
    assert order == [key for key, _ in _first_writes(calm)]


def _first_writes(kafka: FakeKafka) -> list[tuple[tuple[str, int], Transition]]:
    found: dict[tuple[str, int], Transition] = {}
    for _, value in kafka.topics[topics.ALERTS_LOG]:
        one = Transition.from_data(orjson.loads(value or b""))
        found.setdefault((one.id, one.seq), one)
    return list(found.items())


async def test_alerts_of_a_rule_that_is_gone_end() -> None:
    kafka, clock = fresh(), Clock(T0 + 21)
    source, stops = a_story([9, 9])
    partition = await opened(kafka, Source(), clock)
    for stop in (1, *stops):
        await run(kafka, source, partition, stop)
    assert "firing" in {one["state"] for one in logged(kafka).values()}
    source.add([], T0 + 30)
    clock.now = T0 + 31.0
    await run(kafka, source, await opened(kafka, source, clock, loads("")), len(source.records))
    latest = await kafka.latest(SETTINGS.need_kafka(), topics.ALERTS)
    assert {orjson.loads(value)["state"] for value in latest.values()} == {"resolved"}


async def test_a_partition_that_others_have_judged_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def found(_kafka: KafkaSettings, _topic: str, since: dict[int, float]) -> dict[int, Span]:
        return dict.fromkeys(since, Span(7, 9))

    monkeypatch.setattr(processor_module, "spans", found)
    kafka = fresh()
    kafka.topics[topics.ALERTS_STATE] = [(b"judged/0", orjson.dumps({"end": T0, "offset": 5}))]
    processor = AlertsProcessor(SETTINGS, Metrics(), RULES, clock=Clock(T0 + 1))
    inside = cast("Any", processor)
    inside._producer = kafka
    place = TP(SETTINGS.topic(topics.METRICS), 0)
    try:
        assert await inside._starts({place}) == {place: 7}
        inside._partitions[0].offset = 8
        assert await inside._starts({place}) == {place: 8}
        other = orjson.dumps({"end": T0 + 10, "offset": 6})
        kafka.topics[topics.ALERTS_STATE].append((b"judged/0", other))
        assert await inside._starts({place}) == {place: 7}
        assert inside._partitions[0].written == Judged(T0 + 10, 6)
        assert await inside._starts(set()) == {}
    finally:
        remove_directory(processor.app)
