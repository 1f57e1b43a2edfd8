"""The accounting on a real stack: against recounts, and with the hook's own events."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest

from headrace.cli.archive import connect
from headrace.cli.verify import ranges
from headrace.cli.verify.accounting import EpochId
from headrace.cli.verify.queries import Scope, read_epochs
from headrace.events import topics
from headrace.producers import EventProducer, LogHandler
from headrace.producers.lane import Destination
from headrace.producers.limits import NORMAL, Quota
from headrace.producers.spool import SpoolWriter
from headrace.sinks.connection import connect as connect_writer
from tests.cli.conftest import EPOCH, START, Cli, Ran, Stack, insert, line
from tests.support import unique, wait_until_sync


def verdict(ran: Ran) -> dict[str, object]:
    (one,) = ran.objects
    assert ran.code == (0 if one["adds_up"] else 1)
    return one


def test_an_epoch_of_which_the_ledger_has_no_number(stack: Stack, on_stack: Cli) -> None:
    tenant = unique()
    client = connect_writer(stack.writer)
    client.command(
        "INSERT INTO headrace.epochs_ledger (tenant, session, epoch, last_seq)"
        " VALUES ({tenant:String}, 's', 'e', 0)",
        parameters={"tenant": tenant},
    )
    client.close()
    insert(stack, [line(tenant, "s", seq, "x", {}) for seq in (1, 2, 5)])
    found = verdict(on_stack("verify", "--tenant", tenant, "--json"))
    assert (found["archived"], found["missing"]) == (3, 2)


def test_holes_are_what_a_recount_finds(stack: Stack) -> None:
    tenant, dice = unique(), random.Random(7)
    there = {
        f"{number:016x}": set(dice.sample(range(1, 80), dice.randint(1, 79)))
        for number in range(200)
    }
    for _ in range(2):  # sent twice: the ledger must not care
        insert(
            stack,
            [
                line(tenant, "s", seq, "x", {}, epoch=epoch)
                for epoch, numbers in there.items()
                for seq in numbers
            ],
        )
    with connect(stack.settings) as archive:
        found = {one.id: one for one in read_epochs(archive, Scope(tenant=tenant))}
    assert len(found) == len(there)
    for epoch, numbers in there.items():
        one = found[EpochId(tenant, "s", epoch)]
        assert (one.archived, one.highest) == (len(numbers), max(numbers))
        assert one.holes == ranges.of(set(range(1, max(numbers))) - numbers)


def test_a_hostile_number_costs_nothing(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 2**63, "x", {}, ts=START)])
    one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
    assert one["missing"] == 2**63 - 1
    assert one["wanting"][0]["missing_ranges"] == [[1, 2**63 - 1]]  # type: ignore[index]


def test_what_the_hook_recorded_adds_up(on_stack: Cli, stack: Stack, tmp_path: Path) -> None:
    tenant = unique()
    kafka = stack.settings.need_kafka()
    with EventProducer(kafka, tenant=tenant, spool_dir=tmp_path / "spool") as producer:
        for session in ("a", "b"):
            hook = producer.hook(session=session)
            for number in range(50):
                hook.emit("x", {"n": number})
        assert producer.drain(timeout=30)
        opened = producer.report()
    closed = producer.close(timeout=30)
    assert opened.accepted < closed.accepted == 102

    def archived() -> object:
        one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
        return one if one["archived"] == closed.accepted else None

    one = wait_until_sync(archived, timeout=60, interval=0.2)
    assert isinstance(one, dict)
    assert one["adds_up"]
    assert (one["accepted"], one["missing"], one["wanting"]) == (102, 0, [])
    assert one["epochs"]["closed"] == 2
    shown = on_stack("verify", "--tenant", tenant)
    assert shown.out.endswith("it adds up\n")
    assert "2 closed" in shown.out


def test_log_records_are_accounted_for_too(on_stack: Cli, stack: Stack, tmp_path: Path) -> None:
    tenant = unique()
    kafka = stack.settings.need_kafka()
    with EventProducer(kafka, tenant=tenant, spool_dir=tmp_path / "spool") as producer:
        handler = LogHandler(producer)
        for number in range(50):
            handler.handle(logging.makeLogRecord({"msg": f"line {number}", "session_id": "s"}))
    closed = handler.report()
    assert (closed.accepted, closed.spooled, closed.dropped) == (51, 0, {})

    def archived() -> object:
        one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
        return one if one["archived"] == closed.accepted else None

    one = wait_until_sync(archived, timeout=60, interval=0.2)
    assert isinstance(one, dict)
    assert (one["accepted"], one["missing"], one["wanting"]) == (51, 0, [])
    insert(stack, [line(tenant, "s-2", 1, "x", {})])
    sessions = on_stack("sessions", "--tenant", tenant, "--limit", "1", "--json").objects
    assert [session["session"] for session in sessions] == ["s-2"]

    data = {"level": "INFO", "level_no": 20, "logger": "a"}
    lost = [line(tenant, "gap", seq, "log", data | {"message": "x"}) for seq in (1, 3)]
    insert(stack, [*lost, line(tenant, "gap", 3, "log", data | {"message": "y"})], "logs_raw")
    one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
    assert one["missing"] == 1
    assert [bad["seq"] for bad in one["corrupt"]] == [3]  # type: ignore[attr-defined]


def test_the_stacks_own_spool_is_looked_into(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    here = Destination.of(topics.EVENTS, stack.settings.need_kafka())
    # Its owner lives, so that the stack's shipper leaves it alone.
    spool = SpoolWriter(stack.settings.state_dir / "spool", here, "me", Quota(1 << 20))
    try:
        spool.grant(1 << 10, NORMAL)
        spool.write(spool.fd, line(tenant, "s", 1, "x", {}) + b"\n")
        one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
        assert (one["accepted"], one["in_flight"], one["missing"]) == (1, 1, 0)
        (status,) = on_stack("status", "--json").objects
        assert status["spool_bytes"] == len(line(tenant, "s", 1, "x", {})) + 1
    finally:
        spool.close()
        spool.lane.remove()
        spool.lane.path.parent.rmdir()


def test_what_is_missing_is_named(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "gap", seq, "x", {}) for seq in (1, 2, 5, 9)])
    insert(
        stack,
        [
            line(tenant, "told", 1, "x", {}),
            line(
                tenant,
                "told",
                4,
                "headrace.dropped",
                {"reason": "full", "first_seq": 2, "last_seq": 3, "count": 2},
            ),
            line(tenant, "told", 5, "headrace.epoch_end", {"dropped": {"full": 2}}),
        ],
    )
    ran = on_stack("verify", "--tenant", tenant)
    assert ran.code == 1
    assert f"missing: {tenant} / gap epoch {EPOCH} seq 3..4, 6..8 (5 events)" in ran.out
    assert f"tail unknown: {tenant} / gap epoch {EPOCH} silent after seq 9" in ran.out
    assert "dropped: full" in ran.out
    assert ran.out.endswith("it does NOT add up\n")
    told = verdict(on_stack("verify", "--tenant", tenant, "--session", "told", "--json"))
    assert (told["accepted"], told["archived"], told["dropped"]) == (5, 3, {"full": 2})
    assert told["adds_up"]


def test_the_end_marker_speaks_for_a_hole_that_swallowed_the_telling(
    on_stack: Cli, stack: Stack
) -> None:
    tenant = unique()
    end = line(tenant, "s", 5, "headrace.epoch_end", {"dropped": {"full": 3}})
    insert(stack, [line(tenant, "s", 1, "x", {}), end])
    one = verdict(on_stack("verify", "--tenant", tenant, "--json"))
    assert one["dropped"] == {"full": 3}
    assert one["adds_up"]


def test_an_epoch_that_fell_silent_is_never_clean_without_a_word(
    on_stack: Cli, stack: Stack
) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 1, "x", {})])
    ran = on_stack("verify", "--tenant", tenant)
    assert ran.code == 0
    assert "the end of 1 epochs is unknown" in ran.out


@pytest.mark.parametrize(
    "other", [("x", {}, 1_700_000_001.0), ("x", {"other": 1}, START), ("y", {}, START)]
)
def test_two_different_events_under_one_identity_are_corruption(
    other: tuple[str, dict[str, int], float], on_stack: Cli, stack: Stack
) -> None:
    tenant = unique()
    kind, data, ts = other
    end = line(tenant, "s", 2, "headrace.epoch_end", {})
    first = line(tenant, "s", 1, "x", {}, ts=START)
    insert(stack, [first, first, end])
    assert verdict(on_stack("verify", "--tenant", tenant, "--json"))["adds_up"]
    insert(stack, [line(tenant, "s", 1, kind, data, ts=ts)])
    ran = on_stack("verify", "--tenant", tenant)
    assert ran.code == 1
    assert f"corrupt: {tenant} / s epoch {EPOCH} seq 1: 2 different events" in ran.out
