"""Evidence in ClickHouse, made and written as the split and the sealer do."""

from __future__ import annotations

import hashlib
import time
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
from headrace.sinks.clickhouse import INSERT_SETTINGS
from headrace.sinks.connection import connect
from headrace.streams.audit.fold import NO_HASH
from headrace.streams.seal.rows import rows_of
from tests.cli.conftest import EPOCH, START, Stack

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
        self._writer = stack.writer

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
        ts: float | None = None,
    ) -> str:
        """Write one leaf; return the id of its key. ``ts``: of the event, else START and on."""
        index = self._frontier.size + len(self._unsealed)
        tenant = self.tenant if tenant is None else tenant
        identity = Identity(tenant, session, EPOCH, index + 1)
        who = Pseudonyms(
            None if user is None else self._keys.pseudonym("user", tenant, user),
            self._keys.pseudonym("session", tenant, session),
        )
        name = KeyName(who.user or who.session, audit_class)
        key = self._keys.current([name])[name]
        ts = START + index if ts is None else ts
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
        return key.id

    def seal(self, *, at: float | None = None) -> Seal:
        """Seal what was added since the last time: only then can it be found. ``at``: else now."""
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
        )
        sealed = sealed.signed(self._signing.sign(sealed.checkpoint_text()))
        segment.commit(self.vault.place, sealed)
        self._unsealed, self._sealed_head = [], self._head
        self._insert(rows_of(self.vault, sealed, time.time()))
        return sealed

    def _insert(self, rows: list[bytes]) -> None:
        client = connect(self._writer)
        client.raw_insert(
            "headrace.audit_raw",
            insert_block=b"\n".join(rows),
            settings=dict(INSERT_SETTINGS),
            fmt="JSONEachRow",
        )
        client.close()
