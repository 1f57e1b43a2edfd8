"""Evidence in ClickHouse, made and written as the split and the sealer do."""

from __future__ import annotations

import hashlib
import time
from types import TracebackType
from typing import Any, Final

import orjson

from headrace.events.identity import Identity
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.keys import DataKeys, KeyName, open_signing
from headrace.sinks.audit.leaf import Position, Pseudonyms
from headrace.sinks.audit.tree.merkle import Frontier, leaf_hash
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.seal import AuditPosition, PolicyDays, Seal
from headrace.sinks.audit.vault.segment import SealedLeaf
from headrace.sinks.audit.vault.vault import open_vault
from headrace.sinks.connection import connect
from headrace.streams.audit.fold import NO_HASH
from tests.cli.conftest import EPOCH, START, Stack

TABLE = """CREATE TABLE IF NOT EXISTS headrace.audit_raw (
    log String, `index` UInt64, tenant String, user String, session String, epoch String,
    seq UInt64, ts Float64, type String, tool String, class String, policy String, key String,
    leaf String, hash FixedString(32), sealed_at DateTime64(3, 'UTC'),
    retain_until Nullable(DateTime('UTC')))
    ENGINE = ReplacingMergeTree ORDER BY (tenant, session, epoch, seq, log, `index`)"""
VIEW = """CREATE VIEW IF NOT EXISTS headrace.audit SQL SECURITY INVOKER AS
    SELECT * FROM headrace.audit_raw FINAL"""


DAYS: Final = {"approval": 365, "session": 365, "permission": 90, "erasure": None}


class Evidence:
    """Of one tenant, in a log of its own, in ClickHouse and, once sealed, in the vault."""

    def __init__(self, stack: Stack, keys: DataKeys, tenant: str) -> None:
        self.tenant = tenant
        self.log = hashlib.sha256(tenant.encode()).hexdigest()[:16] + "-0"
        self.vault = open_vault(stack.settings)
        self._signing = open_signing(stack.settings)
        self._keys = keys
        self._frontier = Frontier()
        self._unsealed: list[SealedLeaf] = []
        self._head = self._sealed_head = NO_HASH
        self._client = connect(stack.writer)
        for sql in (TABLE, VIEW):
            self._client.command(sql)

    def add(
        self,
        kind: str,
        *,
        user: str | None = "ann",
        session: str = "s-1",
        tool: str | None = None,
        audit_class: str = "approval",
        data: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Write one leaf; return the id of its key."""
        index = self._frontier.size + len(self._unsealed)
        tenant = self.tenant if tenant is None else tenant
        identity = Identity(tenant, session, EPOCH, index + 1)
        who = Pseudonyms(
            None if user is None else self._keys.pseudonym("user", tenant, user),
            self._keys.pseudonym("session", tenant, session),
        )
        name = KeyName(who.user or who.session, audit_class)
        key = self._keys.current([name])[name]
        ts = START + index
        event = {"v": 1, "tenant": tenant, "session": session, "user": user, "ts": ts} | {
            "epoch": EPOCH,
            "seq": index + 1,
            "type": kind,
            "data": {"tool": tool, **(data or {})},
        }
        made = leaves.event_leaf(
            Position(self.log, index, self._head, index),
            ts=ts,
            policy="0" * 16,
            audit_class=audit_class,
            identity=identity,
            who=who,
            type=kind,
            tool=tool,
            key_id=key.id,
            key=key.key,
            value=orjson.dumps(event),
        )
        digest = leaf_hash(made)
        self._head = digest.hex()
        self._unsealed.append(SealedLeaf(made, digest, audit_class, DAYS[audit_class]))
        self._insert(made)
        return key.id

    def seal(self, *, at: float | None = None) -> Seal:
        """Seal what was added since the last time. ``at``: seconds since 1970, else now."""
        at = time.time() if at is None else at
        first, members = self._frontier.size, self._unsealed
        for one in members:
            self._frontier.append(one.hash)
        made = segment.make(self.log, first, members, at)
        segment.write(self.vault.place, made)
        sealed = Seal(
            v=1,
            log=self.log,
            first=first,
            end=self._frontier.size,
            classes=made.classes,
            hashes=made.hashes,
            previous=self._sealed_head,
            head=self._head,
            peaks=tuple(one.hex() for one in self._frontier.peaks),
            source_offset=self._frontier.size,
            audit=AuditPosition("cluster/topic", 0, self._frontier.size + 1, "w"),
            policy=PolicyDays("0" * 16, DAYS),
            sealed_at=at,
            checkpoint="",
        ).signed(self._frontier.root(), self._signing.sign)
        segment.commit(self.vault.place, sealed)
        self._unsealed, self._sealed_head = [], self._head
        return sealed

    def _insert(self, leaf: bytes) -> None:
        clear = orjson.loads(leaf)
        row = {name: value for name, value in clear.items() if name not in ("v", "data", "prev")}
        row |= {"leaf": leaf.decode(), "sealed_at": START, "retain_until": None}
        row |= {name: row[name] or "" for name in ("user", "tool")}
        self._client.raw_insert(
            "headrace.audit_raw",
            insert_block=orjson.dumps(row),
            fmt="JSONEachRow",
            settings={"input_format_skip_unknown_fields": 1},
        )

    def __enter__(self) -> Evidence:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
