"""A leaf: one entry of an audit log, written once and never re-serialised.

One JSON object on one line. Of an event (``kind`` is ``event``)::

    {"v":1,"log":"9f86d081884c7d65-0","index":41,"prev":"<64 hex>","offset":1234,"kind":"event",
     "ts":1704067200.123456,"policy":"<16 hex>","class":"approval","tenant":"acme",
     "user":"<32 hex>","session":"<32 hex>","epoch":"0123456789abcdef","seq":12,
     "type":"confirmation_resolved","tool":"bash","key":"<key id>","data":"<base64>"}

``offset`` is the event's in its source partition, ``prev`` the hash of the leaf before, ``user``
(null where the event has none) and ``session`` are pseudonyms. ``tool`` is null where the event
names none. ``data`` is the source record's exact value, by AES-256-GCM-SIV (RFC 8452) with 16 bytes
of tag behind it; what stands before ``,"data":`` is authenticated with it, so that no ciphertext
can be moved to another leaf. The nonce follows from the identity: a redo writes the same bytes.

Of a policy that takes effect (``kind`` is ``policy``)::

    {"v":1,"log":…,"index":…,"prev":…,"offset":1235,"kind":"policy","ts":…,"policy":"<16 hex>",
     "class":"policy","text":"<the whole policy>"}

``offset`` is then the first source offset that it judges, ``ts`` when it was loaded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from headrace.events.errors import HeadraceError
from headrace.events.identity import Identity

VERSION: Final = 1
EVENT: Final = "event"
POLICY: Final = "policy"
_MARK: Final = b',"data":"'
_END: Final = b'"}'
TOOL_LENGTH: Final = 256
"""Characters of a tool's name that stand in the clear part."""


class LeafError(HeadraceError):
    """What should be a leaf is none, or its ciphertext does not fit its clear part or its key."""


class Leaf(msgspec.Struct, gc=False, frozen=True):
    """The clear part. Times in seconds since 1970."""

    log: str
    index: int
    prev: str
    offset: int
    kind: str
    ts: float
    policy: str
    audit_class: str = msgspec.field(name="class")
    tenant: str | None = None
    user: str | None = None
    session: str | None = None
    epoch: str | None = None
    seq: int | None = None
    type: str | None = None
    tool: str | None = None
    key: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a leaf stands."""

    log: str
    index: int
    prev: str
    """64 hex digits."""
    offset: int


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Who an event is about, without saying so."""

    user: str | None
    session: str


_leaf: Final = msgspec.json.Decoder(Leaf).decode


def read(leaf: bytes) -> Leaf:
    """Read the clear part. Raises :class:`LeafError`."""
    try:
        return _leaf(leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LeafError(f"not a leaf: {error}") from None


def policy_leaf(at: Position, *, ts: float, policy: str, text: str) -> bytes:
    return orjson.dumps(_begin(at, POLICY, ts, policy, POLICY) | {"text": text})


def event_leaf(
    at: Position,
    *,
    ts: float,
    policy: str,
    audit_class: str,
    identity: Identity,
    who: Pseudonyms,
    type: str,  # noqa: A002 - the field's name
    tool: Any,
    key_id: str,
    key: bytes,
    value: bytes,
) -> bytes:
    """Make an event's leaf: the same arguments give the same bytes. ``key``: 32 bytes."""
    head = orjson.dumps(
        _begin(at, EVENT, ts, policy, audit_class)
        | {
            "tenant": identity.tenant,
            "user": who.user,
            "session": who.session,
            "epoch": identity.epoch,
            "seq": identity.seq,
            "type": type,
            "tool": tool[:TOOL_LENGTH] if isinstance(tool, str) else None,
            "key": key_id,
        }
    )[:-1]
    sealed = AESGCMSIV(key).encrypt(_nonce(identity), value, head)
    return head + _MARK + base64.b64encode(sealed) + _END


def opened(leaf: bytes, key: bytes) -> bytes:
    """Return the source record's value. Raises :class:`LeafError`."""
    clear = read(leaf)
    head, mark, rest = leaf.rpartition(_MARK)
    if not mark or clear.kind != EVENT or not rest.endswith(_END):
        raise LeafError("this leaf holds no ciphertext")
    if None in (clear.tenant, clear.session, clear.epoch, clear.seq):
        raise LeafError("this leaf lacks the identity of its event")
    identity = Identity(clear.tenant or "", clear.session or "", clear.epoch or "", clear.seq or 0)
    try:
        sealed = _decoded(rest[: -len(_END)])
        return AESGCMSIV(key).decrypt(_nonce(identity), sealed, head)
    except (InvalidTag, binascii.Error, ValueError):
        raise LeafError(
            f"{clear.log} at index {clear.index} cannot be decrypted: changed, or another key's"
        ) from None


def _begin(at: Position, kind: str, ts: float, policy: str, audit_class: str) -> dict[str, Any]:
    return {
        "v": VERSION,
        "log": at.log,
        "index": at.index,
        "prev": at.prev,
        "offset": at.offset,
        "kind": kind,
        "ts": ts,
        "policy": policy,
        "class": audit_class,
    }


def _nonce(identity: Identity) -> bytes:
    """Return 12 bytes. One key and one identity is one event; GCM-SIV forgives where it is not."""
    return hashlib.sha256(orjson.dumps([identity.tenant, identity.epoch, identity.seq])).digest()[
        :12
    ]


def _decoded(text: bytes) -> bytes:
    """Read base64 in its one canonical spelling. Raises ValueError."""
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content) != text:
        raise ValueError("not canonical base64")
    return content
