"""A scripted model behind OpenAI's chat-completions interface, on loopback.

It speaks what agentao's client needs: server-sent events with text, reasoning and tool calls in
pieces, a last chunk with the usage (cached tokens among them), whole answers where no stream is
asked for, and errors with ``Retry-After``. What it says stands in the script; what a call costs is
worked out from the request, and the prompt cache behaves like one: what the last call of the same
conversation sent is cached.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, cast, final

PATH: Final = "/v1/chat/completions"
CHARACTERS_A_TOKEN: Final = 4
CACHE_BLOCK: Final = 128
"""Tokens; a prompt cache counts in whole blocks."""
SOCKET_TIMEOUT: Final = 30.0
"""Seconds; a client on loopback that says nothing for so long is gone."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, as the model asks for it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers to one request. ``status`` other than 200 is an error."""

    text: str = ""
    thinking: str = ""
    tools: tuple[ToolCall, ...] = ()
    status: int = 200
    retry_after: float = 0.0
    first_token_s: float = 0.02
    chunk_s: float = 0.002


@final
class ScriptedLLM:
    """Serves scripts on a free port of loopback. Thread-safe; a context manager.

    A script is found by the conversation in the URL and by the model's name in the request, so a
    sub-agent with a model of its own reads from a script of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: defaultdict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self._cached: dict[tuple[str, str], int] = {}
        self._uncached: set[str] = set()
        self.requests = 0
        """How many requests were answered, errors among them."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.script = self
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="scripted-llm"
        )
        self._thread.daemon = True

    def __enter__(self) -> ScriptedLLM:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving. Answers under way are cut off."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(timeout=5)
        self._server.server_close()

    def base_url(self, conversation: str) -> str:
        """Return the ``base_url`` for a client that should read ``conversation``'s script."""
        return f"http://127.0.0.1:{self._server.server_port}/c/{conversation}/v1"

    def never_cache(self, conversation: str) -> None:
        """Take nothing from the cache, as where something new stands at a prompt's beginning."""
        with self._lock:
            self._uncached.add(conversation)

    def add(self, conversation: str, model: str, replies: Sequence[Reply]) -> None:
        """Append to a script."""
        with self._lock:
            self._scripts[conversation, model].extend(replies)

    def answer(self, conversation: str, model: str, prompt_tokens: int) -> tuple[Reply, int]:
        """Take the next reply, with how many of the prompt's tokens were cached."""
        key = conversation, model
        with self._lock:
            self.requests += 1
            script = self._scripts[key]
            if not script:
                over = f"the script of {conversation} for {model} is at its end"
                return Reply(over, status=400), 0
            reply = script.popleft()
            cached = min(self._cached.get(key, 0), prompt_tokens)
            if reply.status == 200 and conversation not in self._uncached:  # noqa: PLR2004 - HTTP's
                self._cached[key] = prompt_tokens // CACHE_BLOCK * CACHE_BLOCK
            return reply, cached


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    script: ScriptedLLM

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal is the demo's."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        conversation, _, path = self.path.removeprefix("/c/").partition("/")
        if "/" + path != PATH:
            self._whole(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        request = json.loads(body)
        prompt_tokens = len(body) // CHARACTERS_A_TOKEN
        script = cast("_Server", self.server).script
        reply, cached = script.answer(conversation, request["model"], prompt_tokens)
        if reply.status != 200:  # noqa: PLR2004 - the HTTP status
            message = reply.text or "The server is overloaded, try again later"
            self._whole(
                reply.status,
                {"error": {"message": message, "type": "server_error", "code": None}},
                {"Retry-After": f"{reply.retry_after:g}"},
            )
            return
        usage = _usage(reply, prompt_tokens, cached)
        if request.get("stream"):
            self._stream(reply, request["model"], usage)
        else:
            time.sleep(reply.first_token_s)
            self._whole(200, _completion(reply, request["model"], usage))

    def _whole(
        self, status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Reply, model: str, usage: Mapping[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        time.sleep(reply.first_token_s)
        for delta in _deltas(reply):
            self._event({"choices": [{"index": 0, "delta": delta}]}, model)
            time.sleep(reply.chunk_s)
        finish = "tool_calls" if reply.tools else "stop"
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, model)
        self._event({"choices": [], "usage": usage}, model)
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, content: Mapping[str, Any], model: str) -> None:
        chunk = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0}
        line = json.dumps({**chunk, "model": model, **content})
        self.wfile.write(f"data: {line}\n\n".encode())
        self.wfile.flush()


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in _pieces(reply.thinking):
        yield {"reasoning_content": piece}
    for piece in _pieces(reply.text):
        yield {"content": piece}
    for index, call in enumerate(reply.tools):
        whole = _tool_call(index, call)
        arguments = whole["function"].pop("arguments")
        half = len(arguments) // 2
        yield {"tool_calls": [whole | {"index": index}]}
        for part in (arguments[:half], arguments[half:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _pieces(text: str) -> Iterator[str]:
    """Cut a text as providers do: a word or two a chunk, its blanks kept."""
    words = text.split(" ")
    for start in range(0, len(words), 2):
        piece = " ".join(words[start : start + 2])
        if piece:
            yield piece if start + 2 >= len(words) else piece + " "


def _tool_call(index: int, call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call.arguments)
    identifier = f"call_{index}_{abs(hash((call.name, arguments, time.monotonic_ns()))):x}"
    return {
        "id": identifier,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _usage(reply: Reply, prompt_tokens: int, cached: int) -> dict[str, Any]:
    thinking = len(reply.thinking) // CHARACTERS_A_TOKEN
    spoken = len(reply.text) + sum(len(json.dumps(c.arguments)) for c in reply.tools)
    completion = thinking + max(1, spoken // CHARACTERS_A_TOKEN)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thinking},
    }


def _completion(reply: Reply, model: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.tools:
        message["tool_calls"] = [_tool_call(i, call) for i, call in enumerate(reply.tools)]
    finish = "tool_calls" if reply.tools else "stop"
    return {
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }
