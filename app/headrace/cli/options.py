"""Options that several commands share, and the examples in their help."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from headrace.events import settings as settings_module
from headrace.events.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(click.Command):
    """A click command whose help ends with examples, one a line, ready to paste."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    # Never broken: a terminal folds it without a line break in what is pasted.
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Group(click.Group, Command):
    """A command that also has some of its own. Its help ends with examples."""


def command(*examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its name is the function's without ``_command``."""

    def decorate(function: Callable[..., Any]) -> Command:
        return click.command(cls=Command, examples=examples)(function)

    return decorate


class Span(click.ParamType):
    """A span of time: ``30s``, ``15m``, ``2h``, ``7d``, ``4w``."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        match = re.fullmatch(r"(\d{1,6})([smhdw])", str(value))
        if not match:
            self.fail(f"{value!r} is not a span such as 30s, 15m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})


class Moment(click.ParamType):
    """A span of time ago, or a time as ISO 8601 has it, in UTC where it does not say.

    Seconds since 1970.
    """

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        if re.fullmatch(r"\d{1,6}[smhdw]", str(value)):
            span: timedelta = Span().convert(value, param, ctx)
            return time.time() - span.total_seconds()
        try:
            # Python 3.10 does not read the Z that every other program writes.
            found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(
                f"{value!r} is not a time such as 2026-05-04 or 2026-05-04T12:30,"
                " nor a span such as 2h or 7d",
                param,
                ctx,
            )
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def since(*also: str, default: str | None = None, otherwise: str = "") -> Callable[[F], F]:
    """Return the option of when to begin. ``otherwise`` says what holds where it is not given."""
    said = f" [default: {otherwise}]" if otherwise else ""
    return click.option(
        "--since",
        *also,
        "since",
        type=Moment(),
        default=default,
        show_default=default is not None,
        help=f"From then on: 2h (ago), 7d, or 2026-05-04T12:30 (UTC).{said}",
    )


def until(*also: str) -> Callable[[F], F]:
    """Return the option of when to end."""
    return click.option("--until", *also, "until", type=Moment(), help="Before then, as --since.")


state_dir = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="State directory of the local stack (default: HEADRACE_STATE_DIR, else the user's).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
tenant = click.option("--tenant", help="Only this tenant.")


def load(state_dir: Path | None) -> Settings:
    """Read the settings once a process. Raises SettingsError."""
    return settings_module.load(state_dir=state_dir)
