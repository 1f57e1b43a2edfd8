"""Forgetting whom scrubbing has hidden in the archive, whatever the broker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.cli.forget import run
from headrace.cli.forget.request import Requests
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import ensure_local
from headrace.streams import dead_letter_box
from headrace.streams.scrub.config import load
from tests.archive.rig import OnARig, Rig
from tests.forget.behaviour import ANN, account
from tests.scrub.rig import ScrubRig
from tests.support import wait_until

BOB = "bob@example.org"
RULES = """
[[rule]]
name = "person"
paths = ["user"]
action = "pseudonym"
except_tenants = ["*-redacted"]
[[rule]]
name = "person"
paths = ["user"]
tenants = ["*-redacted"]
"""


async def forget(settings: Settings, tenant: str) -> dict[str, Any]:
    def at_once() -> dict[str, Any]:
        with Requests(settings).locked():
            request = run.begin(settings, tenant, ANN)
            chosen = run.Options(elsewhere=0.0)
            return run.Forgetting(settings, request, chosen, lambda _: None).run()

    return await asyncio.to_thread(at_once)


@dataclass
class AuditedRig(ScrubRig):
    rules: str = RULES

    def __post_init__(self) -> None:
        super().__post_init__()
        ensure_local(self.settings)


class ScrubbedBehaviour(OnARig):
    rig_class = AuditedRig

    async def test_who_was_scrubbed_is_found(self, rig: AuditedRig) -> None:
        settings = replace(rig.settings, scrub=rig.scrub_file)
        hidden = rig.tenant + "-redacted"
        await rig.start("--seal-seconds", "0.1", name="archive,audit,seal")
        dead = rig.line(1, session="meeting", user=ANN, turn=-1)
        await rig.produce([*_sessions(rig, rig.tenant), dead, *_sessions(rig, hidden)])
        await rig.archived(4 * 5)
        await self.check_pseudonym(rig, settings)
        await self.check_crowd(rig, settings, hidden)

    async def check_pseudonym(self, rig: Rig, settings: Settings) -> None:
        """Where each user has a pseudonym, that is another name of theirs."""
        scrubber = load(settings.scrub or Path())
        ann, bob = (scrubber.user(rig.tenant, one).name for one in (ANN, BOB))
        assert await _users(rig, rig.tenant) == sorted(["", ann, bob])
        await wait_until(lambda: _letters(settings), 30, what="the letter")
        counted = await asyncio.to_thread(run.dry_run, settings, rig.tenant, ANN)
        assert (counted["sessions"], counted["shared_sessions"]) == (1, 2)
        assert counted["would_remove"]["events_raw"] == 5 + 2 + 2
        assert counted["would_remove"]["dead letters"] == 1
        assert counted["crowd"] is None
        made = await forget(settings, rig.tenant)
        assert sum(one["hits"] for one in made["searched"]) == 0, made["searched"]
        assert await _users(rig, rig.tenant) == sorted(["", bob])
        assert await _sessions_left(rig, rig.tenant) == {"his": 5, "meeting": 3, "noted": 3}
        # What was a dead letter of hers comes again as it was scrubbed.
        await rig.produce([rig.line(2, session="meeting", user=ann)])
        verdict = await account(rig, erased=9 + 1 + 1)
        assert verdict.adds_up, verdict
        assert await _users(rig, rig.tenant) == sorted(["", bob])

    async def check_crowd(self, rig: Rig, settings: Settings, tenant: str) -> None:
        """Where all users are one text, the audit trail tells whose a session is."""
        assert await _users(rig, tenant) == ["", "[redacted:person]"]
        sealed = f"SELECT uniqExact(session) FROM audit_raw WHERE tenant = '{tenant}'"
        await wait_until(lambda: _reaches(rig, sealed, 4), 30, what="sealed evidence")
        counted = await asyncio.to_thread(run.dry_run, settings, tenant, ANN)
        assert (counted["sessions"], counted["shared_sessions"]) == (1, 1)
        made = await forget(settings, tenant)
        assert await _sessions_left(rig, tenant) == {"his": 5, "meeting": 5, "noted": 5}
        assert any("found by session" in one["why"] for one in made["kept"])
        kept = [one["why"] for one in made["kept"]]
        assert any(why.startswith("5 events of sessions that others share") for why in kept)


def _sessions(rig: Rig, tenant: str) -> list[bytes]:
    """Hers, his, one that both take part in by the evidence, one in which no evidence names her."""
    sessions = (("hers", ANN, ANN), ("his", BOB, BOB), ("meeting", ANN, BOB), ("noted", BOB, ANN))
    lines = []
    for number, (session, first, second) in enumerate(sessions):
        which: dict[str, Any] = {"tenant": tenant, "session": session, "epoch": f"{number:016x}"}
        start: dict[str, Any] = {"type": "session_start", "data": {"model": "x"}}
        lines += [
            rig.line(1, **which, **start, user=first),
            rig.line(2, **which, **(start if session == "meeting" else {}), user=second),
            rig.line(3, **which, user=first),
            rig.line(4, **which, user=second),
            rig.line(5, **which),
        ]
    return lines


async def _users(rig: Rig, tenant: str) -> list[str]:
    asked = f"SELECT arraySort(groupUniqArray(user)) FROM events WHERE tenant = '{tenant}'"
    return list(await rig.scalar(f"{asked} AND NOT startsWith(type, 'headrace.')"))


async def _sessions_left(rig: Rig, tenant: str) -> dict[str, int]:
    counted = (
        "SELECT sumMap(map(session, toUInt64(1))) FROM events"
        f" WHERE tenant = '{tenant}' AND NOT startsWith(type, 'headrace.')"
    )
    return dict(await rig.scalar(counted))


async def _letters(settings: Settings) -> bool:
    return len(await dead_letter_box.list_letters(settings)) == 1


async def _reaches(rig: Rig, query: str, value: int) -> bool:
    return bool(await rig.scalar(query) >= value)
