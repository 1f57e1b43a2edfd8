"""The texts of an event, by field: what ``words`` of 0010_search.sql has of it, for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

Pairs = list[tuple[str, Any]]

OTHER: Final = "other"
HASHES: Final = "_hash"
_FIELDS: Final = {
    "args": "arguments",
    "arguments": "arguments",
    "content": "results",
    "result": "results",
    "output": "results",
    "error": "errors",
    "error_message": "errors",
    "error_class": "errors",
    "detail": "errors",
    "user_message": "messages",
    "final_text": "messages",
    "text": "messages",
    "task": "messages",
    "message": "messages",
}
_OF_TYPE: Final = {("error", "message"): "errors", ("llm_retry", "reason"): "errors"}
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


def texts_of(kind: str, data: str) -> Iterator[tuple[str, str]]:
    """Yield fields and their texts, whatever the JSON is like."""
    pairs = _decoded(data)
    if kind == "llm_call_delta":
        yield from (("messages", text) for text in _own(pairs) if text)
        return
    fields: dict[str, list[str]] = {}
    for key, value in pairs:
        if not key.endswith(HASHES) and not isinstance(value, _Number):
            field = _OF_TYPE.get((kind, key)) or _FIELDS.get(key, OTHER)
            fields.setdefault(field, []).append(_text(value))
    for field, texts in fields.items():
        yield field, "\n".join(texts)


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _decoded(data: str) -> Pairs:
    """Decode an object as pairs: a key may stand in it twice."""
    try:
        pairs: Any = json.loads(
            data,
            object_pairs_hook=_Object,
            parse_int=_Number,
            parse_float=_Number,
            strict=False,
        )
    except (ValueError, RecursionError):
        return [("", data)]
    return pairs if isinstance(pairs, _Object) else [("", data)]


class _Object(Pairs):
    """An object of JSON."""


def _own(pairs: Pairs) -> Iterator[str]:
    """Yield what the model said of the messages that a call has new; the others stand elsewhere."""
    for key, messages in pairs:
        if key != "added_messages" or not isinstance(messages, list):
            continue
        for message in messages:
            known = dict(message) if isinstance(message, _Object) else {}
            if known.get("role") == "assistant":
                yield _text(known.get("reasoning_content"))
                yield _text(known.get("content"))


def _text(value: Any) -> str:
    return "\n".join(_leaves(value)).encode("utf-8", "replace").decode()


def _leaves(value: Any) -> Iterator[str]:
    """Yield texts and numbers, at any depth; texts with escapes in them also without these."""
    if isinstance(value, str):
        yield value
        if "\\" in value:
            yield _unescaped(value)
    elif isinstance(value, _Object):
        for key, inner in value:
            if not key.endswith(HASHES):
                yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


def _unescaped(text: str) -> str:
    """Decode what a tool answers as JSON in a string, wherever in the string it stands."""
    bare = text.replace("\\\\", "\\u005c").replace('\\"', "\\u0022").replace('"', " ")
    try:
        return str(json.loads(f'"{bare}"', strict=False))
    except ValueError:
        return _ESCAPE.sub(" ", bare)
