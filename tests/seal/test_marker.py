"""A place that is absent is not taken for an empty vault: not by who seals, nor by who asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys import signing
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.place import ChangedError, Place
from headrace.sinks.audit.vault.s3 import S3Place
from headrace.sinks.audit.vault.vault import Vault
from tests.audit.log import AuditLog, leaves
from tests.seal.sealer import Sealer
from tests.seal.signing import Signing
from tests.seal.written import written

SAYS = r"has no vault\.json, so it is not a vault: mount it, or run `headrace audit keys init`"


class MarkerBehaviour:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_a_place_is_a_vault_once_it_was_made_one(self, place: Place) -> None:
        with pytest.raises(SettingsError, match=SAYS):
            marker.need(place)
        assert marker.make(place)
        marker.need(place)
        before = place.read(marker.NAME)
        assert not marker.make(place)
        assert place.read(marker.NAME) == before
        assert place.retained(marker.NAME).until is None

    def test_one_that_has_logs_and_no_marker_gets_it(self, place: Place) -> None:
        sealed = written(place, Signing(), [3, 2])
        with pytest.raises(SettingsError, match=SAYS):
            marker.need(place)
        assert marker.make(place)
        vault = Vault(place)
        (log,) = vault.logs()
        assert [line for seal in vault.seals(log) for _, line in vault.leaves(seal)] == sealed

    def test_of_many_who_make_it_one_does(self, place: Place) -> None:
        made: list[bool] = []
        begin = threading.Barrier(6)

        def make() -> None:
            begin.wait()
            made.append(marker.make(place))

        threads = [threading.Thread(target=make) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(made) == [False] * 5 + [True]

    def test_another_version_is_refused(self, place: Place) -> None:
        place.create(marker.NAME, b'{"v":2,"id":"%b"}' % (b"a" * 32))
        for ask in (marker.need, marker.make):
            with pytest.raises(ChangedError, match=r"vault\.json is not that of a vault"):
                ask(place)


class TestDirectory(MarkerBehaviour):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return DirectoryPlace(tmp_path / "vault")


class TestS3(MarkerBehaviour):
    @pytest.fixture
    def place(self, bucket: str) -> Place:
        return S3Place(bucket, "/evidence/")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"v":1,"id":"../x"}', b"\xff", b"[" * 9999])
def test_what_is_no_marker_is_refused(tmp_path: Path, content: bytes) -> None:
    place = DirectoryPlace(tmp_path)
    place.create(marker.NAME, content)
    with pytest.raises(ChangedError, match=r"vault\.json is not that of a vault"):
        marker.need(place)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[[], None]:
    """Take the vault's disk away: what was its mount point is an empty directory then."""

    def unmount() -> None:
        (tmp_path / "vault").rename(tmp_path / "unmounted")
        (tmp_path / "vault").mkdir()

    return unmount


def test_a_worker_says_so_in_one_line(tmp_path: Path) -> None:
    signing.initialise(tmp_path / "audit" / "signing", "test.example/headrace")
    (mount := tmp_path / "audit" / "vault").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")} | {
        "HEADRACE_KAFKA": "127.0.0.1:9",
        "HEADRACE_CLICKHOUSE_URL": "http://127.0.0.1:9/headrace",
        "HEADRACE_STATE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "headrace.streams.worker", "seal"]
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(rf"headrace worker: the vault {mount} {SAYS}\n", ran.stderr)
    assert list(mount.iterdir()) == []


def test_a_log_that_begins_while_the_disk_is_away_is_not_sealed(
    tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    log, keys = AuditLog(), Signing()
    log.claim(b"w")
    log.write(b"w", leaves(3))
    sealer = Sealer(DirectoryPlace(tmp_path / "vault"), keys)
    sealer.read(log.records)
    elsewhere()
    with pytest.raises(SettingsError, match=SAYS):
        sealer.seal()
    assert keys.signed == []
    assert list((tmp_path / "vault").iterdir()) == []
