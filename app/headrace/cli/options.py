"""Options that several commands share, and the examples in their help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headrace.events import settings as settings_module
from headrace.events.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A click command whose help ends with examples, one a line, ready to paste."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(example)


def command(*examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its name is the function's without ``_command``."""

    def decorate(function: Callable[..., Any]) -> Command:
        return click.command(cls=Command, examples=examples)(function)

    return decorate


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
