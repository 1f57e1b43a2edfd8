"""What is wrong with a file of rules: all of it, or the first and where the others are told."""

from __future__ import annotations

import sys
from dataclasses import asdict

from headrace.cli.faults import CommandError
from headrace.cli.output import print_json
from headrace.cli.text import safe_text
from headrace.streams.alerts.tables import RulesError


def show_mistakes(error: RulesError, *, as_json: bool) -> None:
    """Print every mistake with its line: on stderr, or as one object for scripts."""
    if as_json:
        mistakes = [asdict(one) for one in error.problems]
        print_json({"source": error.source, "valid": False, "mistakes": mistakes})
        return
    for line in str(error).splitlines():
        print(safe_text(line), file=sys.stderr)


def first_mistake(error: RulesError, command: str) -> CommandError:
    """Tell the first mistake, and by which ``command`` the others are told."""
    first, *others = str(error).splitlines()
    more = f" ({len(others)} more)" if others else ""
    return CommandError(f"{first}{more}: see `{command}`")
