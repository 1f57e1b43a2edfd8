"""Reading the archive: one client a command, every wait bounded, faults in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

import urllib3.exceptions
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.cli.faults import CommandError
from headrace.cli.text import one_line
from headrace.events.settings import ClickHouseSettings, Settings
from headrace.sinks import connection

QUERY_SECONDS: Final = 300
"""The longest silence of a running query; ClickHouse's own default for HTTP clients."""

CHUNK: Final = 262_144
"""Bytes of an answer that are handed on at once."""

Row = dict[str, Any]

_VERSION: Final = re.compile(r"\s*\(version [^()]*(\([^()]*\))?[^()]*\)\s*")
_FOR_URL: Final = re.compile(r"\(for url [^)]*\)|\s*\[Server: [^\]]*\]")
_PREAMBLE: Final = re.compile(r".*?Code: \d+\. DB::Exception: ", re.DOTALL)


class Archive:
    """A ClickHouse connection that answers with plain rows. Not for several threads."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self.address = address
        """``host:port``, without the credential."""

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return the rows as dictionaries. Raises :class:`CommandError` in one line."""
        with _faults(self.address):
            result = self._client.query(query, parameters=dict(parameters or {}))
            return list(result.named_results())

    def stream(
        self, query: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[Sequence[Any]]:
        """Yield the rows one by one, in columns' order, without holding them all."""
        with (
            _faults(self.address),
            self._client.query_rows_stream(query, parameters=dict(parameters or {})) as rows,
        ):
            yield from rows

    def command(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Run a statement that answers with nothing. Raises :class:`CommandError`."""
        with _faults(self.address):
            self._client.command(
                statement, parameters=dict(parameters or {}), settings=dict(settings or {})
            )

    def insert(self, table: str, lines: Sequence[bytes]) -> None:
        """Insert lines of JSON. Raises :class:`CommandError`."""
        if lines:
            with _faults(self.address):
                self._client.raw_insert(table, insert_block=b"\n".join(lines), fmt="JSONEachRow")

    def settable(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return those settings that the server lets this user change: to send others fails."""
        open_ = {one.name for one in self._client.server_settings.values() if not one.readonly}
        return {name: value for name, value in settings.items() if name in open_}

    def raw(
        self,
        query: str,
        parameters: Mapping[str, Any] | None,
        output_format: str,
        settings: Mapping[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """Yield the server's own bytes in one of its formats, as they come."""
        with _faults(self.address):
            stream = self._client.raw_stream(
                query,
                parameters=dict(parameters or {}),
                settings=dict(settings or {}),
                fmt=output_format,
            )
            # Over HTTP this is urllib3's response, which the annotation does not tell.
            with closing(cast("BinaryIO", stream)) as body:
                while chunk := body.read(CHUNK):
                    yield chunk


@contextmanager
def connect(settings: Settings) -> Iterator[Archive]:
    """Connect to the archive that the settings name. Raises SettingsError or CommandError."""
    clickhouse = settings.need_clickhouse()
    address = address_of(clickhouse)
    with _faults(address):
        client = connection.connect(clickhouse, timeout=QUERY_SECONDS)
    try:
        yield Archive(client, address)
    finally:
        client.close()


def address_of(settings: ClickHouseSettings) -> str:
    """Return ``host:port`` of the server, without the credential."""
    return urlsplit(settings.url).netloc.rpartition("@")[2] or "?"


@contextmanager
def _faults(address: str) -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        raise CommandError(clickhouse_line(error, address)) from None
    except urllib3.exceptions.ProtocolError:
        raise CommandError(
            f"ClickHouse at {address} broke off in the middle of its answer"
        ) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise  # our own output's reader, not the server
        raise CommandError(_away(address)) from None


def clickhouse_line(error: Exception, address: str) -> str:
    """Shorten ClickHouse's answer to one line without URL, version and credential."""
    text = _FOR_URL.sub("", _VERSION.sub("", str(error)))
    lowered = text.lower()
    if "max retries exceeded" in lowered or "connection refused" in lowered:
        return _away(address)
    if "AUTHENTICATION_FAILED" in text or "Code: 516" in text:
        return (
            f"ClickHouse at {address} refuses the user or password: check HEADRACE_CLICKHOUSE_URL"
        )
    if "UNKNOWN_TABLE" in text or "UNKNOWN_DATABASE" in text:
        text += ": `headrace schema apply` makes the tables"
    return one_line(f"ClickHouse: {_PREAMBLE.sub('', text, count=1)}")


def _away(address: str) -> str:
    return f"ClickHouse at {address} does not answer: start it, or correct HEADRACE_CLICKHOUSE_URL"
