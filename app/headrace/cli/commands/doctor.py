"""``headrace doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.text import Text

from headrace.cli import options
from headrace.cli.output import console, print_json
from headrace.cli.text import safe_text

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@options.command("headrace doctor", "headrace doctor --json | jq 'select(.level != \"ok\")'")
@options.as_json
@options.state_dir
def doctor(as_json: bool, state_dir: Path | None) -> int:
    """Check the settings and everything they point at.

    Versions, Kafka and its topics, ClickHouse and its schema, clocks, the parts, the rules of
    alerts, what receivers were not told, the audit trail's policy, keys and vault, what scrubs,
    who is being forgotten, the spool: one line each with what to do. Exit code 1 when something
    fails. --json prints a check a line.
    """
    from headrace.cli.health.doctor import FAIL, examine  # noqa: PLC0415 - slow to import

    failed = False
    for check in examine(lambda: options.load(state_dir)):
        failed = failed or check.level == FAIL
        if as_json:
            print_json({"name": check.name, "level": check.level, "text": check.text})
        else:
            level = (f"{check.level:<5}", _STYLES[check.level])
            rest = f"{safe_text(check.name)}: {safe_text(check.text)}"
            console().print(Text.assemble(level, rest), soft_wrap=True)
    return 1 if failed else 0
