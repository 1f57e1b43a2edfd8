"""What receivers are told: the payload, its identity, the terms of Alertmanager."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import Poison
from headrace.sinks.notify.alert import ZERO_TIME, alert_of, fingerprint, rfc3339
from headrace.sinks.notify.alertmanager import endpoint
from headrace.sinks.notify.apprise_sender import text_of
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.webhook import payload
from tests.notify.things import NOW, notification, transition

values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text()
tables = st.dictionaries(st.text(), values, max_size=5)
transitions = st.builds(
    transition,
    state=st.sampled_from(["firing", "resolved", "pending", "inactive"]),
    alert=st.sampled_from(["a1", "a2", "a3"]),
    seq=st.integers(0, 20),
    rule=st.text(),
    severity=st.none() | st.text(),
    tenant=values,
    group=tables | values,
    labels=tables | values,
    annotations=tables | values,
    starts_at=values,
    ends_at=values,
    at=values,
)


def message(told: Notification) -> Message:
    return Message(told.delivery_id, NOW + 70, told, "https://headrace.example/")


def test_the_payload_is_alertmanagers_version_4() -> None:
    other = transition("resolved", "a2", 4, rule="LlmErrors", group={"tenant": "acme"})
    assert payload(message(notification(transition(), other))) == {
        "version": "4",
        "groupKey": "g",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "ops",
        "groupLabels": {"tenant": "acme"},
        "commonLabels": {"tenant": "acme", "team": "data", "severity": "warning"},
        "commonAnnotations": {"summary": "run_sql fails in 23 % of its calls"},
        "externalURL": "https://headrace.example/",
        "alerts": [
            {
                "status": "firing",
                "labels": {
                    "alertname": "ToolFailureRate",
                    "severity": "warning",
                    "team": "data",
                    "tenant": "acme",
                    "tool": "run_sql",
                },
                "annotations": {
                    "summary": "run_sql fails in 23 % of its calls",
                    "headrace_id": "a1",
                },
                "startsAt": "2025-11-24T16:00:50.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://headrace.example/",
                "fingerprint": "3896d63ea2cbfbce",
            },
            {
                "status": "resolved",
                "labels": {
                    "alertname": "LlmErrors",
                    "severity": "warning",
                    "team": "data",
                    "tenant": "acme",
                },
                "annotations": {
                    "summary": "run_sql fails in 23 % of its calls",
                    "headrace_id": "a2",
                },
                "startsAt": "2025-11-24T16:00:50.000Z",
                "endsAt": "2025-11-24T16:02:00.000Z",
                "generatorURL": "https://headrace.example/",
                "fingerprint": "c91e464e8240656c",
            },
        ],
    }


@given(st.lists(transitions, min_size=1, max_size=8))
def test_any_transitions_make_a_payload_that_holds_together(found: list[dict[str, Any]]) -> None:
    told = notification(*found)
    body = json.loads(orjson.dumps(payload(message(told))))
    expected = {
        identity
        for identity in {one["id"] for one in found}
        if max((o for o in found if o["id"] == identity), key=lambda o: o["seq"])["state"]
        in {"firing", "resolved"}
    }
    # Two transitions of one identity are the same transition; which copy is told is all the same.
    if len({(one["id"], one["seq"]) for one in found}) == len(found):
        assert {alert["annotations"]["headrace_id"] for alert in body["alerts"]} == expected
    firing = [alert for alert in body["alerts"] if alert["status"] == "firing"]
    assert body["status"] == ("firing" if firing else "resolved")
    for alert in body["alerts"]:
        assert alert["labels"]["alertname"]
        for name, value in alert["labels"].items():
            assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name)
            assert isinstance(value, str)
            assert value
        assert body["commonLabels"].items() <= alert["labels"].items()
        assert body["commonAnnotations"].items() <= alert["annotations"].items()
        assert (alert["endsAt"] == ZERO_TIME) == (alert["status"] == "firing")
        if alert["status"] == "resolved":
            assert alert["startsAt"] <= alert["endsAt"]
        assert alert["fingerprint"] == fingerprint(alert["labels"])
    text = text_of(message(told))
    assert text["type"] in {"success", "warning", "failure"}


def test_of_an_alerts_transitions_the_last_one_is_told() -> None:
    flapped = [transition("resolved", seq=3), transition("firing", seq=2), transition(seq=1)]
    assert [one["state"] for one in notification(*flapped).current()] == ["resolved"]
    assert notification(transition("pending"), transition("inactive", "a2")).current() == []


@given(st.permutations([("a1", 1), ("a1", 2), ("a2", 1), ("b", 10), ("b", 9)]), st.data())
def test_the_id_hangs_on_nothing_but_what_is_told(
    order: list[tuple[str, int]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(order)))
    found = [transition(alert=alert, seq=seq, at=NOW + seq) for alert, seq in [*order, *again]]
    assert notification(*found).delivery_id == "msg_bc031b9f2937ceacdbd9aa69c734e2a3"


def test_other_things_have_other_ids() -> None:
    ids = [
        notification(transition()).delivery_id,
        notification(transition(seq=2)).delivery_id,
        notification(transition(alert="a2")).delivery_id,
        notification(transition(), transition(alert="a2")).delivery_id,
        notification(transition(), receiver="other").delivery_id,
        notification(transition(), group="other").delivery_id,
        replace(notification(transition()), number=2).delivery_id,
    ]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("msg_[0-9a-f]{32}", one) for one in ids)


@pytest.mark.parametrize("wrong", [{"id": None}, {"id": ""}, {"seq": "1"}, {"seq": None}])
def test_a_transition_without_identity_is_poison(wrong: dict[str, Any]) -> None:
    with pytest.raises(Poison, match="without an id and a seq"):
        notification({**transition(), **wrong})


@given(st.lists(transitions, min_size=1, max_size=4), st.sampled_from(["queued", "parked"]))
def test_a_record_survives_json(found: list[dict[str, Any]], status: Any) -> None:
    found = orjson.loads(orjson.dumps(found))  # as Kafka gives them: without NaN
    told = notification(*found)
    record = DeliveryRecord(
        told.delivery_id, told, status, 3, NOW, NOW + 1, NOW + 2, "answered 500"
    )
    again = DeliveryRecord.from_dict(orjson.loads(orjson.dumps(record.as_dict())))
    assert again == record
    assert again.notification.delivery_id == record.id
    assert record.as_dict()["ids"] == [list(one) for one in told.ids]


@given(st.floats(0, 253402300799))
def test_times_are_rfc3339(seconds: float) -> None:
    found = datetime.fromisoformat(rfc3339(seconds).replace("Z", "+00:00"))
    assert abs(found.timestamp() - seconds) < 0.0011


@pytest.mark.parametrize("seconds", [-1e300, -1, 1e300])
def test_times_of_broken_clocks_are_dates_all_the_same(seconds: float) -> None:
    assert re.fullmatch(r"(1970|9999)-[-0-9:.T]+Z", rfc3339(seconds))


def test_names_that_alertmanager_does_not_take_are_changed() -> None:
    labels = {"gen_ai.system": "x", "1st": "y", "": "z", "empty": "", "none": None, "é": "e"}
    assert alert_of(transition(labels=labels, group={})).labels == {
        "gen_ai_system": "x",
        "_1st": "y",
        "_": "e",
        "severity": "warning",
        "tenant": "acme",
        "alertname": "ToolFailureRate",
    }


@pytest.mark.parametrize(
    "url", ["http://am.example", "http://am.example/", "http://am.example/api/v2/alerts"]
)
def test_an_alertmanagers_address_with_or_without_the_path(url: str) -> None:
    assert str(endpoint(url)) == "http://am.example/api/v2/alerts"
    assert str(endpoint("http://u:p@am.example/sub/")) == "http://u:p@am.example/sub/api/v2/alerts"


def test_what_people_read() -> None:
    critical = transition(alert="a2", severity="critical", annotations={})
    resolved = transition("resolved", "a3")
    text = text_of(message(notification(transition(), critical, resolved)))
    assert text["title"] == "[FIRING:2] ToolFailureRate"
    assert text["type"] == "failure"
    assert "[firing] run_sql fails in 23 % of its calls\nalertname=ToolFailureRate " in text["body"]
    assert "[resolved] run_sql fails" in text["body"]
    assert text["body"].endswith("https://headrace.example/")
    over = text_of(message(notification(resolved)))
    assert (over["title"], over["type"]) == ("[RESOLVED] ToolFailureRate", "success")
    assert text_of(message(notification()))["type"] == "warning"
