"""docs/receivers.md: its example loads, its tables are complete, its numbers are those in force."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import pytest

from headrace.sinks.notify.alertmanager import HOLD_SECONDS
from headrace.sinks.notify.apprise_sender import TRY_SECONDS
from headrace.sinks.notify.lane import QUEUE_LIMIT
from headrace.sinks.notify.post import Timeouts
from headrace.sinks.notify.receiver import KINDS
from headrace.sinks.notify.receivers import KEYS, read_receivers
from headrace.sinks.notify.retry_after import LONGEST
from headrace.sinks.notify.schedule import Schedule

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "receivers.md").read_text(encoding="utf-8")
SCHEDULE, TIMEOUTS = Schedule(), Timeouts()
WORDS = re.sub(r"\s+", " ", PAGE)


def test_the_example_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    secret = base64.b64encode(b"x" * 32).decode()
    for file in re.findall(r'"/etc/headrace/([^"]+)"', example):
        (tmp_path / file).write_text(secret)
    environ = {
        "OPS_WEBHOOK_SECRET": f"whsec_{secret}",
        "INCIDENT_BOT_URL": "https://10.20.0.1/bot",
        "SLACK_URL": "slack://a/b/c",
        "PAGERDUTY_URL": "pagerduty://a@b",
    }
    tables = tomllib.loads(example.replace("/etc/headrace", str(tmp_path)))["receiver"]
    receivers = read_receivers(tables, environ)
    assert {one.kind for one in receivers} == set(KINDS)
    assert {key for table in tables for key in table} == {
        key for keys in KEYS.values() for key in keys
    } - {"url_file"}
    assert [len(one.secrets) for one in receivers] == [1, 2, 0, 0]


def test_every_key_is_documented_with_its_kinds() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)
    documented = {
        key: set(KINDS) if kinds == "all" else set(re.findall(r"`(\w+)`", kinds))
        for key, kinds in rows
    }
    assert documented == {
        key: {kind for kind in KINDS if key in KEYS[kind]} for keys in KEYS.values() for key in keys
    }


@pytest.mark.parametrize(
    "said",
    [
        f"after {SCHEDULE.first:g} s, then twice as long each time up to {SCHEDULE.longest:g} s",
        f"before it is over, up to {LONGEST:g} s",
        f"After {SCHEDULE.give_up_after / 3600:g} h a delivery is given up",
        f"one that finds {QUEUE_LIMIT} deliveries waiting",
        f"A try has {TIMEOUTS.total:g} s: {TIMEOUTS.resolve:g} s to resolve the name, ",
        f"the name, {TIMEOUTS.connect:g} s to connect",
        f"held for {HOLD_SECONDS / 86400:g} days",
        f"has {TRY_SECONDS:g} s for a try",
    ],
)
def test_numbers_are_those_in_force(said: str) -> None:
    assert said in WORDS
