"""The page says what the mapping does."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.streams.traces import recording, semconv

PAGE = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")


def test_the_tables_are_the_mapping() -> None:
    for table in (semconv.ATTRIBUTES, semconv.EVENTS):
        rows = "\n".join(f"| `{name}` | {of} | {source} |" for name, (of, source) in table.items())
        assert f"\n{rows}\n\n" in PAGE
    assert f"version {semconv.SEMCONV_VERSION}" in PAGE


def test_every_reason_is_told() -> None:
    section = PAGE.partition("## Agents that died")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(recording.WHY)
