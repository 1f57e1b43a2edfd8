"""Who answered a confirmation: what the host says of it, and what can be known without."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from agentao.transport import NullTransport, SdkTransport
from agentao.transport.non_interactive import NonInteractiveTransport

from headrace.producers import answered_by
from headrace.producers.agentao import attach
from tests.agentao.recording import Recorder, Studio, asked

Confirm = Callable[..., bool]
BOUNDED = pytest.mark.parametrize("timeout", [None, 30.0])
"""Asked on the agent's thread, or on one of its own."""


def who(recorder: Recorder, session: str | None = None) -> list[tuple[str, Any, str]]:
    return [
        (d["outcome"], d["answered_by"], d["answered_how"])
        for d in recorder.of("confirmation_resolved", session)
    ]


def run(studio: Studio, recorder: Recorder, transport: Any, timeout: float | None = None) -> None:
    agent = studio.agent(asked(), tools=["issue_refund"], transport=transport)
    with attach(recorder, agent, user="u-1", session="s", confirm_timeout=timeout):
        agent.chat("refund")


@BOUNDED
@pytest.mark.parametrize(("answer", "outcome"), [(True, "allow"), (False, "reject")])
def test_the_callback_says_who(
    studio: Studio, recorder: Recorder, timeout: float | None, answer: bool, outcome: str
) -> None:
    def confirm(*_: Any) -> bool:
        answered_by("u-2")
        return answer

    run(studio, recorder, SdkTransport(confirm_tool=confirm), timeout)
    assert who(recorder) == [(outcome, "u-2", "callback")]


@BOUNDED
def test_the_callback_says_that_nobody_was_asked(
    studio: Studio, recorder: Recorder, timeout: float | None
) -> None:
    def confirm(*_: Any) -> bool:
        answered_by("up to 5.00 a day", how="policy")
        return True

    run(studio, recorder, SdkTransport(confirm_tool=confirm), timeout)
    assert who(recorder) == [("allow", "up to 5.00 a day", "policy")]


def test_who_answered_is_not_guessed(studio: Studio, recorder: Recorder) -> None:
    """The user whom the agent works for stands in the event's ``user``."""
    run(studio, recorder, SdkTransport(confirm_tool=lambda *_: True))
    assert who(recorder) == [("allow", None, "callback")]
    assert [e.user for e in recorder.events("confirmation_resolved")] == ["u-1"]


class Own(SdkTransport):
    """A transport that asks in its own way."""

    def confirm_tool(self, tool_name: str, description: str, args: dict[str, Any]) -> bool:
        return True


@pytest.mark.parametrize(
    ("transport", "answered"),
    [
        (SdkTransport(), ("allow", None, "policy")),
        (NullTransport(), ("allow", None, "policy")),
        (NonInteractiveTransport(policy="deny"), ("reject", None, "policy")),
        (NonInteractiveTransport(policy="reject"), ("reject", None, "policy")),
        (Own(), ("allow", None, "callback")),
    ],
    ids=["sdk", "null", "deny", "reject", "own"],
)
@BOUNDED
def test_whether_anybody_was_asked_is_known(
    studio: Studio, recorder: Recorder, transport: Any, answered: Any, timeout: Any
) -> None:
    with closing(Recorder()) as other:  # so that the transport's method is tapped already
        agent = studio.agent(asked(), tools=["issue_refund"], transport=transport)
        with (
            attach(other, agent, session="s"),
            attach(recorder, agent, session="s", confirm_timeout=timeout),
        ):
            agent.chat("refund")
        assert who(recorder) == who(other) == [answered]


@pytest.mark.parametrize("says", [True, False])
def test_of_a_late_answer_nobody_is_recorded(
    studio: Studio, recorder: Recorder, says: bool
) -> None:
    release = threading.Event()

    def confirm(*_: Any) -> bool:
        if says:
            answered_by("u-2")
        release.wait(30)
        answered_by("u-3")
        return True

    run(studio, recorder, SdkTransport(confirm_tool=confirm), timeout=0.05)
    release.set()
    assert who(recorder) == [("timeout", None, "timeout")]


def test_who_answered_holds_for_one_confirmation(studio: Studio, recorder: Recorder) -> None:
    answers = iter(["u-2", None])

    def confirm(*_: Any) -> bool:
        if name := next(answers):
            answered_by(name)
        return True

    transport = SdkTransport(confirm_tool=confirm)
    with attach(recorder, studio.agent(transport=transport), session="s"):
        transport.confirm_tool("t", "", {})
        transport.confirm_tool("t", "", {})
    assert who(recorder) == [("allow", "u-2", "callback"), ("allow", None, "callback")]


def test_an_agent_that_a_callback_asks_has_answers_of_its_own(
    studio: Studio, recorder: Recorder
) -> None:
    def inner_confirm(*_: Any) -> bool:
        answered_by("inner")
        return True

    judge = studio.agent(
        asked(), tools=["issue_refund"], transport=SdkTransport(confirm_tool=inner_confirm)
    )

    def confirm(*_: Any) -> bool:
        with attach(recorder, judge, session="judge"):
            judge.chat("may it?")
        return True

    run(studio, recorder, SdkTransport(confirm_tool=confirm))
    assert who(recorder, "judge") == [("allow", "inner", "callback")]
    assert who(recorder, "s") == [("allow", None, "callback")]


def test_every_attachment_hears_who(studio: Studio, recorder: Recorder) -> None:
    def confirm(*_: Any) -> bool:
        answered_by("u-2")
        return False

    agent = studio.agent(
        asked(), tools=["issue_refund"], transport=SdkTransport(confirm_tool=confirm)
    )
    with closing(Recorder()) as other:
        with attach(other, agent, session="s", confirm_timeout=30.0), attach(recorder, agent):
            agent.chat("refund")
        assert who(other) == who(recorder) == [("reject", "u-2", "callback")]


def test_whatever_is_said_of_who_answered_nothing_is_raised(
    studio: Studio, recorder: Recorder
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    answered_by("nobody asks")  # outside of any confirmation
    names: list[Any] = [Odd(), {"a": {1, 2}}, 10**30, "\ud800"]
    pending = iter(names)

    def confirm(*_: Any) -> bool:
        answered_by(next(pending))
        return True

    transport = SdkTransport(confirm_tool=confirm)
    with attach(recorder, studio.agent(transport=transport), session="s"):
        assert all(transport.confirm_tool("t", "", {}) for _ in names)
    assert [outcome for outcome, _, _ in who(recorder)] == ["allow"] * len(names)
