"""The command group."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from headrace.cli.lazy import LazyGroup
from headrace.cli.main import USAGE
from headrace.cli.text import one_line

COMMANDS: Final[dict[str, str]] = {
    "up": "Run the whole local stack: Kafka, ClickHouse and the workers.",
    "demo": "Run real agents end to end and show what was recorded.",
    "worker": "Run stream processors against Kafka and ClickHouse.",
    "topics": "Create the Kafka topics, or compare them with what they should be.",
    "schema": "Apply the ClickHouse migrations, or list them.",
    "retention": "Show how long rows are kept, and apply it.",
    "status": "Show lag, rates and the health of each part.",
    "doctor": "Check the settings and everything they point at.",
    "sql": "Query the archive.",
    "query": "Ask the questions that people ask: slow tools, cost, loops, cache hits.",
    "sessions": "List the latest sessions.",
    "search": "Find words in what agents said, called and were told.",
    "replay": "Tell what happened in a session.",
    "export": "Take events out of the archive: JSON lines, Parquet, Arrow, CSV.",
    "tail": "Follow events live from Kafka.",
    "logs": "Show log records, and follow them.",
    "verify": "Account for every event: archived, set aside, dropped, in flight or missing.",
    "alerts": "Look at alerts, try rules on the past, and deliver again.",
    "silence": "Mute alerts for a while, list what is muted, end it early.",
    "audit": "Keep, prove and search the audit trail; its keys.",
    "scrub": "Check rules that rewrite secrets before the archive, and try them.",
    "backfill": "Send archives of events, from files, to Kafka.",
    "tail-file": "Follow log files and send their records to Kafka.",
    "dlq": "Look at dead letters, and send them again.",
    "forget": "Forget a person, and certify it.",
}
"""Every command with its line of help; it is ``headrace.cli.commands.<name>.<name>``."""


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    package="headrace.cli.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from HEADRACE_* variables (docs/settings.md) or a local stack's "
    "stack.json.",
)
@click.version_option(package_name="headrace")
def cli() -> None:
    """Record, archive, query and account for what AI agents do."""


def usage_line(error: click.ClickException) -> str:
    """Return a usage error as one line that says where help is."""
    path = (
        error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "headrace"
    )
    message = one_line(error.format_message()).rstrip(".")
    return f"{path}: {message} (see `{path} --help`)"


def run(args: Sequence[str] | None) -> int:
    """Run the group. Returns the exit code."""
    for library in ("clickhouse_connect", "aiokafka"):
        # Their warnings would print beside our one line; a worker sets up its own logging.
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        # Not cli.main(): it answers Ctrl-C and a closed pipe in its own way.
        with cli.make_context("headrace", list(sys.argv[1:] if args is None else args)) as context:
            result: Any = cli.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        print(usage_line(error), file=sys.stderr)
        return USAGE
    except UnicodeEncodeError as error:
        odd = error.object[error.start : error.end]
        if not all("\udc80" <= character <= "\udcff" for character in odd):
            raise
        # A byte of an argument. Only files have such names.
        print("headrace: an argument is not UTF-8: nothing is named so", file=sys.stderr)
        return USAGE
    return result if isinstance(result, int) else 0
