"""Telling of a read before it is made, whatever the broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headrace.cli.audit import access
from headrace.cli.audit.access import OWN, Access
from headrace.cli.faults import CommandError
from headrace.events import types
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import topic_admin
from tests.desk.trail import told
from tests.support import unique


class AccessBehaviour:
    @pytest.fixture
    def settings(self, kafka: str, tmp_path: Path) -> Settings:
        prefix = unique("access") + "."
        return Settings(state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=prefix)

    def test_it_is_in_kafka_when_it_was_told(self, settings: Settings) -> None:
        asyncio.run(topic_admin.apply(settings))
        asked = Access("vera", "search", {"tool": "rm"})
        access.tell(settings, asked, {"acme": 3, "globex": 1, "": 2})
        for tenant, count in (("acme", 3), ("globex", 1), (OWN, 2)):
            (event,) = told(settings, tenant, types.AUDIT_READ)
            assert event["user"] == "vera"
            data = {"what": "search", "selection": {"tool": "rm"}, "count": count}
            assert event["data"] == data | {"login": access.login()}

    def test_without_the_topic_nothing_is_told(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(access, "PATIENCE", 0.5)
        with pytest.raises(CommandError, match=r"no search: .* did not acknowledge"):
            access.tell(settings, Access("vera", "search", {}), {"acme": 1})
