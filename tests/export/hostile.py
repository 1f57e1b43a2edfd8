"""Events as nobody should write them, and as the archive takes them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
named = text.filter(bool)


def _quoted(value: str, escaped: bool) -> str:
    # A line break cannot stand in a text of JSON as it is, and other controls need not.
    return json.dumps(value, ensure_ascii=escaped)


strings = st.builds(_quoted, text, st.booleans())
numbers = st.one_of(
    st.integers(-(10**60), 10**60).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1e400", "-0", "-0.0", "1E-400", "0.1000", "1.0e+5", "18446744073709551616"]),
)
blank = st.sampled_from(["", "", "", " ", "\t", "  "])
scalars = st.one_of(strings, numbers, st.sampled_from(["true", "false", "null"]))


def _object(pairs: list[tuple[str, str]], gap: str) -> str:
    inner = f",{gap}".join(f"{key}{gap}:{gap}{value}" for key, value in pairs)
    return f"{{{gap}{inner}}}"


def _array(values: list[str], gap: str) -> str:
    return f"[{gap}{f'{gap},'.join(values)}]"


def _pairs(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    # Keys may come twice, and be those that the archive looks for.
    keys = st.one_of(
        strings, st.sampled_from(['"tool"', '"tool"', '"status"', '"seq"', '"epoch"', '"ts"'])
    )
    return st.lists(st.tuples(keys, values), max_size=4)


values: st.SearchStrategy[str] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(_array, st.lists(inner, max_size=4), blank),
        st.builds(_object, _pairs(inner), blank),
    ),
    max_leaves=8,
)
payloads = st.builds(_object, _pairs(values), blank)
"""Text of ``data``."""

moments = st.one_of(
    st.floats(0, 4294967295, allow_nan=False, exclude_max=True).map(repr),
    st.sampled_from(["-0.0", "-0", "1E5", "1e-400", "1764000000", "4294967295.9999995"]),
)
odd = ["1e400", "-1e400", "-0.0", "-0", "0.1", "1E5", "5e-324", "1.7976931348623157e308"]
# No JSON, but for the last, and yet the archive takes them.
no_numbers = ["NaN", "Infinity", "-Infinity", '"nan"']
durations = st.one_of(
    st.none(),
    st.sampled_from([*odd, *no_numbers, "1" + "0" * 400]),
    st.integers(-(10**60), 10**60).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


_NOBODY = b'{"tenant":"",'


def of_tenant(line: bytes, tenant: str) -> bytes:
    """Give a line of :func:`events` its tenant."""
    return line.replace(_NOBODY, b'{"tenant":"%b",' % tenant.encode(), 1)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """One line of no tenant, as a producer that knows no better might write it."""
    fields: list[tuple[str, Any]] = [
        ("tenant", '""'),
        ("session", draw(st.builds(_quoted, named, st.booleans()))),
        ("epoch", draw(st.builds(_quoted, named, st.booleans()))),
        ("seq", str(draw(st.integers(1, 2**63 - 1)))),
        ("ts", draw(moments)),
        ("type", draw(st.builds(_quoted, named, st.booleans()))),
        ("data", draw(payloads)),
        ("duration_ms", draw(durations)),
        ("v", draw(st.none() | st.integers(0, 255).map(str))),
        ("turn", draw(st.none() | st.integers(0, 2**32 - 1).map(str))),
        *((name, draw(st.none() | strings)) for name in ("user", "agent", "trace")),
    ]
    inner = ",".join(f'"{name}":{value}' for name, value in fields if value is not None)
    return f"{{{inner}}}".encode()
