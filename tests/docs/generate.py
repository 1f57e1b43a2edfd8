"""Write the generated pages: ``python -m tests.docs.generate``. The tests compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

from headrace.cli.group import cli
from headrace.cli.query.library import every as every_query
from headrace.events.metrics import METRICS as AGENT_METRICS
from headrace.events.metrics import WATERMARK, Metric
from headrace.events.settings import VARIABLES
from headrace.streams.worker_metrics_defs import METRICS

DOCS: Final = Path(__file__).parents[2] / "docs"
NOTE: Final = "<!-- Generated: python -m tests.docs.generate -->\n"


def settings_page() -> str:
    """Every variable, from the table that reads them."""
    rows = [f"| `{name}` | {_cell(meaning)} |" for name, meaning in VARIABLES.items()]
    return "\n".join(
        [
            "# Settings",
            "",
            NOTE,
            "Every process reads its settings once, from these variables. What `headrace up` runs",
            "is found through `stack.json` in the state directory; variables win over it. An",
            "unknown `HEADRACE_` variable is an error: a typing error must not pass for a setting.",
            "",
            "| variable | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def metrics_page() -> str:
    """Every metric of the workers, from their typed table."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} "
        f"| {_cell(one.help)} | {_cell(one.action)} |"
        for one in METRICS
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            NOTE,
            "Each worker serves these at `/metrics` (`headrace worker --metrics-port`); a local",
            "stack merges them at the `metrics` address of its `stack.json`.",
            "",
            "| metric | kind | labels | meaning | when it looks wrong |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "## What agents do",
            "",
            "`headrace worker metrics` counts these out of the events, each event once, in the",
            "pane of its own time. At `/metrics` they are running totals, with the labels `tenant`",
            "and `partition` (sum over it), without gauges; on `agent.metrics` they stand by pane,",
            "see [the contract](contract.md).",
            "",
            "| metric | at `/metrics` | kind | unit | labels | meaning |",
            "|---|---|---|---|---|---|",
            *(
                f"| `{one.name}` | {_shown(one)} | {one.kind} | {one.unit} "
                f"| {', '.join(f'`{label}`' for label in one.labels)} | {_cell(one.help)} |"
                for one in AGENT_METRICS.values()
            ),
            "",
        ]
    )


def _shown(metric: Metric) -> str:
    return "" if metric.name == WATERMARK else f"`{metric.prometheus_name}`"


def commands_page() -> str:
    """Every command's help, as click prints it."""
    lines = ["# Commands", "", NOTE]
    lines += [
        "Exit codes: 0 done; 1 done, and the answer is bad news (not healthy, does not add up); 2",
        "could not be done, and one line on stderr says what to do; 130 interrupted; 143 told to",
        "stop.",
        "",
    ]
    for path, command in every_command():
        context = click.Context(command, parent(), info_name=path, terminal_width=88)
        lines += [f"## headrace {path}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def queries_page() -> str:
    """Every named query, as its file has it."""
    lines = ["# Queries", "", NOTE]
    lines += [
        "`headrace query run NAME` asks one of these, `headrace query show NAME` prints it with",
        "your `--tenant`, `--since`, `--until` and `--limit` in it, and each runs as it stands",
        "here in any client of ClickHouse. They read the views of [the archive](archive.md), in",
        "which nothing stands twice.",
        "",
        "```bash",
        "headrace query list",
        "headrace query run slowest-tools --tenant acme --since 2d",
        "headrace query show cost-by-model --since 30d | headrace sql -",
        "```",
        "",
        "| query | answers |",
        "|---|---|",
        *(f"| [`{one.name}`](#{one.name}) | {_cell(one.question)} |" for one in every_query()),
        "",
    ]
    for one in every_query():
        lines += [f"## {one.name}", "", f"{one.question} {one.remarks}".rstrip(), ""]
        lines += ["```sql", one.text[one.text.index("WITH") :].rstrip(), "```", ""]
    return "\n".join(lines)


def parent() -> click.Context:
    """Make the context that commands have when they are called: it decides on ``-h``."""
    return click.Context(cli, info_name="headrace", **cli.context_settings)


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield the commands that do something, by their path."""
    yield from _leaves(cli, "")


def _leaves(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    # In the order in which they stand in the code; what is loaded lazily has a table.
    for name in group.commands or group.list_commands(parent()):
        command = group.get_command(parent(), name)
        assert command is not None
        if isinstance(command, click.Group) and command.invoke_without_command:
            yield name, command
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{before}{name} ")
        else:
            yield before + name, command


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
    "queries.md": queries_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
