"""Turning lines of an archive into envelopes of ours: identity, and what is checked.

A line that has an identity (our own export) keeps it, and if it is written as our producer writes
it, its very bytes. Any other line gets one from the file: the epoch is made of the tenant, the
session and the bytes of the session's first line in the file; ``seq`` counts the session's lines.
So a file that is read again, under another name, packed, or after it grew, gives the same
identities to the same lines. Bad lines take no number: an epoch has no holes.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from headrace.cli.backfill.agentao_replays import Replays, is_replay
from headrace.cli.backfill.reading import Long
from headrace.cli.faults import CommandError
from headrace.events import types
from headrace.events.envelope import SEQ_MARK
from headrace.producers.kafka_log import shortened

_MAX_SEQ: Final = 2**63
_MAX_TS: Final = 2.0**32
_MAX_CACHED: Final = 10_000
_ABSENT: Final = msgspec.Raw()
_OURS: Final = frozenset({"v", "tenant", "session", "user", "agent", "trace", "epoch"})


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What stands in a line: the seed's five fields, and what our envelope adds."""

    ts: float
    session: str
    type: str
    data: msgspec.Raw
    tenant: str | None = None
    epoch: str | None = None
    seq: int | None = None
    v: int = 1
    user: str | None = None
    agent: str | None = None
    trace: str | None = None
    turn: int | None = None
    # Its text: the archive takes numbers that no float is (1e400), and export writes them.
    duration_ms: msgspec.Raw = _ABSENT


class _AnyLine(_Line, forbid_unknown_fields=False, gc=False):
    """The same with further fields."""


_decode: Final = msgspec.json.Decoder(_Line).decode
_decode_any: Final = msgspec.json.Decoder(_AnyLine).decode
_NUMBERS: Final = frozenset(b"-0123456789"[at : at + 1] for at in range(11))
"""How a number begins; that it goes on as one is seen when its line is decoded."""
_KNOWN: Final = frozenset(_Line.__struct_fields__)


class Bad(NamedTuple):
    """A line that is no event."""

    number: int
    """Of the line in the file, from 1."""
    line: bytes | Long
    reason: str


@dataclass(slots=True)
class Converted:
    """What became of a block of lines."""

    events: list[bytes] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    passed_over: int = 0
    """Lines that are no events and need not be: blank ones, and what frames a replay."""


class _Session:
    """How far the numbering of a session of the file has come."""

    __slots__ = ("begin", "epoch", "in_turn", "seq", "ts", "turn")

    def __init__(self, tenant: str, session: str, first: bytes) -> None:
        names = orjson.dumps({"v": 1, "tenant": tenant, "session": session})
        self.epoch = epoch_of(tenant, session, first)
        self.begin = b'%b,"epoch":"%b"%b' % (names[:-1], self.epoch, SEQ_MARK)
        self.seq = 0
        self.turn = 0
        self.in_turn = b""
        self.ts = 0.0


def epoch_of(tenant: str, session: str, first: bytes) -> bytes:
    """Return the epoch of a session whose first line in a file is this: 16 hex digits."""
    key = orjson.dumps(["backfill", tenant, session])
    return hashlib.sha256(key + b"\n" + first.strip()).hexdigest()[:16].encode()


