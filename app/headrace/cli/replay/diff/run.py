"""Compare two sessions in the form that was asked for."""

from __future__ import annotations

from typing import TextIO

from headrace.cli.archive import Archive
from headrace.cli.replay.diff import html, markdown, text
from headrace.cli.replay.diff.compare import compare
from headrace.cli.replay.diff.report import as_json
from headrace.cli.replay.read import find
from headrace.cli.replay.run import Asked
from headrace.cli.replay.show import Page
from headrace.cli.replay.story import read_story
from headrace.cli.text import safe_json
from headrace.streams.metrics.prices import Prices


def tell_diff(archive: Archive, left: Asked, right: Asked, prices: Prices, out: TextIO) -> int:
    """Compare two sessions, in the left one's form; return how many events they have.

    Raises CommandError.
    """
    places = [find(archive, one.session, one.tenant) for one in (left, right)]
    diff = compare(*(read_story(archive, place, prices) for place in places))
    if left.format == "json":
        out.write(safe_json(as_json(diff)) + "\n")
    elif left.format == "md":
        markdown.write(diff, out, full=left.full)
    elif left.format == "html":
        html.write(diff, out)
    else:
        text.show(diff, Page(out), full=left.full)
    return diff.left.about.events + diff.right.about.events
