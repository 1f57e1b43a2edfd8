"""Confirmations: their outcome is recorded, and agentao gets what it would have got."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from agentao.transport import APPROVAL_UNAVAILABLE, SdkTransport, gate_note, record_decline
from agentao.transport.confirmation import decline_reason, gated

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.producers import ConfirmTimeout
from headrace.producers.agentao import attach
from tests.agentao.recording import Recorder, Studio, asked

Confirm = Callable[[str, str, dict[str, Any]], Any]


def run(studio: Studio, recorder: Recorder, confirm: Confirm, **more: Any) -> Any:
    """Let an agent ask once; return it."""
    agent = studio.agent(
        asked(), tools=["issue_refund"], transport=SdkTransport(confirm_tool=confirm)
    )
    with attach(recorder, agent, session="s", **more):
        agent.chat("refund")
    return agent


def outcomes(recorder: Recorder) -> list[str]:
    return [d["outcome"] for d in recorder.of("confirmation_resolved")]


@pytest.mark.parametrize("timeout", [None, 30.0])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(True, ("allow", "ok")), (False, ("reject", "cancelled")), ("", ("reject", "cancelled"))],
)
def test_an_answer_is_passed_on(
    studio: Studio, recorder: Recorder, answer: Any, outcome: tuple[str, str], timeout: Any
) -> None:
    run(studio, recorder, lambda *_: answer, confirm_timeout=timeout)
    assert (*outcomes(recorder), recorder.of("tool_complete")[0]["status"]) == outcome


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_the_very_object_is_passed_on(
    studio: Studio, recorder: Recorder, timeout: float | None
) -> None:
    answer = ["a truthy object of the host's own"]
    transport = SdkTransport(confirm_tool=lambda *_: answer)  # type: ignore[arg-type]
    with attach(recorder, studio.agent(transport=transport), confirm_timeout=timeout):
        assert transport.confirm_tool("t", "", {}) is answer  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_an_exception_of_the_callback_is_passed_on(
    studio: Studio, recorder: Recorder, timeout: float | None
) -> None:
    error = TimeoutError("the host's own business")

    def confirm(*_: Any) -> bool:
        raise error

    with pytest.raises(TimeoutError) as caught:
        run(studio, recorder, confirm, confirm_timeout=timeout)
    assert caught.value is error
    (resolved,) = recorder.of("confirmation_resolved")
    assert resolved["outcome"] == "error"
    assert resolved["error"] == "TimeoutError"


def test_a_late_answer_is_a_no(studio: Studio, recorder: Recorder) -> None:
    release = threading.Event()

    def confirm(*_: Any) -> bool:
        return release.wait(30)

    agent = run(studio, recorder, confirm, confirm_timeout=0.05)
    release.set()
    assert outcomes(recorder) == ["timeout"]
    assert recorder.of("confirmation_resolved")[0]["wait_ms"] >= 50
    assert recorder.of("tool_complete")[0]["error"] == "not approved"
    assert agent.last_turn.status == "ok"


def test_a_raised_timeout_is_a_no(studio: Studio, recorder: Recorder) -> None:
    def confirm(*_: Any) -> bool:
        raise ConfirmTimeout

    agent = run(studio, recorder, confirm)
    assert outcomes(recorder) == ["timeout"]
    assert agent.last_turn.status == "ok"


def test_a_timeout_is_one_for_every_attachment(studio: Studio) -> None:
    release = threading.Event()
    agent = studio.agent(
        asked(),
        tools=["issue_refund"],
        transport=SdkTransport(confirm_tool=lambda *_: release.wait(30)),
    )
    with (
        closing(Recorder()) as one,
        closing(Recorder()) as other,
        attach(one, agent, confirm_timeout=0.05),
        attach(other, agent),
    ):
        agent.chat("refund")
    release.set()
    assert outcomes(one) == outcomes(other) == ["timeout"]


def test_with_a_timeout_the_callback_sees_the_callers_context(
    studio: Studio, recorder: Recorder
) -> None:
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    def confirm(*_: Any) -> bool:
        seen.append(request.get())
        return True

    transport = SdkTransport(confirm_tool=confirm)
    with attach(recorder, studio.agent(transport=transport), confirm_timeout=30.0):
        request.set("r-1")
        transport.confirm_tool("t", "", {})
    assert seen == ["r-1"]


def test_with_a_timeout_gate_notes_and_reasons_still_pass(
    studio: Studio, recorder: Recorder
) -> None:
    """agentao hands both over on the asking thread."""
    notes: list[str | None] = []

    def confirm(*_: Any) -> bool:
        notes.append(gate_note())
        record_decline(APPROVAL_UNAVAILABLE)
        return False

    transport = SdkTransport(confirm_tool=confirm)
    with attach(recorder, studio.agent(transport=transport), confirm_timeout=30.0), gated("a note"):
        assert transport.confirm_tool("t", "", {}) is False
        assert decline_reason() == APPROVAL_UNAVAILABLE
    assert notes == ["a note"]


def test_a_sub_agents_confirmation_is_recorded(studio: Studio, recorder: Recorder) -> None:
    write = ToolCall("write_file", {"file_path": "a.txt", "content": "a"})
    studio.helper([Reply(tools=(write,)), Reply("written")])
    agent = studio.agent(
        [Reply(tools=(ToolCall("agent_helper", {"task": "write"}),)), Reply("done")],
        transport=SdkTransport(confirm_tool=lambda *_: True),
    )
    with attach(recorder, agent, session="s"):
        agent.chat("go")
    (resolved,) = recorder.of("confirmation_resolved")
    assert resolved["tool"] == "[helper] write_file"
    assert resolved["outcome"] == "allow"
    assert resolved["call_id"] == recorder.of("tool_confirmation")[0]["call_id"]
