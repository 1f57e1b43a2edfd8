"""What a request asks for, read from its URL, headers and form."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headrace.local.clickhouse import formats, native
from headrace.local.clickhouse.errors import ClickHouseError, refused

_TRANSPORT: Final = frozenset(
    {"query", "database", "default_format", "user", "password", "quota_key", "query_id", "role"}
    | {"session_id", "session_timeout", "session_check", "compress", "decompress", "buffer_size"}
    | {"wait_end_of_query", "client_protocol_version", "stacktrace", "enable_http_compression"}
    | {"send_progress_in_http_headers", "http_headers_progress_interval_ms", "close_session"}
    | {"http_zlib_compression_level", "add_http_cors_header", "http_response_buffer_size"}
    | {"cancel_http_readonly_queries_on_client_close", "http_write_exception_in_output_format"}
    | {"http_wait_end_of_query", "http_make_head_request"}
)
ON: Final = ("1", "true")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTIFIER: Final = re.compile(r"[\w$ .:@-]{1,128}")
FORBIDDEN_SETTINGS: Final = frozenset({"readonly", "log_comment"})
"""Settings that the server owns: who is readonly, and by what a query is found and killed."""


@dataclass(frozen=True, slots=True)
class Query:
    """A request's parameters, apart from its text."""

    user: str
    query_id: str
    database: str
    default_format: str
    settings: dict[str, str] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)
    session_id: str | None = None
    session_timeout: float = 60.0
    session_check: bool = False
    reframed: bool = False
    """Whether Native blocks are wanted as newer protocols frame them."""


def read(user: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Query:
    """Read the parameters. Raises :class:`ClickHouseError` (36, 497)."""
    settings: dict[str, str] = {}
    bound: dict[str, str] = {}
    for name, value in params.items():
        if name.startswith("param_"):
            bound[_checked(name)[len("param_") :]] = value
        elif name not in _TRANSPORT:
            if name == "readonly" and value == "2" and user != "writer":
                continue  # what a reader is anyway: ClickStack asks for it with each chart of SQL
            if name.lower() in FORBIDDEN_SETTINGS:
                raise refused(f"the setting {name} is the server's")
            settings[_checked(name)] = value
    if any(params.get(name, "0") in ON for name in ("compress", "decompress")):
        raise ClickHouseError(
            48, "compress=1 is not served: ask for gzip, lz4 or zstd by HTTP", "NOT_IMPLEMENTED"
        )
    reframed = _protocol(params.get("client_protocol_version", "")) >= native.FLAGGED
    if reframed:
        settings |= native.SETTINGS
    return Query(
        user=user,
        query_id=_query_id(params, headers),
        database=params.get("database") or headers.get("X-ClickHouse-Database") or "",
        default_format=formats.checked(
            params.get("default_format") or headers.get("X-ClickHouse-Format") or formats.DEFAULT
        ),
        settings=settings,
        bound=bound,
        session_id=params.get("session_id") or None,
        session_timeout=_timeout(params.get("session_timeout")),
        session_check=params.get("session_check", "0") in ON,
        reframed=reframed,
    )


def _protocol(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ClickHouseError(115, f"Unknown setting {name[:64]!r}", "UNKNOWN_SETTING")
    return name


def _query_id(params: Mapping[str, str], headers: Mapping[str, str]) -> str:
    wanted = params.get("query_id") or headers.get("X-ClickHouse-Query-Id") or ""
    return wanted if _IDENTIFIER.fullmatch(wanted) else str(uuid.uuid4())


def _timeout(text: str | None) -> float:
    if text is None:
        return 60.0
    try:
        seconds = float(text)
    except ValueError:
        raise ClickHouseError(374, "Invalid session timeout", "INVALID_SESSION_TIMEOUT") from None
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - ClickHouse's own default bound
        raise ClickHouseError(
            374, "Session timeout must be above 0 and at most 3600 s", "INVALID_SESSION_TIMEOUT"
        )
    return seconds
