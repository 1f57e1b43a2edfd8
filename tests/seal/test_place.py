"""What a place must do, in a directory and in S3 with Object Lock (moto's server)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from headrace.events.errors import Retryable, SettingsError
from headrace.sinks.audit.vault.directory import STALE_SECONDS, DirectoryPlace
from headrace.sinks.audit.vault.place import (
    KeptError,
    MissingError,
    Place,
    Retained,
    TakenError,
    VaultError,
)
from headrace.sinks.audit.vault.places import open_place
from headrace.sinks.audit.vault.s3 import S3Place

PlaceAt = Callable[[Callable[[], float]], Place]


class PlaceBehaviour:
    @pytest.fixture
    def at(self) -> PlaceAt:
        raise NotImplementedError

    @pytest.fixture
    def place(self, at: PlaceAt) -> Place:
        return at(time)

    def test_a_name_is_written_once(self, place: Place) -> None:
        assert place.create("logs/a/0.seal", b"one")
        assert not place.create("logs/a/0.seal", b"one")
        with pytest.raises(TakenError, match="another logs/a/0"):
            place.create("logs/a/0.seal", b"two")
        assert place.read("logs/a/0.seal") == b"one"

    def test_of_many_who_create_one_does(self, place: Place) -> None:
        outcomes: list[bool | None] = []
        begin = threading.Barrier(8)

        def create(number: int) -> None:
            begin.wait()
            try:
                outcomes.append(place.create("a", f"{number}".encode()))
            except TakenError:
                outcomes.append(None)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, outcomes)) == ["None"] * 7 + ["True"]

    def test_names_are_listed_in_order(self, place: Place) -> None:
        for name in ("logs/b/1", "logs/a/2", "logs/a/10", "logs/a/data/x", "keys/k"):
            place.create(name, b"")
        assert list(place.names("logs/")) == ["logs/a/", "logs/b/"]
        assert list(place.names("logs/a/")) == ["logs/a/10", "logs/a/2", "logs/a/data/"]
        assert list(place.names("logs/a/1")) == ["logs/a/10"]
        assert list(place.names("logs/a/", after="logs/a/10")) == ["logs/a/2", "logs/a/data/"]
        assert list(place.names("nothing/")) == []
        assert (place.last("logs/a/1"), place.last("logs/c/")) == ("logs/a/10", None)

    def test_what_is_missing_says_so(self, place: Place) -> None:
        place.create("a", b"")
        for ask in (place.read, place.retained):
            with pytest.raises(MissingError, match="has no b"):
                ask("b")
        place.remove("b")

    def test_a_name_leads_nowhere_else(self, place: Place) -> None:
        for name in ("../a", "a/../b", "/a", "a//b", "a b", "", "a/", ".a", "ä"):
            with pytest.raises(VaultError, match="not a name"):
                place.create(name, b"")

    def test_nothing_is_removed_before_its_date(self, at: PlaceAt, place: Place) -> None:
        until = float(int(time()) + 3600)
        place.create("due", b"x", retain_until=until)
        place.create("for-ever", b"x")
        assert place.retained("due") == Retained(until, held=False)
        assert place.retained("for-ever") == Retained(None, held=False)
        with pytest.raises(KeptError, match="has not fallen due"):
            place.remove("due")
        with pytest.raises(KeptError, match="for ever"):
            at(lambda: until + 1).remove("for-ever")
        assert place.read("due") == b"x"

    def test_what_is_held_stays_until_it_is_released(self, at: PlaceAt, place: Place) -> None:
        place.create("a", b"x", retain_until=(until := time() + 100))
        for _ in range(2):
            place.hold("a")
        later = at(lambda: until + 1)
        assert later.retained("a").held
        with pytest.raises(KeptError, match="legal hold"):
            later.remove("a")
        for _ in range(2):
            place.release("a")
        assert not place.retained("a").held


class TestDirectory(PlaceBehaviour):
    @pytest.fixture
    def at(self, tmp_path: Path) -> PlaceAt:
        return lambda clock: DirectoryPlace(tmp_path / "vault", clock=clock)

    def test_files_are_for_reading_alone(self, at: PlaceAt, tmp_path: Path) -> None:
        at(time).create("logs/a", b"x")
        assert (tmp_path / "vault/logs/a").stat().st_mode & 0o777 == 0o400
        assert (tmp_path / "vault/logs").stat().st_mode & 0o777 == 0o700
        assert os.listdir(tmp_path / "vault/logs") == ["a"]

    def test_what_a_killed_process_left_goes_after_a_day(self, at: PlaceAt, tmp_path: Path) -> None:
        at(time).create("logs/a", b"x")
        root = tmp_path / "vault"
        (root / ".new-cut").write_bytes(b"half")
        os.link(root / "logs/a", root / ".new-whole")  # it got its name, and was to go
        os.utime(root / ".new-cut", (0, 0))
        (root / "logs/.a.held").touch()
        at(lambda: time() + STALE_SECONDS - 100).create("logs/b", b"y")
        assert {one.name for one in root.glob(".new-*")} == {".new-cut", ".new-whole"}
        at(lambda: time() + STALE_SECONDS + 1).create("logs/c", b"z")
        assert list(root.glob(".new-*")) == []
        assert sorted(os.listdir(root / "logs")) == [".a.held", "a", "b", "c"]
        assert (root / "logs/a").read_bytes() == b"x"

    def test_what_fell_due_goes(self, at: PlaceAt, place: Place) -> None:
        place.create("a", b"x", retain_until=1000.0)
        at(lambda: 1000.0).remove("a")
        assert list(place.names("")) == []
        with pytest.raises(MissingError):
            place.hold("a")

    def test_a_disk_that_refuses_is_waited_for(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(Retryable, match="cannot be used"):
            DirectoryPlace(tmp_path / "file" / "vault").create("a", b"")


class TestS3(PlaceBehaviour):
    @pytest.fixture
    def at(self, bucket: str) -> PlaceAt:
        return lambda clock: S3Place(bucket, "/evidence/", clock=clock)

    def test_s3_itself_lets_nobody_remove_it(self, place: Place, bucket: str) -> None:
        place.create("a", b"x", retain_until=time() + 3600)
        client = Session().client("s3")
        found = client.list_object_versions(Bucket=bucket)["Versions"]
        assert [one["Key"] for one in found] == ["evidence/a"]
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(
                Bucket=bucket,
                Key="evidence/a",
                VersionId=found[0]["VersionId"],
                BypassGovernanceRetention=True,
            )

    def test_a_log_of_many_seals_is_opened_by_its_last(self, place: Place) -> None:
        assert isinstance(place, S3Place)
        pages: list[str] = []
        page = place._page

        def small(prefix: str, *, after: str = "", limit: int = 3) -> tuple[list[str], bool]:
            pages.append(prefix)
            return page(prefix, after=after, limit=limit)

        place._page = small  # type: ignore[method-assign]
        names = [f"logs/a/{first:020d}.seal" for first in (0, 7, 99, 100, 105, 190, 4096, 4097)]
        for name in [*names, "logs/a/data/x"]:
            place.create(name, b"")
        for prefix in ("logs/a/0", "logs/a/"):
            expected = names if prefix == "logs/a/0" else [*names, "logs/a/data/"]
            assert list(place.names(prefix)) == expected
        pages.clear()
        assert place.last("logs/a/0") == names[-1]
        assert len(pages) < 50

    def test_a_bucket_without_object_lock_is_refused(self, s3: None) -> None:
        Session().client("s3").create_bucket(Bucket="plain")
        place = open_place("s3://plain/evidence")
        with pytest.raises(SettingsError, match="--object-lock-enabled-for-bucket"):
            place.create("a", b"")
        with pytest.raises(SettingsError, match="there is no bucket nowhere"):
            open_place("s3://nowhere").create("a", b"")

    def test_s3_that_is_away_is_waited_for(self, s3: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(Retryable, match="is away"):
            open_place("s3://vault").read("a")


@pytest.mark.parametrize("where", ["gs://bucket/x", "s3:///x", "file:///x"])
def test_another_scheme_is_refused(where: str) -> None:
    with pytest.raises(SettingsError, match="a directory or s3"):
        open_place(where)
