"""The scripted model, asked by the client that agents use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import openai
import pytest

from headrace.cli.demo.llm_server import CACHE_BLOCK, Reply, ScriptedLLM, ToolCall


@pytest.fixture
def llm() -> Iterator[ScriptedLLM]:
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture
def client(llm: ScriptedLLM) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=llm.base_url("c"), max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, text: str = "hi", model: str = "m") -> openai.Stream:  # type: ignore[type-arg]
    return client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        stream=True,
        stream_options={"include_usage": True},
    )


def test_a_stream_brings_reasoning_then_text_in_pieces(
    llm: ScriptedLLM, client: openai.OpenAI
) -> None:
    llm.add("c", "m", [Reply("one two three  four five", thinking="let me see now")])
    deltas = [chunk.choices[0].delta for chunk in ask(client) if chunk.choices]
    kinds = ["t" if d.content else "r" for d in deltas if d.content or _reasoning(d)]
    assert kinds == sorted(kinds)
    assert kinds.count("t") > 2
    assert "".join(d.content or "" for d in deltas) == "one two three  four five"
    assert "".join(map(_reasoning, deltas)) == "let me see now"


def _reasoning(delta: object) -> str:
    return getattr(delta, "reasoning_content", None) or ""


def test_tool_calls_come_in_pieces_with_ids_of_their_own(
    llm: ScriptedLLM, client: openai.OpenAI
) -> None:
    llm.add("c", "m", [Reply(tools=(ToolCall("a", {"x": 1}), ToolCall("b", {"y": "z"})))])
    names: dict[int, str] = {}
    ids: dict[int, str] = {}
    arguments: dict[int, str] = {0: "", 1: ""}
    finish = None
    for chunk in ask(client):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or ():
                arguments[call.index] += call.function.arguments or ""
                names[call.index] = call.function.name or names.get(call.index, "")
                ids[call.index] = call.id or ids.get(call.index, "")
    assert names == {0: "a", 1: "b"}
    assert arguments == {0: '{"x": 1}', 1: '{"y": "z"}'}
    assert len(set(ids.values())) == 2
    assert finish == "tool_calls"


def test_what_was_sent_before_is_cached(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    llm.add("c", "m", [Reply("a"), Reply("b")])
    llm.add("c", "other", [Reply("c")])
    first, second = ([*ask(client, "x" * 4_000)][-1].usage for _ in range(2))
    other = [*ask(client, "x" * 4_000, model="other")][-1].usage
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens == 1_027 // CACHE_BLOCK * CACHE_BLOCK
    assert other.prompt_tokens_details.cached_tokens == 0


def test_a_whole_answer_where_no_stream_is_asked_for(
    llm: ScriptedLLM, client: openai.OpenAI
) -> None:
    llm.add("c", "m", [Reply("whole", thinking="hm", tools=(ToolCall("a"),))])
    answer = client.chat.completions.create(model="m", messages=[])
    assert answer.choices[0].message.content == "whole"
    assert answer.choices[0].message.tool_calls[0].function.name == "a"  # type: ignore[index, union-attr]
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_an_error_says_when_to_come_back(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    llm.add("c", "m", [Reply(status=503, retry_after=0.25), Reply("here again")])
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.response.headers["retry-after"] == "0.25"
    assert [*ask(client)]
    assert llm.requests == 2


def test_a_script_at_its_end_is_an_error_that_names_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the script of c for m is at its end"):
        ask(client)


def test_another_path_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="x")


def test_a_client_that_goes_away_disturbs_nobody(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    llm.add("c", "m", [Reply("word " * 2_000), Reply("fine")])
    stream = ask(client)
    next(iter(stream))
    stream.close()
    assert "".join(c.choices[0].delta.content or "" for c in ask(client) if c.choices) == "fine"


def test_closing_ends_its_thread_and_frees_its_port() -> None:
    with ScriptedLLM() as llm:
        url = llm.base_url("c")
        assert "scripted-llm" in [thread.name for thread in threading.enumerate()]
    assert "scripted-llm" not in [thread.name for thread in threading.enumerate()]
    with (
        openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        ask(client)
