"""What stands in a record, and when it was."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from headrace.cli.tail_file import formats
from headrace.cli.tail_file.dates import Days

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("line", "level", "logger", "message"),
    [
        (
            "2026-05-04 12:30:00,123 ERROR agentao.tools: broke: x",
            "ERROR",
            "agentao.tools",
            "broke: x",
        ),
        (
            "2026-05-04 12:30:00,123 - agentao.llm - WARNING - slow",
            "WARNING",
            "agentao.llm",
            "slow",
        ),
        ("[2026-05-04 12:30:00,123] [INFO] [agentao] - up", "INFO", "agentao", "up"),
        ("2026-05-04T12:30:00.123 WARN careful", "WARNING", "agentao", "careful"),
        ("2026-05-04 12:30:00.123 hello there", "INFO", "agentao", "hello there"),
    ],
)
def test_text(line: str, level: str, logger: str, message: str) -> None:
    raw = line.encode()
    assert formats.format_of(raw) == formats.TEXT
    record = formats.read(raw, formats.TEXT, BERLIN)
    data = record.data()
    assert (data["level"], data["logger"], data["message"]) == (level, logger, message)
    assert record.ts == datetime(2026, 5, 4, 12, 30, 0, 123000, BERLIN).timestamp()


def test_a_time_that_names_its_zone_keeps_it() -> None:
    record = formats.read(b"2026-05-04T12:30:00+0000 x", formats.TEXT, BERLIN)
    assert record.ts == datetime(2026, 5, 4, 12, 30, tzinfo=ZoneInfo("UTC")).timestamp()


def test_json() -> None:
    line = b'{"asctime":"2026-05-04 12:30:00,5","levelname":"ERROR","name":"a.b","msg":"m","k":[1]}'
    assert formats.format_of(line) == formats.JSON
    record = formats.read(line, formats.JSON, BERLIN)
    assert record.ts == datetime(2026, 5, 4, 12, 30, 0, 500000, BERLIN).timestamp()
    assert record.data() == {
        "level": "ERROR", "level_no": 40, "logger": "a.b", "message": "m", "extra": {"k": [1]},
    }  # fmt: skip
    assert formats.read(b"no json", formats.JSON, None).message == "no json"


@pytest.mark.parametrize("zone", [None, BERLIN])
@pytest.mark.parametrize(
    "day", ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "1969-12-31 10:00:00"]
)
def test_a_time_that_the_archive_would_refuse_is_none(day: str, zone: ZoneInfo | None) -> None:
    assert formats.read(f"{day} x".encode(), formats.TEXT, zone).ts is None
    assert formats.read(b'{"ts":"%b"}' % day.encode(), formats.JSON, zone).ts is None


@pytest.mark.parametrize(
    ("told", "ts"),
    [
        (b"1704067200.5", 1704067200.5),
        (b"1704067200500", 1704067200.5),
        (b"1704067200500000", 1704067200.5),
        (b"1704067200500000000", 1704067200.5),
        (b"1e300", None),
        (b"-1", None),
        (b"true", None),
    ],
)
def test_a_number_counts_seconds_or_parts_of_them(told: bytes, ts: float | None) -> None:
    assert formats.read(b'{"time":%b}' % told, formats.JSON, None).ts == ts


def test_a_traceback_is_an_error() -> None:
    raw = b"12:00:00.000 broke\nTraceback (most recent call last):\n  File\nValueError: \xff"
    data = formats.read(raw, formats.AGENTAO, None).data()
    assert (data["level"], data["message"]) == ("ERROR", "broke")
    assert data["exception"] == "Traceback (most recent call last):\n  File\nValueError: \ufffd"


def test_days_follow_the_clock_over_midnight() -> None:
    days = Days(BERLIN)
    modified = datetime(2026, 5, 4, 0, 0, 5, tzinfo=BERLIN).timestamp()
    evening, night = 23 * 3600 + 3599.0, 4.0
    before, after = days.known([evening, night], modified)
    assert (before, after) == (modified - 6, modified - 1)
    # Days of silence are not in the clock, but the file says when it was written.
    later = (datetime(2026, 5, 9, 0, 0, 30, tzinfo=BERLIN)).timestamp()
    assert days.known([30.0], later) == [later]
    # Two threads overtook each other.
    assert days.known([29.5], None) == [later - 0.5]


def test_a_day_of_25_hours_is_one() -> None:
    days = Days(BERLIN, datetime(2026, 10, 25, tzinfo=BERLIN).toordinal(), 0.0)
    (noon,) = days.known([12 * 3600.0], None)
    assert noon == datetime(2026, 10, 25, 12, tzinfo=BERLIN).timestamp()
