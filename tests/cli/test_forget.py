"""``headrace forget``: what needs nobody to be forgotten."""

from __future__ import annotations

from pathlib import Path

from headrace.events import topics
from headrace.streams.erasure.order import Order, mark, records
from tests.cli.alerting import send
from tests.cli.conftest import Cli, Stack
from tests.support import unique

SALT = bytes(16)


def test_where_nobody_was_forgotten_that_is_said(cli: Cli, tmp_path: Path) -> None:
    ran = cli("forget", "status", "--state-dir", str(tmp_path))
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "no requests on this machine")


def test_an_order_is_taken_back_once(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    for more, there, none in (
        ((), "withdrawn\n", "there is no standing order {}\n"),
        (("--json",), '{{"request":"{}","withdrawn":true}}\n',
         '{{"request":"{}","withdrawn":false}}\n'),
    ):  # fmt: skip
        request = f"f-{unique()}"
        order = Order(request, tenant, SALT, mark(SALT, "user", tenant, "u"), frozenset(), 1.0)
        send(stack, topics.ERASURES, [(key.decode(), value) for key, value in records(order)])
        ran = on_stack("forget", "withdraw", request, *more)
        assert (ran.code, ran.out, ran.err) == (0, there.format(request), "")
        ran = on_stack("forget", "withdraw", request, *more)
        assert (ran.code, ran.out, ran.err) == (1, none.format(request), "")
