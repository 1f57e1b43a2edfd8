"""An export: what was chosen, streamed from the archive into files."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.export import choice as choosing
from headrace.cli.export import queries
from headrace.cli.export.choice import Choice, Found
from headrace.cli.export.manifest import MARK, NAME, Manifest
from headrace.cli.export.output import ENDINGS, Output, Replacing
from headrace.cli.export.sessions import SessionFiles, lines_of
from headrace.cli.faults import CommandError
from headrace.cli.place import need_place, partial_of

STDOUT: Final = Path("-")
JSONL: Final = "jsonl"

Told = Callable[[int, int], None]
"""Is told of rows or bytes written so far, and of the rows in all."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked, and where it goes."""

    choice: Choice
    out: Path
    """``-`` is stdout. A directory for one file a session, else a file."""
    form: str = JSONL
    single: bool = False
    compression: str | None = None
    safe: bool = False
    force: bool = False

    @property
    def in_files(self) -> bool:
        """Whether each session has a file of its own."""
        return self.form == JSONL and not self.single and self.out != STDOUT


@dataclass(slots=True)
class Result:
    """What was written."""

    rows: int = 0
    sessions: int = 0
    files: int = 0
    bytes: int = 0
    first: float | None = None
    """The earliest ``ts``; of formats that we do not look into as the archive counts it."""
    last: float | None = None
    changed: bool = False
    """The archive took or let go of events meanwhile: ``rows`` is then what it has now."""
    seconds: float = 0.0
    entries: list[dict[str, Any]] = field(default_factory=list)
    """Of a single file: what its manifest says of it."""

    def as_data(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "sessions": self.sessions,
            "bytes": self.bytes,
            "first_event_at": None if self.first is None else choosing.iso(self.first),
            "last_event_at": None if self.last is None else choosing.iso(self.last),
            "changed_meanwhile": self.changed,
        }


def export(archive: Archive, asked: Export, told: Told) -> Result:
    """Write it. Raises CommandError, OSError; what is not whole is then not there."""
    began = time.monotonic()
    found = choosing.count(archive, asked.choice)
    chunks = _chunks(archive, asked)
    if asked.in_files:
        result = _into_directory(chunks, asked, found, told)
    elif asked.out == STDOUT:
        result = _into(Output(sys.stdout.buffer, asked.compression), chunks, found, told)
    else:
        result = _into_file(archive, chunks, asked, found, told)
    result.seconds = time.monotonic() - began
    return result


def check(asked: Export) -> None:
    """Raise :class:`CommandError` where the output cannot or must not be made."""
    out = asked.out
    if out == STDOUT:
        if asked.form in ("parquet", "arrow") and sys.stdout.isatty():
            raise CommandError(f"{asked.form} is nothing for a terminal: give --out FILE")
        return
    need_place(out)
    if not out.exists():
        return
    if not asked.force:
        raise CommandError(f"{out} is there already: give another --out, or --force")
    if not (out.is_dir() or out.is_file()):
        raise CommandError(f"{out} is no file: `--out -` writes to stdout")
    if asked.in_files != out.is_dir():
        kind = "a directory" if out.is_dir() else "no directory"
        raise CommandError(f"{out} is {kind}: --force replaces like by like only")
    if asked.in_files and not _is_an_export(out):
        raise CommandError(f"{out} is no export: --force replaces nothing else")


def _is_an_export(directory: Path) -> bool:
    try:
        with (directory / NAME).open("rb") as file:
            return file.read(len(MARK) + 3).lstrip(b'{"').startswith(MARK.encode())
    except OSError:
        return False


def _chunks(archive: Archive, asked: Export) -> Iterator[bytes]:
    where, bound = asked.choice.where()
    settings = choosing.settings_of(archive)
    if asked.form == JSONL:
        return archive.raw(queries.lines(where), bound, queries.LINES, settings)
    query = queries.rows(archive, where, safe=asked.safe)
    return archive.raw(query, bound, queries.FORMATS[asked.form], settings)


def _into(output: Output, chunks: Iterator[bytes], found: Found, told: Told) -> Result:
    """Copy what comes; the rows are counted by the caller, who knows the format."""
    done = 0
    for chunk in chunks:
        output.write(chunk)
        done += len(chunk)
        told(done, 0)
    digest = output.finish()
    result = Result(found.rows, found.sessions, 1, output.bytes)
    _span(result, found)
    result.entries.append({"bytes": output.bytes, "sha256": digest})
    return result


def _into_file(
    archive: Archive, chunks: Iterator[bytes], asked: Export, found: Found, told: Told
) -> Result:
    beside = asked.out.with_name(f"{asked.out.name}.{NAME}")
    with Replacing(beside, force=True) as about:
        with Replacing(asked.out, force=asked.force) as file:
            result = _into(Output(file, asked.compression), chunks, found, told)
        after = choosing.count(archive, asked.choice)
        result.changed = after != found
        result.rows, result.sessions = after.rows, after.sessions
        _span(result, after)
        manifest = Manifest(about, _about(asked))
        manifest.add({"name": asked.out.name, **result.entries[0]})
        manifest.finish(result.as_data())
    return result


def _into_directory(chunks: Iterator[bytes], asked: Export, found: Found, told: Told) -> Result:
    result = Result()
    with _new_directory(asked) as directory, ExitStack() as stack:
        manifest = Manifest(stack.enter_context((directory / NAME).open("xb")), _about(asked))
        ending = f".jsonl{ENDINGS.get(asked.compression or '', '')}"
        files = SessionFiles(directory, ending, asked.compression)
        for lines in lines_of(chunks):
            for entry in files.write(lines):
                _add(result, manifest, entry)
            told(result.rows, found.rows)
        for entry in files.close():
            _add(result, manifest, entry)
        manifest.finish(result.as_data())
    return result


@contextmanager
def _new_directory(asked: Export) -> Iterator[Path]:
    """Yield a directory that becomes the export when all of it is there, and goes otherwise."""
    partial = partial_of(asked.out)
    partial.mkdir()
    try:
        yield partial
        if asked.out.exists():
            check(asked)  # it may have come meanwhile
            former = partial_of(asked.out.with_name(f"{asked.out.name}.former"))
            asked.out.rename(former)
            partial.rename(asked.out)
            shutil.rmtree(former)
        else:
            partial.rename(asked.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _add(result: Result, manifest: Manifest, entry: Mapping[str, Any]) -> None:
    manifest.add(entry)
    result.files += 1
    result.sessions += 1
    result.rows += entry["rows"]
    result.bytes += entry["bytes"]
    first, last = entry["first_ts"], entry["last_ts"]
    result.first = first if result.first is None else min(result.first, first)
    result.last = last if result.last is None else max(result.last, last)


def _span(result: Result, found: Found) -> None:
    if found.rows:
        result.first, result.last = found.first, found.last


def _about(asked: Export) -> dict[str, Any]:
    return {
        "made_at": choosing.iso(time.time()),
        "format": asked.form,
        "compression": asked.compression,
        "selection": asked.choice.as_data(),
    }
