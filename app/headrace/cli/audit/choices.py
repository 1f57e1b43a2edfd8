"""Options that the subcommands of ``headrace audit`` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from headrace.cli import options
from headrace.cli.audit import selection
from headrace.cli.audit.access import login
from headrace.cli.audit.selection import Selection
from headrace.events.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def _whoever(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str:
    name = login() if value is None else value
    if not name:
        raise click.UsageError("your login is not known here: say who you are with --as")
    return name


who = click.option(
    "--as", "who", metavar="NAME", callback=_whoever, help="Who you are (default: your login)."
)
audit_class = click.option(
    "--class", "audit_class", help="Only of this class, as the policy names it."
)
_ABOUT = (
    click.option("--user", help="Only about this user (needs --tenant)."),
    click.option("--session", help="Only of this session (needs --tenant)."),
    click.option(
        "--pseudonyms", is_flag=True, help="User and session are given as evidence shows them."
    ),
)
_SELECTING = (
    options.tenant,
    *_ABOUT,
    click.option("--tool", help="Only of this tool."),
    audit_class,
    click.option("--type", "event_type", help="Only of this type of event."),
    options.since(),
    options.until(),
)


def about(function: F) -> F:
    """Give a command the options that say whom it is about."""
    return _with(function, _ABOUT)


def selecting(function: F) -> F:
    """Give a command the options that select evidence: see :func:`selection_of`."""
    return _with(function, _SELECTING)


def _with(function: F, chosen: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(chosen):
        function = option(function)
    return function


def selection_of(
    settings: Settings,
    *,
    tenant: str | None,
    user: str | None,
    session: str | None,
    pseudonyms: bool,
    tool: str | None,
    audit_class: str | None,
    event_type: str | None,
    since: float | None,
    until: float | None,
) -> Selection:
    """Return what the options select. Raises as :func:`selection.about`."""
    found = Selection(
        tenant=tenant,
        tool=tool,
        audit_class=audit_class,
        type=event_type,
        since=since,
        until=until,
    )
    return selection.about(settings, found, user=user, session=session, pseudonyms=pseudonyms)
