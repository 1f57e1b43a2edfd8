"""What the archive does, whatever the broker: inherited for the embedded and for a real Kafka."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import ClickHouseSettings
from headrace.streams import dead_letter_box, topic_admin
from headrace.streams.dead_letter_box import Place
from tests.archive.rig import NOWHERE, PARTITIONS, OnARig, Rig
from tests.otlp.spans import trace, value
from tests.sinks.records import a_transition, pane
from tests.stack.clickhouse import start_clickhouse
from tests.support import wait_until


class ArchiveBehaviour(OnARig):
    async def test_what_is_sent_is_archived_and_committed(self, rig: Rig) -> None:
        await rig.produce([rig.line(seq) for seq in range(1, 3001)])
        worker = await rig.start()
        await rig.archived(3000)
        await wait_until(worker.healthy, what="healthy")
        await wait_until(lambda: _is(rig, dict.fromkeys(range(PARTITIONS), 1000)), what="commit")
        # What comes later is archived and committed too, batch after batch.
        await rig.produce([rig.line(seq) for seq in range(3001, 3301)])
        await rig.archived(3300)
        await wait_until(lambda: _is(rig, dict.fromkeys(range(PARTITIONS), 1100)), what="commit")
        assert await worker.metric("headrace_archive_rows_total") == 3300
        assert worker.stop() == 0

    async def test_the_last_commit_comes_with_the_stop(self, rig: Rig) -> None:
        worker = await rig.start()
        await wait_until(worker.healthy, 60, what="healthy")
        await rig.produce([rig.line(seq) for seq in range(1, 301)])
        await rig.archived(300)
        assert worker.stop() == 0
        assert sum((await rig.committed()).values()) == 300

    async def test_killed_in_the_middle_nothing_is_lost_or_doubled(self, rig: Rig) -> None:
        await rig.produce([rig.line(seq) for seq in range(1, 6001)])
        for _ in range(2):
            worker = await rig.start()
            await wait_until(lambda: _some_rows(rig), 60, what="the first rows")
            worker.kill()
            await rig.produce([rig.line(seq) for seq in range(1, 301)])  # and sent once more
        await rig.start()
        await rig.archived(6000, 90)
        await wait_until(lambda: _is_sum(rig, 6600), 60, what="all committed")
        await rig.archived(6000)

    async def test_workers_come_and_go(self, rig: Rig) -> None:
        total = 0
        first = await rig.start()
        await wait_until(first.healthy, 60, what="the first")
        for step in range(3):
            await rig.produce([rig.line(total + n) for n in range(1, 1501)])
            total += 1500
            if step == 0:
                second = await rig.start()
            elif step == 1:
                await wait_until(second.healthy, 60, what="the second")
                first.kill()
        await rig.archived(total, 90)
        await wait_until(lambda: _is_sum(rig, total), 60, what="all committed")
        assert second.stop() == 0

    async def test_poison_among_good_events_is_set_aside_and_comes_back(self, rig: Rig) -> None:
        values: list[bytes | None] = [rig.line(seq) for seq in range(1, 601)]
        bad = {
            50: b"not json",
            100: None,
            150: rig.line(1000) + rig.line(1001),
            200: b"",
            250: rig.line(0),
            300: rig.line(9).replace(b"piece 9", b"\xff"),
            350: rig.line(7, tenant=""),
        }
        for place, poison in bad.items():
            values.insert(place, poison)
        await rig.produce(values, partition=1)
        worker = await rig.start()
        await rig.archived(600)
        letters = await wait_until(
            lambda: _letters(rig, len(bad)), 30, what="the letters", interval=0.5
        )
        assert {letter.place for letter in letters} == {Place(rig.topic, 1, o) for o in bad}
        assert {letter.place.offset: letter.value or None for letter in letters} == {
            offset: value or None for offset, value in bad.items()
        }
        assert all(letter.reason and letter.key == b"key" for letter in letters)
        assert {letter.place.offset: letter.reason for letter in letters}[350] == "tenant is empty"
        assert await worker.metric("headrace_archive_dead_letters_total") == len(bad)
        one = await dead_letter_box.show(rig.settings, Place(rig.topic, 1, 50))
        assert one.value == b"not json"

        sent = await dead_letter_box.redrive(rig.settings, [one.place])
        assert [letter.place for letter in sent] == [one.place]
        # It is as bad as before: dead again at its new place, and no longer at its old one.
        letters = await wait_until(lambda: _letters(rig, len(bad)), 30, what="dead again")
        assert one.place not in {letter.place for letter in letters}
        with pytest.raises(dead_letter_box.NoSuchLetterError):
            await dead_letter_box.redrive(rig.settings, [one.place])
        again = await dead_letter_box.list_letters(rig.settings, redriven=True)
        assert len(again) == len(bad) + 1

    async def test_a_letter_too_long_for_its_queue_stops_nobody(self, rig: Rig) -> None:
        # Compressed it passes the topic's limit, which the letter alone would not.
        long = b"{bad" + b"x" * 3_000_000
        producer = AIOKafkaProducer(
            bootstrap_servers=rig.kafka, compression_type="gzip", max_request_size=4_000_000
        )
        async with producer:
            await producer.send_and_wait(rig.topic, long, b"k" * 100_000, partition=0)
        await rig.produce([rig.line(1)], partition=0)
        await rig.start()
        await rig.archived(1)
        await wait_until(lambda: _is_sum(rig, 2), 60, what="all committed")
        (letter,) = await _letters(rig, 1)
        assert letter.whole_bytes == len(long)
        assert letter.value == long[: rig.settings.max_event_bytes]
        assert letter.key
        with pytest.raises(dead_letter_box.CutLetterError):
            await dead_letter_box.redrive(rig.settings, [letter.place])
        assert await dead_letter_box.redrive(rig.settings) == []

    async def test_too_many_refused_stop_the_worker_without_acknowledging(self, rig: Rig) -> None:
        await rig.produce([rig.line(seq) for seq in range(1, 101)], partition=0)
        await rig.produce([b"{bad %d}" % n for n in range(200)], partition=0)
        worker = await rig.start("--max-dead-consecutive", "50")
        assert await worker.ended() == 1
        last = worker.log.read_text().strip().splitlines()[-1]
        assert "in a row were refused" in last
        assert sum((await rig.committed()).values()) == 0
        assert await dead_letter_box.list_letters(rig.settings) == []
        # Told to take it, it does.
        await rig.start("--max-dead-consecutive", "1000", "--max-dead-ratio", "1")
        await wait_until(lambda: _is_sum(rig, 300), 60, what="all committed")
        assert len(await dead_letter_box.list_letters(rig.settings)) == 200

    async def test_clickhouse_killed_in_the_middle_again_and_again(
        self, kafka: str, tmp_path: Path
    ) -> None:
        directory = tmp_path / "clickhouse"
        server = await asyncio.to_thread(start_clickhouse, directory)
        rig = Rig(kafka, ClickHouseSettings(server.writer_url), tmp_path, self.session_timeout)
        try:
            await rig.prepare()
            worker = await rig.start()
            await wait_until(worker.healthy, 60, what="healthy")
            await rig.produce([rig.line(seq) for seq in range(1, 1001)])
            await rig.archived(1000)
            for total in (1000, 3000):
                await wait_until(partial(_is_sum, rig, total), 60, what="all committed")
                server.process.kill()
                server.process.wait(10)
                await rig.produce([rig.line(seq) for seq in range(total + 1, total + 2001)])
                await wait_until(lambda: _waiting(worker), 60, what="the worker says that it waits")
                assert await _is_sum(rig, total)
                server = await asyncio.to_thread(
                    start_clickhouse, directory, "--port", str(server.port)
                )
                await rig.archived(total + 2000, 90)
            await wait_until(lambda: _is_sum(rig, 5000), 60, what="all committed")
            assert worker.process.poll() is None
        finally:
            await rig.close()
            server.stop()

    async def test_panes_transitions_and_spans_are_archived_as_events_are(self, rig: Rig) -> None:
        panes, alerts = rig.settings.topic(topics.METRICS), rig.settings.topic(topics.ALERTS_LOG)
        traces = rig.settings.topic(topics.SPANS)
        values = [pane(rig.tenant, total=n, partition=n) for n in range(10)]
        await rig.produce([*values, None, b"{bad", *values], partition=2, topic=panes)
        said = [a_transition(rig.tenant, id="a", seq=seq).encode() for seq in (1, 2, 3)]
        await rig.produce([*said, None, b"[]", *said], partition=0, topic=alerts)
        spans = [value(one) for one in trace(rig.tenant, 4)]
        await rig.produce([*spans, b'{"tenant":"x"}', *spans], partition=1, topic=traces)
        await rig.produce([rig.line(1)])
        worker = await rig.start()
        await rig.archived(1)
        await wait_until(lambda: _is(rig, {0: 1, 1: 0, 2: 0}), 60, what="events committed")
        letters = await wait_until(lambda: _letters(rig, 4), 30, what="the letters")
        assert {letter.place for letter in letters} == {
            Place(traces, 1, 5),
            Place(panes, 2, 11),  # and not 10, which only takes back
            Place(alerts, 0, 3),
            Place(alerts, 0, 4),
        }
        of_tenant = "WHERE tenant = {tenant:String}"
        assert await rig.scalar(f"SELECT sum(sum) FROM metrics {of_tenant}") == 45
        assert await rig.scalar(f"SELECT count() FROM alert_transitions {of_tenant}") == 3
        assert await rig.scalar(f"SELECT count() FROM otel_traces {of_tenant}") == 5

        sent = await dead_letter_box.redrive(rig.settings)
        assert {letter.place.topic for letter in sent} == {panes, alerts, traces}
        again = await wait_until(lambda: _letters(rig, 4), 30, what="dead again")
        assert {letter.place for letter in again if letter.place.topic != traces} == {
            Place(panes, 2, 22),
            Place(alerts, 0, 8),
            Place(alerts, 0, 9),
        }
        _, text = await asyncio.to_thread(worker.get, "/metrics")
        assert f'headrace_archive_rows_total{{topic="{panes}"}} 20.0' in text
        assert f'headrace_archive_rows_total{{topic="{alerts}"}} 6.0' in text
        assert f'dead_letters_total{{reason="malformed",topic="{panes}"}} 2.0' in text
        assert f'headrace_archive_rows_total{{topic="{traces}"}} 10.0' in text
        for topic in (rig.topic, panes, alerts, traces):
            assert f'freshness_seconds_bucket{{le="300.0",topic="{topic}"}}' in text
        assert worker.stop() == 0

    async def test_log_records_are_archived_as_events_are(self, rig: Rig) -> None:
        logs = rig.settings.topic(topics.LOGS)
        data = {"level": "ERROR", "level_no": 40, "logger": "agentao", "extra": {"a": [1]}}
        values = [
            rig.line(n, session="logged", epoch="00000000000000bb", type="log",
                     data=data | {"message": f"It broke {n}"})
            for n in range(1, 21)
        ]  # fmt: skip
        bad = rig.line(21, session="logged", epoch="00000000000000bb", tenant="")
        end = rig.line(
            21, session="logged", epoch="00000000000000bb", type="headrace.epoch_end",
            data={"reason": "closed", "dropped": {}},
        )  # fmt: skip
        await rig.produce([*values, None, bad, *values, end], partition=1, topic=logs)
        await rig.produce([rig.line(seq) for seq in range(1, 4)])
        await rig.start()
        await rig.archived(3)
        letters = await wait_until(lambda: _letters(rig, 2), 30, what="the letters")
        assert {letter.place for letter in letters} == {Place(logs, 1, 20), Place(logs, 1, 21)}
        of_tenant = "WHERE tenant = {tenant:String}"
        found = f"SELECT (count(), min(level), any(extra)) FROM logs {of_tenant}"
        assert await rig.scalar(found) == (20, "ERROR", '{"a":[1]}')
        assert await rig.scalar(f"SELECT count() FROM logs {of_tenant} AND text LIKE '%broke 7%'")
        epochs = f"SELECT (archived, end_seq) FROM epochs {of_tenant} AND session = 'logged'"
        assert await rig.scalar(epochs) == (21, 21)
        assert await rig.rows() == 3  # and none of the logs' epochs among them

        sent = await dead_letter_box.redrive(rig.settings)
        assert {letter.place.topic for letter in sent} == {logs}
        again = await wait_until(lambda: _letters(rig, 2), 30, what="dead again")
        assert {letter.place for letter in again} == {Place(logs, 1, 43), Place(logs, 1, 44)}

    async def test_topics_are_made_once(self, rig: Rig) -> None:
        assert await topic_admin.apply(rig.settings) == []
        assert await topic_admin.diff(rig.settings) == []

    async def test_a_topic_that_is_not_there_is_told(self, kafka: str, tmp_path: Path) -> None:
        rig = Rig(kafka, NOWHERE, tmp_path, 6)
        missing = await topic_admin.diff(rig.settings)
        assert rig.topic in {change.topic for change in missing}
        with pytest.raises(HeadraceError, match="topics apply"):
            await dead_letter_box.list_letters(rig.settings)


async def _is(rig: Rig, committed: dict[int, int]) -> bool:
    return await rig.committed() == committed


async def _is_sum(rig: Rig, total: int) -> bool:
    return sum((await rig.committed()).values()) == total


async def _some_rows(rig: Rig) -> bool:
    return await rig.rows() > 0


async def _letters(rig: Rig, count: int) -> list[dead_letter_box.Letter]:
    letters = await dead_letter_box.list_letters(rig.settings)
    if len(letters) != count:
        return []
    return [whole async for whole in dead_letter_box.with_values(rig.settings, letters)]


async def _waiting(worker: object) -> bool:
    _, text = await asyncio.to_thread(worker.get, "/healthz")  # type: ignore[attr-defined]
    return "waits for its sink" in text