class Converter:
    """Converts the lines of one file, in order. Holds a little for each session in it.

    ``tenant`` is that of lines that name none. Raises CommandError where it is needed and missing.
    """

    def __init__(self, tenant: str | None, max_event_bytes: int) -> None:
        self._tenant = tenant
        self._most = max_event_bytes
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._types: dict[str, tuple[bytes, bool]] = {}
        self._prefixes: dict[bytes, tuple[str, str, str] | None] = {}
        self._replays = Replays()
        self._number = 0

    def convert(self, lines: Sequence[bytes | Long]) -> Converted:
        """Convert the next lines."""
        done = Converted()
        add, most, number = done.events.append, self._most, self._number
        default, numbered = self._tenant, self._numbered
        if number == 0 and lines and not isinstance(lines[0], Long):
            lines = [lines[0].removeprefix(BOM_UTF8), *lines[1:]]
        for line in lines:
            number += 1
            try:
                read = _decode(line)  # type: ignore[arg-type] # what is Long raises
                if not line.isascii():  # type: ignore[union-attr]
                    line.decode()  # type: ignore[union-attr] # the archive refuses what is not UTF-8
                tenant = read.tenant or default
                if read.epoch is None and read.seq is None and tenant:
                    event: bytes | None = numbered(line, read, tenant)
                else:
                    event = self._taken(line, read)
            except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError):
                event = self._slowly(line, number, done)
            if event is None:
                continue
            add(event if len(event) <= most else shortened(event, most))
        self._number = number
        return done

    def ends(self) -> list[bytes]:
        """Return the end markers of the epochs that the file gave: nothing will follow."""
        part, _ = self._type(types.EPOCH_END)
        data = b'{"reason":"backfilled","dropped":{}}'
        return [
            b'%b%d,"ts":%a%b%b}' % (at.begin, at.seq + 1, at.ts, part, data)
            for at in self._sessions.values()
        ]

    def _numbered(self, line: Any, read: _Line, tenant: str, extra: bytes = b"") -> bytes:
        """Give a line its number. Raises ValidationError before it takes one."""
        data, ts, kind, session = bytes(read.data), read.ts, read.type, read.session
        if not (0 <= ts < _MAX_TS and session and kind and data[:1] == b"{"):
            raise msgspec.ValidationError
        known = self._types.get(kind)
        if known is None:
            known = self._type(kind)
        _duration(read)
        at = self._sessions.get((tenant, session))
        if at is None:
            at = self._sessions[tenant, session] = _Session(tenant, session, line)
        at.seq += 1
        at.ts = ts
        part, is_edge = known
        if _says_more(read):
            return _told(at, read, tenant, extra)
        if is_edge:
            return self._edge(at, kind) % (at.begin, at.seq, ts, part, data, extra)
        return b'%b%d%b,"ts":%a%b%b%b}' % (at.begin, at.seq, at.in_turn, ts, part, data, extra)

    def _edge(self, at: _Session, kind: str) -> bytes:
        """Begin or end a turn; how a line of it is written."""
        if kind == types.TURN_BEGIN:
            at.turn += 1
            at.in_turn = b',"turn":%d' % at.turn
        form = b"%b%d" + at.in_turn + b',"ts":%a%b%b%b}'
        if kind == types.TURN_END:
            at.in_turn = b""
        return form

    def _type(self, kind: str) -> tuple[bytes, bool]:
        """Return how a type is written, and whether it begins or ends a turn."""
        if len(self._types) >= _MAX_CACHED:
            self._types.clear()
        part = b',"type":%b,"data":' % orjson.dumps(kind)
        known = self._types[kind] = part, kind in {types.TURN_BEGIN, types.TURN_END}
        return known

    def _with_identity(self, line: bytes, read: _Line, extra: bytes) -> bytes:
        """Keep a line's identity; its bytes too, if a reader finds the identity where ours has it.

        The prefix is compared with what the whole line says: a key may stand there twice.
        """
        _check_identity(read)
        prefix = line[: line.find(SEQ_MARK)]
        if prefix not in self._prefixes:
            if len(self._prefixes) >= _MAX_CACHED:
                self._prefixes.clear()
            self._prefixes[prefix] = _identity_in(prefix)
        if self._prefixes[prefix] == (read.tenant, read.session, read.epoch) and not extra:
            return line
        return written(read, extra)

    def _slowly(self, line: bytes | Long, number: int, done: Converted) -> bytes | None:
        """Look closer at a line that is not as expected."""
        if isinstance(line, Long):
            done.bad.append(Bad(number, line, f"longer than is read ({line.size:,} bytes)"))
            return None
        if not line.strip():
            done.passed_over += 1
            return None
        fields: Any = None
        try:
            line.decode()
            fields = orjson.loads(line)
            if not isinstance(fields, dict):
                raise TypeError  # noqa: TRY301 - one place says what is wrong
            if is_replay(fields):
                recorded = self._replays.read(fields)
                if recorded is None:
                    done.passed_over += 1
                    return None
                return self._taken(line, _decode(orjson.dumps(recorded)))
            extra = {name: value for name, value in fields.items() if name not in _KNOWN}
            # The text of data stays as it is; only further fields are written anew.
            more = b"," + orjson.dumps(extra)[1:-1] if extra else b""
            return self._taken(line, _decode_any(line), more)
        except UnicodeDecodeError as error:
            why = f"not UTF-8 at byte {error.start}"
        except orjson.JSONDecodeError as error:
            why = f"not JSON: {error.msg} at byte {error.pos}"
        except RecursionError:
            why = "nested too deep"
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError):
            why = what_is_wrong(fields)
        done.bad.append(Bad(number, line, why))
        return None

    def _taken(self, line: Any, read: _Line, extra: bytes = b"") -> bytes:
        """Take a line as it is: with an identity, or without."""
        tenant = read.tenant or self._tenant
        if read.epoch is not None or read.seq is not None:
            read.tenant = tenant
            return self._with_identity(line, read, extra)
        if not tenant:
            raise CommandError("a line names no tenant: say whose events these are (--tenant)")
        return self._numbered(line, read, tenant, extra)


