import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sinks.audit.tree.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The test tree of certificate-transparency (merkletree/merkle_tree_test.cc).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
SMALL = st.integers(min_value=1, max_value=70)


def hashes_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % i) for i in range(count)]


# RFC 6962, 2.1 to 2.1.2, word for word.


def naive_root(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = largest_power(len(hashes))
    return node_hash(naive_root(hashes[:k]), naive_root(hashes[k:]))


def naive_path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = largest_power(len(hashes))
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(m: int, hashes: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if m == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = largest_power(len(hashes))
    if m <= k:
        return [*naive_subproof(m, hashes[:k], whole=whole), naive_root(hashes[k:])]
    return [*naive_subproof(m - k, hashes[k:], whole=False), naive_root(hashes[:k])]


def largest_power(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def test_roots_are_the_published_ones() -> None:
    frontier = Frontier()
    for size, root in enumerate(ROOTS):
        assert frontier.root().hex() == root
        assert root_of(HASHES[:size]).hex() == root
        if size < len(HASHES):
            frontier.append(HASHES[size])
    assert frontier.size == 8


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    proof = inclusion_proof(HASHES, index, size)
    assert [one.hex() for one in proof] == INCLUSION[index, size]
    assert verify_inclusion(HASHES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    proof = consistency_proof(HASHES, old, new)
    assert [one.hex() for one in proof] == CONSISTENCY[old, new]
    assert verify_consistency(old, new, proof, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]))


@given(SMALL, st.data())
def test_inclusion_agrees_with_the_rfc_and_holds_for_nothing_else(
    size: int, data: st.DataObject
) -> None:
    hashes = hashes_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(iter(hashes), index, size)
    root = naive_root(hashes)
    assert root_of(hashes) == root
    assert proof == naive_path(index, hashes)
    assert verify_inclusion(hashes[index], index, size, proof, root)
    other = data.draw(st.integers(0, size + 1))
    assert verify_inclusion(hashes[index], other, size, proof, root) == (other == index)
    assert not verify_inclusion(leaf_hash(b"x"), index, size, proof, root)
    assert not verify_inclusion(hashes[index], index, size, [*proof, root], root)
    assert not proof or not verify_inclusion(hashes[index], index, size, proof[:-1], root)


@given(SMALL, st.data())
def test_consistency_agrees_with_the_rfc_and_holds_for_nothing_else(
    new: int, data: st.DataObject
) -> None:
    hashes = hashes_of(new)
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(iter(hashes), old, new)
    roots = naive_root(hashes[:old]), naive_root(hashes)
    assert proof == ([] if old == new else naive_subproof(old, hashes, whole=True))
    assert verify_consistency(old, new, proof, *roots)
    forged = naive_root([*hashes[: old - 1], leaf_hash(b"x")])
    assert not verify_consistency(old, new, proof, forged, roots[1])
    assert not verify_consistency(old, new, proof, roots[0], leaf_hash(b"x"))
    assert not verify_consistency(old, new, [*proof, roots[0]], *roots)
    assert not proof or not verify_consistency(old, new, proof[:-1], *roots)


def test_any_tree_extends_the_empty_one() -> None:
    assert consistency_proof(HASHES, 0, 8) == []
    assert verify_consistency(0, 8, [], EMPTY_ROOT, bytes.fromhex(ROOTS[8]))
    assert not verify_consistency(0, 8, [], HASHES[0], bytes.fromhex(ROOTS[8]))
    assert not verify_consistency(8, 3, [], bytes.fromhex(ROOTS[8]), bytes.fromhex(ROOTS[3]))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (8, 8), (-1, 8), (0, 9)])
def test_what_is_not_there_is_not_proved(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="lea"):
        inclusion_proof(HASHES, index, size)


@pytest.mark.parametrize(("old", "new"), [(3, 2), (-1, 2), (3, 9)])
def test_no_tree_extends_a_greater_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=r"tree|leaves"):
        consistency_proof(HASHES, old, new)
