"""The documentation is true: blocks run, tables are complete, generated pages are current."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import orjson
import pytest
from _pytest.mark.structures import ParameterSet

from headrace.cli.archive import connect
from headrace.cli.group import COMMANDS
from headrace.cli.group import cli as group
from headrace.events.envelope import decode
from headrace.events.topics import specs
from headrace.streams.metrics.observe import OBSERVERS
from tests.cli.conftest import Cli, Stack
from tests.docs.generate import DOCS, PAGES, every_command, parent

PAGES_OF_WORDS: Final = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
SECTIONS: Final = (
    *("events", "sessions", "turns", "tool_calls", "llm_calls", "epochs", "dropped"),
    *("metrics", "metrics_1m", "metrics_1h", "alert_transitions"),
)


def blocks(language: str) -> list[ParameterSet]:
    """Every block of a language, named by page and line."""
    found = []
    for page in PAGES_OF_WORDS:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            if match.group(1) == language:
                line = text[: match.start()].count("\n") + 1
                found.append(pytest.param(match.group(2), id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_are_current(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == PAGES[page](), "run: python -m tests.docs.generate"


@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_run(
    block: str, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(stack.settings.state_dir))
    monkeypatch.setenv("HEADRACE_TENANT", "acme")
    monkeypatch.setenv("HEADRACE_SPOOL_DIR", str(tmp_path / "spool"))
    here = block.replace("127.0.0.1:9092", stack.settings.need_kafka().bootstrap_servers)
    here = here.replace("/var/lib/headrace/spool", str(tmp_path / "spool"))
    scope: dict[str, object] = {"__name__": "block"}
    exec(compile(here, "block", "exec"), scope)
    producer = scope.get("producer")
    if producer is not None:
        producer.close(timeout=10)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", blocks("sql"))
def test_sql_blocks_run(block: str, on_stack: Cli) -> None:
    ran = on_stack("sql", block)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("block", blocks("json"))
def test_json_blocks_are_events(block: str) -> None:
    assert decode(orjson.dumps(orjson.loads(block))).v == 1


@pytest.mark.parametrize("block", [*blocks("bash"), *blocks("text")])
def test_command_lines_are_understood(block: str) -> None:
    for whole in block.splitlines():
        line = re.split(r" (?:\||&&|<|>) ", whole)[0]
        words = shlex.split(line.strip(), comments=True) if line.startswith("headrace ") else []
        if words:
            understand(words[1:])


def understand(words: list[str]) -> None:
    command: click.Command = group
    context = parent()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
    command.make_context("headrace", words, parent=context)


def test_examples_in_help_are_understood() -> None:
    for path, command in every_command():
        for example in getattr(command, "examples", ()):
            for part in re.split(r" (?:\||&&|<|>) ", example):
                if part.startswith("headrace "):
                    assert part.startswith(f"headrace {path}") or "&&" in example
                    understand(shlex.split(part)[1:])


def test_the_readme_has_every_command() -> None:
    readme = PAGES_OF_WORDS[0].read_text(encoding="utf-8")
    named = re.findall(r"^\| `headrace ([\w-]+)` \|", readme, re.MULTILINE)
    assert named == list(COMMANDS)


def test_every_topic_is_in_the_contract() -> None:
    contract = (DOCS / "contract.md").read_text(encoding="utf-8")
    for spec in specs(partitions=1, retention_days=1, max_event_bytes=1):
        assert f"`{spec.name}`" in contract


@pytest.mark.parametrize("view", SECTIONS)
def test_every_column_is_in_the_archives_page(view: str, stack: Stack) -> None:
    page = (DOCS / "archive.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {view}\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| (\w+) \| (.+?) \| .+ \|$", section, re.MULTILINE)[1:]
    with connect(stack.settings) as archive:
        there = [(row["name"], row["type"]) for row in archive.rows(f"DESCRIBE TABLE {view}")]
    assert documented == there


def test_every_event_that_is_counted_is_in_the_hooks_page() -> None:
    page = (DOCS / "hook.md").read_text(encoding="utf-8")
    for kind in OBSERVERS:
        if not kind.startswith("headrace."):
            assert f"\n| `{kind}` |" in page


def test_the_readme_leads_to_every_page() -> None:
    readme = PAGES_OF_WORDS[0].read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert f"(docs/{page.name})" in readme


def test_links_lead_somewhere() -> None:
    for page in [*PAGES_OF_WORDS, *sorted((DOCS.parent / "examples").glob("*.md"))]:
        for link in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8")):
            path, _, section = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            assert not section or section in sections_of(target), f"{page.name}: {link}"


def sections_of(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    text = page.read_text(encoding="utf-8")
    words = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.+)$", words, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_rows_of_tables_stand_in_tables() -> None:
    for page in [*PAGES_OF_WORDS, *sorted((DOCS.parent / "examples").glob("*.md"))]:
        lines = ["", *page.read_text(encoding="utf-8").splitlines(), ""]
        for number, (before, line) in enumerate(pairwise(lines), 1):
            if line.startswith("| ") and not before.startswith("|"):
                assert lines[number + 1].startswith("|---"), f"{page.name}:{number}: no head"