def _says_more(read: _Line) -> bool:
    given = (read.user, read.agent, read.trace, read.turn)
    return given != (None, None, None, None) or read.duration_ms is not _ABSENT


def _told(at: _Session, read: _Line, tenant: str, extra: bytes) -> bytes:
    """Write a line without an identity that says more than the seed's five fields."""
    read.v, read.tenant, read.epoch, read.seq = 1, tenant, at.epoch.decode(), at.seq
    if read.type == types.TURN_BEGIN:
        at.turn = at.turn + 1 if read.turn is None else read.turn
        at.in_turn = b',"turn":%d' % at.turn
    if read.turn is None and at.in_turn:
        read.turn = at.turn
    if read.type == types.TURN_END:
        at.in_turn = b""
    return written(read, extra)


def written(read: _Line, extra: bytes = b"") -> bytes:
    """Write a line with its identity as our producer does."""
    names: dict[str, Any] = {"v": read.v, "tenant": read.tenant, "session": read.session}
    for name in ("user", "agent", "trace"):
        if (value := getattr(read, name)) is not None:
            names[name] = value
    begin = orjson.dumps(names | {"epoch": read.epoch, "seq": read.seq})[:-1]
    told: dict[str, Any] = {}
    if read.turn is not None:
        told["turn"] = read.turn
    told["ts"] = read.ts
    text = _duration(read)
    took = b"" if text is None else b',"duration_ms":%b' % text
    kind, data = orjson.dumps(read.type), bytes(read.data)
    return b'%b,%b%b,"type":%b,"data":%b%b}' % (
        *(begin, orjson.dumps(told)[1:-1], took),
        *(kind, data, extra),
    )


def _check_identity(read: _Line) -> None:
    whole = read.tenant and read.session and read.epoch and read.type
    if not (whole and read.seq and 0 < read.seq < _MAX_SEQ and 0 <= read.ts < _MAX_TS):
        raise msgspec.ValidationError
    if bytes(read.data)[:1] != b"{":
        raise msgspec.ValidationError
    _duration(read)


def _duration(read: _Line) -> bytes | None:
    """Return the text of a duration: a number, or "nan". Raises ValidationError for others."""
    if read.duration_ms is _ABSENT:
        return None
    text = bytes(read.duration_ms)
    if text == b"null":
        return None
    if text[:1] not in _NUMBERS and text != b'"nan"':
        raise msgspec.ValidationError
    return text


def _identity_in(prefix: bytes) -> tuple[str, str, str] | None:
    """Return the identity in a prefix of ours; None where it is not written as ours are."""
    try:
        fields = orjson.loads(prefix + b"}")
        found = fields["tenant"], fields["session"], fields["epoch"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if fields.keys() <= _OURS and fields.get("v") == 1 else None


def what_is_wrong(fields: Any) -> str:
    """Say why a JSON value is no event. Names fields, never quotes what stands in them."""
    if not isinstance(fields, dict):
        return "not a JSON object"
    if is_replay(fields):
        return "a line of a recording that is not as agentao writes it"
    for name in ("session", "ts", "type", "data"):
        if name not in fields:
            return f"{name} is missing"
    for name in ("session", "type"):
        if not isinstance(fields[name], str) or not fields[name]:
            return f"{name} is no text, or empty"
    if not isinstance(fields["data"], dict):
        return "data is not an object"
    ts = fields["ts"]
    if isinstance(ts, bool) or not isinstance(ts, (int, float)) or not 0 <= ts < _MAX_TS:
        return "ts is not in seconds since 1970"
    if ("epoch" in fields) != ("seq" in fields):
        return "an identity needs both, epoch and seq"
    if "seq" in fields and (not isinstance(fields["seq"], int) or not 0 < fields["seq"] < _MAX_SEQ):
        return "seq is no whole number from 1 on"
    return "a field has the wrong type"
