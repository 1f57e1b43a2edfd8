"""Whatever dies and whoever writes beside it: each leaf is sealed once, in one chain of trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.sinks.audit.leaf import Position, policy_leaf
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import leaf_hash, root_of
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.audit.fold import NO_HASH, ForkError
from headrace.streams.audit.policy import load
from headrace.streams.seal.partition import Limits, RefusedError
from headrace.streams.seal.sealed_log import StoredError
from tests.audit.log import LOG, AuditLog, leaf, leaves
from tests.seal.sealer import NOW, DiedError, MortalPlace, Sealer, sealed_leaves
from tests.seal.signing import Signing


@pytest.fixture
def place(tmp_path: Path) -> DirectoryPlace:
    return DirectoryPlace(tmp_path)


@pytest.fixture
def signing() -> Signing:
    return Signing()


def audit(count: int = 11, writers: str = "a") -> AuditLog:
    """Entries of several writers in turn, each of whom claims and repeats the last entry."""
    log, every = AuditLog(), leaves(count)
    share = -(-count // len(writers))
    for number, writer in enumerate(writers):
        log.claim(f"{writer}{number}".encode())
        log.write(f"{writer}{number}".encode(), every[max(0, number * share - 1) :][: share + 1])
        log.write(b"zombie", leaves(1, mark="void"))
    return log


@pytest.mark.parametrize("behind", [False, True])
def test_dying_at_any_write_loses_nothing_and_doubles_nothing(
    tmp_path: Path, signing: Signing, behind: bool
) -> None:
    log, deaths = audit(writers="ab"), 0
    for number in range(1, 99):
        place = MortalPlace(DirectoryPlace(tmp_path / str(number)), number, behind=behind)
        try:
            sealer = Sealer(place, signing)
            sealer.read(log.records)
            sealer.seal()
        except DiedError:
            deaths += 1
            # Who comes next takes other shares: what the dead one left is not in the way.
            again = Sealer(place, signing, Limits(leaves=3))
            again.read(log.records)
            again.seal()
        assert list(sealed_leaves(Vault(place.place), signing)) == leaves(11)
        if place.creates < number:
            break
    assert deaths == 9  # three segments of two files and a seal


@settings(max_examples=60)
@given(st.data())
def test_any_shares_any_deaths_and_two_at_once_give_the_same_tree(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    signing = Signing()
    place = DirectoryPlace(tmp_path_factory.mktemp("vault"))
    log = audit(count := data.draw(st.integers(1, 30)), data.draw(st.sampled_from(["a", "abc"])))
    lives: dict[str, Sealer | None] = {"x": None, "y": None}
    steps = st.tuples(
        st.sampled_from("xy"), st.integers(0, 12), st.integers(1, 9), st.booleans(), st.booleans()
    )
    for name, more, dies_at, dies, behind in data.draw(st.lists(steps, max_size=14)):
        sealer = lives[name]
        try:
            if sealer is None:
                limits = Limits(leaves=data.draw(st.integers(1, 7)))
                sealer = lives[name] = Sealer(MortalPlace(place), signing, limits)
            sealer.place.dies_at = sealer.place.creates + dies_at if dies else -1
            sealer.place.behind = behind
            sealer.read(log.records[: sealer.partition.offset + more])
            if data.draw(st.booleans()):
                sealer.seal()
        except DiedError:
            lives[name] = None
    last = Sealer(place, signing)
    last.read(log.records)
    last.seal()
    assert list(sealed_leaves(Vault(place), signing)) == leaves(count)
    seal = Vault(place).last_seal(LOG)
    assert seal is not None
    text = Checkpoint.of(LOG, count, root_of(map(leaf_hash, leaves(count)))).to_text()
    assert seal.checkpoint.startswith(text)


def test_of_two_sealers_one_is_fenced_and_both_go_on(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(20)
    one, other = Sealer(place, signing), Sealer(place, signing, Limits(leaves=5))
    for end in range(0, len(log.records), 2):
        one.read(log.records[:end])
        other.read(log.records[: end + 1])
    assert one.fenced
    for sealer in (one, other):
        sealer.read(log.records)
        sealer.seal()
    assert list(sealed_leaves(Vault(place), signing)) == leaves(20)


def test_a_zombie_that_comes_back_seals_nothing_twice(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(20)
    zombie = Sealer(place, signing)
    zombie.read(log.records[:8])
    heir = Sealer(place, signing, Limits(leaves=3))
    heir.read(log.records)
    heir.seal()
    before = len(list(Vault(place).seals(LOG)))
    zombie.read(log.records[:12])
    zombie.seal()
    assert zombie.fenced == 1
    assert len(list(Vault(place).seals(LOG))) == before


def test_another_leaf_at_a_sealed_index_is_a_fork_and_nothing_is_signed(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(8)
    Sealer(place, signing).read(log.records)
    signed = list(signing.signed)
    forged = AuditLog()
    forged.claim(b"a0")
    forged.write(b"a0", [*leaves(2), *leaves(9, first=2, prev=_hash(leaves(2)[-1]), mark="x")])
    # Of what the last seal holds, hashes are known.
    again = Sealer(place, signing)
    again.partition._fold.offset = 0
    with pytest.raises(ForkError, match="another entry is there"):
        again.read(forged.records)
    # And of what another sealed meanwhile, when it is read.
    late = Sealer(DirectoryPlace(place._root / "other"), signing)
    late.read(log.records[:2])
    behind = [(seal, Vault(place).hashes(seal)) for seal in Vault(place).seals(LOG)]
    late.partition.follow(behind, signing.public, 0.0)
    with pytest.raises(ForkError, match="another leaf is sealed there"):
        late.read(forged.records)
    # And where it waits here already.
    late = Sealer(DirectoryPlace(place._root / "third"), signing, Limits(leaves=99))
    late.read(forged.records)
    with pytest.raises(ForkError, match="another leaf is sealed there"):
        late.partition.follow(behind, signing.public, 0.0)
    assert signing.signed == signed


def test_a_vault_put_back_behind_a_sealer_is_noticed_before_it_signs(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(10)
    sealer = Sealer(place, signing)
    sealer.read(log.records)
    last = Vault(place).last_seal(LOG)
    assert last is not None
    (place._root / last.name).unlink()
    signed = len(signing.signed)
    with pytest.raises(StoredError, match="no longer in the vault"):
        sealer.seal()
    assert len(signing.signed) == signed


def test_a_log_signed_by_an_unknown_key_is_not_gone_on_from(place: DirectoryPlace) -> None:
    Sealer(place, Signing()).read(audit(8).records)
    with pytest.raises(StoredError, match="put the public key"):
        Sealer(place, Signing("other.example/headrace", 2))


def test_an_audit_topic_made_anew_under_a_log_says_so(
    place: DirectoryPlace, signing: Signing
) -> None:
    Sealer(place, signing).read(audit(8).records)
    anew = Sealer(place, signing, incarnation="cluster/another")
    assert anew.partition.offset == 0
    with pytest.raises(StoredError, match="made anew under it"):
        anew.read(audit(3).records)
    # Where Kafka forgot everything, its logs are other ones.
    log = AuditLog()
    log.claim(b"n")
    other = "fedcba9876543210-3"
    log.write(b"n", [leaf(0, NO_HASH, log=other)])
    anew = Sealer(place, signing, incarnation="cluster/another")
    anew.read(log.records)
    anew.seal()
    assert len(list(sealed_leaves(Vault(place), signing, other))) == 1


def test_who_comes_next_begins_behind_the_last_leaf_that_is_sealed(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(9)
    sealer = Sealer(place, signing)
    sealer.read(log.records)
    assert [one.at for one, _ in sealer.partition.log.waiting] == [9]  # type: ignore[union-attr]
    again = Sealer(place, signing)
    assert again.partition.offset == sealer.partition.waits_from == 9
    sealer.seal()
    assert Sealer(place, signing).partition.offset == 10
    assert sealer.partition.waits_from == len(log.records)


def test_another_log_in_the_partition_is_sealed_behind_the_first(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = audit(6)
    log.claim(b"b")
    other = "fedcba9876543210-3"
    log.write(b"b", [first := leaf(0, NO_HASH, log=other)])
    log.write(b"b", [leaf(1, _hash(first), log=other)])
    for stop in range(len(log.records) + 1):
        sealer = Sealer(place, signing)
        sealer.read(log.records[:stop])
    sealer = Sealer(place, signing)
    sealer.read(log.records)
    sealer.seal()
    assert list(sealed_leaves(Vault(place), signing)) == leaves(6)
    assert len(list(sealed_leaves(Vault(place), signing, other))) == 2


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (leaf(0, NO_HASH, log="0123456789abcdef-4"), "none of this partition"),
        (leaf(0, NO_HASH, log="../../etc-3"), "none of this partition"),
        (leaf(0, NO_HASH).replace(b",", b",\n", 1), "more than one line"),
        (leaf(0, NO_HASH).replace(b'"approval"', b'"../x"'), "no name"),
        (leaf(0, NO_HASH).replace(b'"com":""', b'"com":"\xff"'), "utf-8"),
    ],
)
def test_nothing_is_signed_over_what_could_not_be_read(
    place: DirectoryPlace, signing: Signing, entry: bytes, why: str
) -> None:
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", [entry])
    with pytest.raises(RefusedError, match=why):
        Sealer(place, signing).read(log.records)
    assert signing.signed == []


def test_what_is_no_leaf_to_any_reader_is_not_sealed(
    place: DirectoryPlace, signing: Signing
) -> None:
    log = AuditLog()
    log.claim(b"a")
    log.write(b"a", [leaf(0, NO_HASH).replace(b'"approval"', b"null")])
    with pytest.raises(ForkError, match="is no entry"):
        Sealer(place, signing).read(log.records)
    assert signing.signed == []


def test_retention_is_that_of_the_policy_in_effect(place: DirectoryPlace, signing: Signing) -> None:
    policy = load()
    name, days = next(
        (one.name, one.retention_days) for one in policy.classes.values() if one.retention_days
    )
    log, at = AuditLog(), Position(LOG, 0, NO_HASH, 0)
    log.claim(b"a")
    first = policy_leaf(at, ts=1.0, policy=policy.id, text=policy.text)
    line = leaf(1, _hash(first)).replace(b'"approval"', f'"{name}"'.encode())
    known = line.replace(b'"policy":"p"', f'"policy":"{policy.id}"'.encode())
    unknown = line.replace(b'"index":1', b'"index":2').replace(
        _hash(first).encode(), _hash(known).encode()
    )
    log.write(b"a", [first, known])
    sealer = Sealer(place, signing)
    sealer.read(log.records)
    sealer.seal()
    log.write(b"a", [unknown])
    again = Sealer(place, signing)  # which knows the policy from the seal
    again.read(log.records)
    again.seal()
    seals = list(Vault(place).seals(LOG))
    kept = [{one.audit_class: one.retain_until for one in seal.classes} for seal in seals]
    assert kept[0][name] == NOW + (days or 0) * 86_400
    assert kept[1] == {name: None}  # of a policy that this log has not said
    assert seals[1].policy is not None
    assert seals[1].policy.days[name] == days


def _hash(line: bytes) -> str:
    return leaf_hash(line).hex()
