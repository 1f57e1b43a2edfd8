"""What was sealed is read again as it was, and what was changed since is noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headrace.events.settings import AuditSettings, Settings
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import Frontier, leaf_hash, root_of
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.place import ChangedError
from headrace.sinks.audit.vault.seal import read_seal, seal_name
from headrace.sinks.audit.vault.vault import Vault, open_vault
from tests.audit.log import LOG
from tests.seal.signing import Signing
from tests.seal.written import written

SIZES = (1, 4, 7, 2)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(DirectoryPlace(tmp_path / "vault"))


@pytest.fixture
def signing() -> Signing:
    return Signing()


def test_a_log_is_read_as_it_was_written(vault: Vault, signing: Signing) -> None:
    leaves = written(vault.place, signing, SIZES)
    other = "fedcba9876543210-0"
    written(vault.place, signing, [3], log=other)
    assert vault.logs() == [LOG, other]
    seals = list(vault.seals(LOG))
    assert [(one.first, one.end) for one in seals] == [(0, 1), (1, 5), (5, 12), (12, 14)]
    read = [found for seal in seals for found in vault.leaves(seal)]
    assert read == list(enumerate(leaves))
    assert list(vault.all_hashes(LOG)) == [leaf_hash(one) for one in leaves]
    assert list(vault.seals(LOG, first=5)) == seals[2:]
    assert vault.last_seal(LOG) == seals[-1]
    assert vault.last_seal("0000000000000000-0") is None
    assert [vault.leaf(LOG, index) for index in range(14)] == leaves
    assert vault.leaf(LOG, 14) is None


def test_each_checkpoint_is_of_the_tree_up_to_its_seal(vault: Vault, signing: Signing) -> None:
    leaves = written(vault.place, signing, SIZES)
    vault.keep_key(signing.key)
    vault.keep_key(signing.key)
    for seal in vault.seals(LOG):
        signed = note.parse(seal.checkpoint.encode())
        assert note.verify(signed, vault.keys()) == [signing.key]
        root = root_of(map(leaf_hash, leaves[: seal.end]))
        assert Checkpoint.from_text(signed.text) == Checkpoint.of(LOG, seal.end, root)
        assert Frontier.of(seal.end, [bytes.fromhex(one) for one in seal.peaks]).root() == root


def test_what_was_removed_leaves_the_rest_readable(vault: Vault, signing: Signing) -> None:
    leaves = written(vault.place, signing, [6])
    seal = next(vault.seals(LOG))
    gone = next(one for one in seal.classes if one.audit_class == "approval")
    late = DirectoryPlace(vault.place._root, clock=lambda: 1e11)  # type: ignore[attr-defined]
    late.remove(gone.name)
    assert vault.lines(gone) is None
    assert list(vault.leaves(seal)) == list(enumerate(leaves))[1::2]
    assert len(vault.hashes(seal)) == 6


@pytest.mark.parametrize("which", ["jsonl", "hashes", "seal"])
def test_a_changed_byte_is_noticed(vault: Vault, signing: Signing, which: str) -> None:
    written(vault.place, signing, [6])
    root = vault.place._root  # type: ignore[attr-defined]
    path = next(iter(sorted(root.rglob(f"*.{which}"))))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChangedError, match=path.name):
        [list(vault.leaves(seal)) + vault.hashes(seal) for seal in vault.seals(LOG)]


def test_a_segment_that_is_missing_is_noticed(vault: Vault, signing: Signing) -> None:
    written(vault.place, signing, SIZES)
    (vault.place._root / seal_name(LOG, 1)).unlink()  # type: ignore[attr-defined]
    with pytest.raises(ChangedError, match="leaf 1 is next"):
        list(vault.all_hashes(LOG))
    assert vault.leaf(LOG, 3) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"first": 1}, "it says that it is"),
        ({"end": 7}, "do not hold"),
        ({"end": 0}, "end"),
        ({"end": 99_999}, "99999 leaves"),
        ({"peaks": []}, "0 peaks"),
        ({"sealed_at": 1.0}, "another's"),
        ({"checkpoint": ""}, "a note"),
        ({"v": 2}, "v"),
        ({"head": "AB" * 32}, "head"),
        ({"more": 1}, "more"),
        ({"log": "../../etc"}, "log"),
        ({"hashes": {"name": "keys/x", "sha256": "0" * 64}}, "not its log's"),
        ({"classes": []}, "classes"),
    ],
)
def test_a_seal_that_contradicts_itself_is_refused(
    vault: Vault, signing: Signing, change: dict[str, object], why: str
) -> None:
    written(vault.place, signing, [6])
    seal = next(vault.seals(LOG))
    content = msgspec.json.encode(msgspec.json.decode(seal.encode()) | change)
    with pytest.raises(ChangedError, match=why):
        read_seal(seal.name, content)


def test_the_vault_is_where_the_settings_say(tmp_path: Path) -> None:
    default = open_vault(Settings(state_dir=tmp_path))
    default.keep_key(Signing().key)
    assert (tmp_path / "audit" / "vault" / "keys").is_dir()
    other = AuditSettings(vault=str(tmp_path / "other"))
    assert open_vault(Settings(state_dir=tmp_path, audit=other)).keys() == []
