"""The small parts of forgetting, without a stack."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.archive import connect as archive_of
from headrace.cli.faults import CommandError
from headrace.cli.forget import files, keys
from headrace.cli.forget.blocks import NotBlocksError, unpacked
from headrace.cli.forget.certificate import Pending
from headrace.cli.forget.erase import keep_account
from headrace.cli.forget.marks import is_session, is_user
from headrace.cli.forget.needles import Needles
from headrace.cli.forget.request import Request, Requests
from headrace.cli.forget.search import all_topics
from headrace.cli.forget.stores import STORES
from headrace.events.errors import HeadraceError, SettingsError
from headrace.events.settings import AuditSettings, ClickHouseSettings, KafkaSettings, Settings
from headrace.producers.lane import Checkpoint, Destination, Lane
from headrace.producers.sources import LaneSource
from headrace.sinks import schema
from headrace.sinks.audit.keys import KeyName, ensure_local, open_keys
from headrace.sinks.audit.vault.holds import Hold, Release, place_hold, release_hold
from headrace.sinks.audit.vault.vault import open_vault
from headrace.sinks.connection import connect
from headrace.streams.audit import policy
from headrace.streams.erasure import ledger
from headrace.streams.erasure.order import Order, OrderError, decode, mark, records
from headrace.streams.erasure.orders import Orders
from headrace.streams.erasure.owner import Owner, owner_of
from tests.cli.conftest import line
from tests.support import unique

SALT = bytes(range(16))
NAMES = st.text(min_size=1, max_size=40)


def order(tenant: str, user: str, *sessions: str, request: str = "f-1", at: float = 1.0) -> Order:
    marks = frozenset(mark(SALT, "session", tenant, session) for session in sessions)
    return Order(request, tenant, SALT, mark(SALT, "user", tenant, user), marks, at)


class TestOrders:
    @given(NAMES, NAMES, st.lists(NAMES, max_size=5))
    def test_what_is_written_is_read_and_names_nobody(
        self, tenant: str, user: str, sessions: list[str]
    ) -> None:
        one = order(tenant, user, *sessions)
        ((key, value),) = records(one)
        assert decode(value) == one
        assert key == b"f-1/0"
        assert all(one.covers(session, None) for session in sessions)
        assert one.covers("any", user)

    def test_what_scrubbing_makes_of_a_user_is_a_name_of_theirs(self) -> None:
        request = Request.new("acme", "ann", None)
        request.add(["s-1"])
        request.call(["person-1"])
        ((_, value),) = records(request.order())
        assert decode(value) == request.order()
        assert decode(value).covers("other", "person-1")
        assert not decode(value).covers("other", "person-2")
        request.close(1.0)
        assert request.aliases == []
        assert request.order().covers("other", "person-1")

    def test_many_sessions_are_several_records(self) -> None:
        one = order("t", "u", *(f"s-{n}" for n in range(12_000)))
        parts = [decode(value) for _, value in records(one)]
        assert len(parts) == 3
        assert frozenset().union(*(part.sessions for part in parts)) == one.sessions
        assert all(len(value) < 900_000 for _, value in records(one))

    def test_a_user_is_not_a_session_nor_another_tenants(self) -> None:
        one = order("t", "name")
        assert not one.covers("name", None)
        assert not one.covers("s", "name2")
        assert mark(SALT, "user", "t", "name") != mark(SALT, "user", "t2", "name")
        assert mark(SALT, "user", "t", "name") != mark(SALT, "session", "t", "name")

    @pytest.mark.parametrize("value", [b"", b"{}", b'{"request":1}', b"\xff"])
    def test_what_is_no_order_is_said_to_be_none(self, value: bytes) -> None:
        with pytest.raises(OrderError):
            decode(value)

    def test_the_oldest_order_counts_and_one_that_is_taken_back_does_not(self) -> None:
        orders = Orders("agent.erasures")
        for one in (order("t", "u", request="f-2", at=2.0), order("t", "u", request="f-1")):
            for key, value in records(one):
                orders.take(SimpleNamespace(key=key, value=value, offset=0))
        owner = Owner("t", "s", "u")
        found = orders.match(owner)
        assert found is not None
        assert found.request == "f-1"
        assert orders.match(Owner("other", "s", "u")) is None
        orders.take(SimpleNamespace(key=b"f-1/0", value=None, offset=1))
        found = orders.match(owner)
        assert found is not None
        assert found.request == "f-2"
        orders.take(SimpleNamespace(key=b"f-2/0", value=None, offset=2))
        assert not orders
        orders.take(SimpleNamespace(key=b"f-3/0", value=b"nonsense", offset=3))
        assert not orders


class TestOwner:
    @pytest.mark.parametrize(
        "value",
        [
            line("t", "s", 1, "x", {}, user="u"),
            line("t", "s", 1, "x", {}, user="u", turn=-1),
            b'{"tenant":"t","session":"s","user":"u","seq":"7"}',
            b'{"tenant": "t", "session" : "s", "user":"u","data":{"cut',
            b'{"tenant":"t","session":"s","\\u0075ser":"u","epoch":"e","seq":1,"ts":1,"type":"x"}',
        ],
    )
    def test_it_is_read_as_far_as_it_can_be(self, value: bytes) -> None:
        owner = owner_of(value)
        assert owner is not None
        assert (owner.tenant, owner.session, owner.user) == ("t", "s", "u")

    @given(st.binary(max_size=200))
    def test_no_bytes_are_too_strange(self, value: bytes) -> None:
        owner_of(value)


@given(st.sets(st.integers(1, 300)))
def test_spans_hold_the_numbers_and_no_others(numbers: set[int]) -> None:
    spans = list(ledger.spans(numbers))
    assert {n for first, last in spans for n in range(first, last + 1)} == numbers
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(spans))


@pytest.mark.parametrize("told", ["true", "1e400", '"\\ud800"', "-1", "1.5", str(2**64)])
def test_what_an_agent_says_is_dropped_keeps_nobody_from_forgetting(
    clickhouse: ClickHouseSettings, told: str
) -> None:
    schema.apply(clickhouse)
    tenant = unique("acme")
    one = order(tenant, "ann", "s-1")
    end = line(tenant, "s-1", 2, "headrace.epoch_end", {"dropped": {"full": "N"}}, user="ann")
    drop = line(tenant, "s-1", 1, "headrace.dropped", {"reason": "full", "count": "N"}, user="ann")
    values = [value.replace(b'"N"', told.encode()) for value in (end, drop)]
    owners = [owner_of(value) for value in values]
    assert None not in owners
    found = zip(owners, values, strict=True)
    lines = ledger.lines_of((one, owner, value) for owner, value in found if owner)
    with archive_of(Settings(state_dir=Path("/nowhere"), clickhouse=clickhouse)) as archive:
        archive.insert("erased_ledger", lines.erased)
        archive.insert("dropped_ledger", lines.dropped)
        archive.insert("events_raw", values)
        keep_account(archive, one)


def test_marks_in_sql_are_the_orders(clickhouse: ClickHouseSettings) -> None:
    one = order("té\0n", "ann'\\", "s 1")
    with connect(clickhouse, database="default") as client:
        for name, user, expected in (("ann'\\", True, 1), ("ann", True, 0), ("s 1", False, 1)):
            condition = is_user(one) if user else is_session(one, one.sessions)
            column = "user" if user else "session"
            found = client.query(f"SELECT {condition} FROM (SELECT {{name:String}} AS {column})",
                                 {"name": name}).result_rows  # fmt: skip
            assert found == [(expected,)] or found == [(bool(expected),)]


class TestNeedles:
    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b'{"user":"u-1"}', True),
            (b"u-10", False),
            (b"su-1", False),
            (b"\x03u-1\x05other", True),
            (b"A\x03u-1A", True),
            (b"hello u-1.", True),
            (b"", False),
        ],
    )
    def test_a_name_stands_for_itself(self, content: bytes, found: bool) -> None:
        assert Needles(["u-1"]).inside(content) == found

    @pytest.mark.parametrize("written", ['zo\\u00eb \\"x\\"', 'zoë \\"x\\"', 'zoë "x"'])
    def test_however_it_is_written(self, written: str) -> None:
        assert Needles(['zoë "x"']).inside(written.encode())

    @given(st.text(min_size=1, max_size=20))
    def test_the_servers_pattern_means_the_same(self, name: str) -> None:
        re2 = pytest.importorskip("re2")
        try:
            name.encode()
        except UnicodeEncodeError:
            return
        needles = Needles([name])
        for text in (name, f'"{name}"', f"x{name}x", name[:-1]):
            expected = needles.inside_text(text.encode())
            assert (re2.search(needles.pattern, text) is not None) == expected


class TestBlanking:
    @pytest.fixture
    def spool(self, tmp_path: Path) -> Settings:
        return Settings(state_dir=tmp_path, kafka=KafkaSettings("127.0.0.1:9"))

    def test_only_whole_delivered_lines_of_the_person(self, spool: Settings) -> None:
        lane, lock = Lane.create(spool.spool, Destination("agent.events", "x"), "me")
        lines = [
            line("t", "s", 1, "x", {"a": 1}, user="ann"),
            line("t", "s", 2, "x", {"a": 1}, user="bob"),
            line("t", "s", 3, "x", {"a": 1}, user="ann"),
        ]
        content = b"\n".join(lines) + b'\n{"tenant":"t","user":"ann","torn'
        lane.segment_path(1).write_bytes(content)
        lane.save(Checkpoint(1, len(lines[0]) + len(lines[1]) + 2, 2))
        one = order("t", "ann")
        seen = files.look(spool, one)
        assert (seen.delivered, seen.waiting) == (1, 1)
        assert [value for _, _, value in seen.lines] == [b""]  # a spool is larger than a memory
        files.blank_spool(spool, one)
        after = lane.segment_path(1).read_bytes()
        assert after == b" " * len(lines[0]) + content[len(lines[0]) :]
        assert files.look(spool, one).delivered == 0
        self.check_shipping_again(lane, lines)
        os.close(lock)

    def check_shipping_again(self, lane: Lane, lines: list[bytes]) -> None:
        """A Kafka that forgot gets what is left, and offsets and counts are as before."""
        source = LaneSource(lane, 3600)
        lane.save(Checkpoint(1, 0, 0))
        source = LaneSource(lane, 3600)
        chunk = source.read()
        assert chunk is not None
        assert chunk.lines == lines[1:]
        assert (chunk.after.delivered, chunk.after.offset) == (3, sum(map(len, lines)) + 3)

    def test_a_file_that_goes_away_is_none(self, spool: Settings, tmp_path: Path) -> None:
        assert files.blank(tmp_path / "gone", lambda _: True, None) == 0


def test_a_file_that_is_no_part_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"not a part at all, but long enough to have a head")
    with pytest.raises(NotBlocksError):
        list(unpacked(path))


class TestKeys:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        settings = Settings(state_dir=tmp_path)
        ensure_local(settings)
        return settings

    def request(self) -> Request:
        made = Request.new("acme", "ann", None)
        made.add(["s-1"])
        return made

    def test_statutory_classes_stay_and_are_named(self, settings: Settings) -> None:
        store = open_keys(settings)
        ann, session = (
            store.pseudonym(kind, "acme", name)
            for kind, name in (("user", "ann"), ("session", "s-1"))
        )
        bob = store.pseudonym("user", "acme", "bob")
        wanted = [(ann, "session"), (ann, "business"), (session, "approval"), (ann, "gone-class")]
        made = store.current([KeyName(*one) for one in (*wanted, (bob, "session"))])
        plan = keys.plan(settings, store, self.request())
        assert {one.rpartition(".")[0] for one in plan.shred} == {
            f"{ann}.session",
            f"{session}.approval",
        }
        assert any("(7 y)" in why and "statutory retention" in why for why in plan.kept)
        assert any("gone-class is not in the audit policy" in why for why in plan.kept)
        for key_id in plan.shred:
            store.shred(key_id)
        assert made[KeyName(bob, "session")].key == open_keys(settings).by_id(
            made[KeyName(bob, "session")].id
        )

    def test_a_key_that_was_shredded_before_is_counted_no_more(self, settings: Settings) -> None:
        store = open_keys(settings)
        ann = store.pseudonym("user", "acme", "ann")
        made = store.current([KeyName(ann, "session"), KeyName(ann, "approval")])
        gone = made[KeyName(ann, "session")].id
        store.shred(gone)
        plan = keys.plan(settings, store, self.request())
        assert plan.shred == [made[KeyName(ann, "approval")].id]
        assert plan.finish == [gone]

    def test_a_legal_hold_keeps_them_until_it_is_released(self, settings: Settings) -> None:
        store = open_keys(settings)
        ann = store.pseudonym("user", "acme", "ann")
        store.current([KeyName(ann, "session"), KeyName(ann, "approval")])
        vault = open_vault(settings)
        who: Any = {"reason": "a lawsuit", "by": "ann", "placed_at": 1.0}
        place_hold(vault, Hold(id="h-1", tenant="acme", user=ann, audit_class="session", **who))
        place_hold(vault, Hold(id="h-2", tenant="globex", **who))
        plan = keys.plan(settings, store, self.request())
        assert [one.split(".")[1] for one in plan.shred] == ["approval"]
        assert plan.kept == {"legal hold h-1": 1}
        release_hold(vault, Release(id="h-1", reason="over", by="ann", released_at=2.0))
        assert len(keys.plan(settings, store, self.request()).shred) == 2

    def test_a_class_that_the_policy_holds_keeps_its_keys(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        mine = tmp_path / "policy.toml"
        text = policy.load().text
        mine.write_text(text.replace('name = "session"', 'name = "session"\nlegal_hold = true'))
        held = replace(settings, audit=replace(settings.audit, policy=mine))
        store = open_keys(held)
        ann = store.pseudonym("user", "acme", "ann")
        store.current([KeyName(ann, "session"), KeyName(ann, "approval")])
        plan = keys.plan(held, store, self.request())
        assert [one.split(".")[1] for one in plan.shred] == ["approval"]
        assert plan.kept == {"legal hold policy-session": 1}

    def test_keys_of_evidence_that_came_late_are_found(self, settings: Settings) -> None:
        store = open_keys(settings)
        ann = store.pseudonym("user", "acme", "ann")
        names = [KeyName(ann, "session"), KeyName(ann, "business")]
        store.current(names)
        for key_id in keys.plan(settings, store, self.request()).shred:
            store.shred(key_id)
        assert keys.still_open(settings, store, "acme", "ann") == []
        late = store.current(names)[names[0]].id
        assert keys.still_open(settings, store, "acme", "ann") == [late]
        assert late in keys.plan(settings, store, self.request()).shred
        hold = Hold(id="h-1", reason="x", by="y", placed_at=1.0, tenant="acme", session="0" * 32)
        place_hold(open_vault(settings), hold)
        assert keys.still_open(settings, store, "acme", "ann") == []

    def test_a_hold_on_a_session_that_others_share(self, settings: Settings) -> None:
        store = open_keys(settings)
        ann = store.pseudonym("user", "acme", "ann")
        store.current([KeyName(ann, "session")])
        session = store.pseudonym("session", "acme", "meeting")
        hold = Hold(id="h-1", reason="x", by="y", placed_at=1.0, tenant="acme", session=session)
        place_hold(open_vault(settings), hold)
        request = self.request()
        assert len(keys.plan(settings, store, request).shred) == 1
        request.shared = ["meeting"]
        assert keys.plan(settings, store, request).kept == {"legal hold h-1": 1}

    def test_a_hold_that_cannot_be_read_stops_all_shredding(self, settings: Settings) -> None:
        open_vault(settings).place.create("holds/h-1.json", b"[]")
        with pytest.raises(HeadraceError, match="h-1"):
            keys.plan(settings, open_keys(settings), self.request())

    def test_holds_that_are_not_mounted_stop_all_shredding(self, settings: Settings) -> None:
        (settings.state_dir / "audit" / "vault" / "vault.json").unlink()
        with pytest.raises(SettingsError, match="so it is not a vault: mount it"):
            keys.plan(settings, open_keys(settings), self.request())

    def test_without_keys_there_is_nothing_to_shred_but_where_there_is_evidence(
        self, tmp_path: Path, clickhouse: ClickHouseSettings
    ) -> None:
        schema.apply(clickhouse)
        settings = Settings(state_dir=tmp_path / "nothing", clickhouse=clickhouse)
        with archive_of(settings) as archive:
            archive.command("TRUNCATE TABLE audit_raw")
            assert keys.keys_of(settings, archive) is None
            row = {"log": "0" * 16 + "-0", "tenant": "acme", "ts": 1.5, "kind": "event"}
            archive.insert("audit_raw", [orjson.dumps(row)])
            with pytest.raises(SettingsError, match="HEADRACE_AUDIT_KEYS"):
                keys.keys_of(settings, archive)
            archive.command("TRUNCATE TABLE audit_raw")


class TestRequests:
    def test_two_at_once_are_told_so(self, tmp_path: Path) -> None:
        requests = Requests(Settings(state_dir=tmp_path))
        with requests.locked(), pytest.raises(CommandError, match="wait until it is done"), \
                requests.locked():  # fmt: skip
            pass

    def test_a_request_that_is_done_has_no_name(self, tmp_path: Path) -> None:
        requests = Requests(Settings(state_dir=tmp_path))
        request = Request.new("acme", "ann", None)
        assert request.add(["s-1"])
        assert not request.add(["s-1"])
        with requests.locked():
            requests.save(request, "requested")
            path = requests.path(request.id)
            assert path.stat().st_mode & 0o777 == 0o600
            found = requests.unfinished("acme", "ann")
            assert found is not None
            assert (found.id, found.sessions) == (request.id, ["s-1"])
            request.close(2.0)
            requests.save(request, "done")
        assert b"ann" not in path.read_bytes()
        assert b"s-1" not in path.read_bytes()
        assert requests.unfinished("acme", "ann") is None
        assert requests.read(request.id).order().covers("s-1", None)


def test_pending_is_over_in_time_or_with_another_kafka() -> None:
    assert Pending("x", "", 5.0).over(5.0, "c")
    assert not Pending("x", "", 5.0).over(4.9, "c")
    assert not Pending("x", "", None).over(1e12, "c")
    assert not Pending("x", "", None, "c").over(1e12, "c")
    assert Pending("x", "", None, "c").over(0.0, "d")


def test_every_table_is_in_the_list_of_stores(clickhouse: ClickHouseSettings) -> None:
    schema.apply(clickhouse)
    with connect(clickhouse) as client:
        found = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase()"
            " AND engine LIKE '%MergeTree'"
        ).result_columns[0]
    assert set(found) <= {store.table for store in STORES}


def test_topics_of_classes_are_among_those_that_are_searched(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    per_class = replace(settings, audit=AuditSettings(topic_per_class=True))
    more = set(all_topics(per_class)) - set(all_topics(settings))
    assert {"agent.audit.approval", "agent.audit.policy"} <= more
    assert len(more) == len(policy.load().classes)
