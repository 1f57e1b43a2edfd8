"""Leaves: the same arguments give the same bytes, and nothing of one can be changed or moved."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.identity import Identity
from headrace.sinks.audit import leaf
from headrace.sinks.audit.leaf import LeafError, Position, Pseudonyms

KEY = bytes(range(32))
AT = Position("9f86d081884c7d65-0", 41, "0" * 64, 1234)


def made(value: bytes = b'{"a":1}', at: Position = AT, **changed: object) -> bytes:
    return leaf.event_leaf(
        at,
        **{  # type: ignore[arg-type]
            "ts": 1704067200.25,
            "policy": "0123456789abcdef",
            "audit_class": "approval",
            "identity": Identity("acme", "s-1", "0123456789abcdef", 12),
            "who": Pseudonyms("ab" * 16, "cd" * 16),
            "type": "confirmation_resolved",
            "tool": "bash",
            "key_id": "k",
            "key": KEY,
            "value": value,
        }
        | changed,
    )


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_what_went_in_comes_out(value: bytes, tenant: str, tool: str) -> None:
    identity = Identity(tenant, "s", "e", 1)
    one = made(value, identity=identity, tool=tool)
    assert one == made(value, identity=identity, tool=tool)
    assert leaf.opened(one, KEY) == value
    clear = leaf.read(one)
    assert (clear.tenant, clear.tool, clear.index) == (tenant, tool, 41)
    assert json.loads(one)["class"] == "approval"


def test_a_user_called_like_the_mark_is_no_data() -> None:
    tool = 'x","data":"AAAA'
    assert leaf.opened(made(tool=tool), KEY) == b'{"a":1}'


@pytest.mark.parametrize("place", [3, 20, 60, 150, 320, -30, -4])
def test_a_changed_byte_does_not_decrypt(place: int) -> None:
    one = bytearray(made())
    one[place] ^= 1
    with pytest.raises(LeafError):
        leaf.opened(bytes(one), KEY)


def test_a_ciphertext_moved_to_another_leaf_does_not_decrypt() -> None:
    other = made(at=Position(AT.log, 42, AT.prev, 1235))
    head = other.rpartition(b',"data":"')[0]
    with pytest.raises(LeafError):
        leaf.opened(head + b',"data":"' + made().rpartition(b',"data":"')[2], KEY)


def test_another_key_does_not_decrypt() -> None:
    with pytest.raises(LeafError, match="another key's"):
        leaf.opened(made(), bytes(32))


def test_a_policy_is_a_leaf() -> None:
    one = leaf.policy_leaf(AT, ts=1.5, policy="0123456789abcdef", text='[[rule]]\n"x"\n')
    assert leaf.read(one).text == '[[rule]]\n"x"\n'
    with pytest.raises(LeafError, match="no ciphertext"):
        leaf.opened(one, KEY)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"log":1}', b"[" * 100_000])
def test_what_is_no_leaf_says_so(line: bytes) -> None:
    with pytest.raises(LeafError, match="not a leaf"):
        leaf.read(line)
