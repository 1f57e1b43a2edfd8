"""One line that says what a long command is doing; nothing where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final, final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

WIDTH: Final = 46
"""Columns of the text, so that the bar stands still."""


@final
class Line:
    """A spinner, a text, a bar, on stderr. Gone without a trace at the end. Any thread."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task: TaskID = self._progress.add_task("", total=None)

    def __enter__(self) -> Line:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, text: str, *, done: int = 0, total: int | None = None) -> None:
        """Show what goes on; without ``total`` the bar only shows that something does."""
        self._progress.update(
            self._task, description=f"{text:<{WIDTH}}", completed=done, total=total
        )
