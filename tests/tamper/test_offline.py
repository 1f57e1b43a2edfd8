"""The verifier as its own program: no headrace, no other library, outside of the repository."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.sinks.audit.tree import merkle
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline
from headrace.sinks.audit.verify.offline import Ed25519
from tests.seal.signing import Signing
from tests.tamper import edits
from tests.tamper.lab import Lab, verified
from tests.tamper.making import LOG, Writer
from tests.tamper.vault_list import data, seal

# RFC 8032, 7.1: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
            "b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
            "1d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
            "c6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
            "e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_signatures_of_the_rfc(public: str, message: str, signature: str) -> None:
    key, signed = Ed25519(bytes.fromhex(public)), bytes.fromhex(signature)
    assert key.verify(signed, bytes.fromhex(message))
    assert not key.verify(signed, bytes.fromhex(message) + b"x")
    for at in range(0, 64, 9):
        changed = bytearray(signed)
        changed[at] ^= 4
        assert not key.verify(bytes(changed), bytes.fromhex(message))
    s = int.from_bytes(signed[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    assert not key.verify(signed[:32] + s.to_bytes(32, "little"), bytes.fromhex(message))
    assert not key.verify(signed[:-1], bytes.fromhex(message))


@settings(max_examples=60)
@given(
    seed=st.binary(min_size=32, max_size=32),
    message=st.binary(max_size=200),
    place=st.integers(0, 511),
)
def test_signatures_are_judged_as_by_openssl(seed: bytes, message: bytes, place: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert Ed25519(public).verify(signature, message)
    changed = bytearray(signature)
    changed[place // 8] ^= 1 << place % 8
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(changed), message)
    assert not Ed25519(public).verify(bytes(changed), message)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        bytes(31),
        (2**255 - 19).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),
    ],
)
def test_what_is_no_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(ValueError, match=r"point|32 bytes"):
        Ed25519(public)


@settings(max_examples=100)
@given(st.data())
def test_trees_and_proofs_are_those_of_the_library(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 70))
    old, index = data.draw(st.integers(0, new)), data.draw(st.integers(0, new - 1))
    hashes = [merkle.leaf_hash(b"%d" % at) for at in range(new)]
    tree = offline.Tree()
    tree.extend(b"".join(hashes[:old]))
    old_root = tree.root()
    tree.extend(b"".join(hashes[old:]))
    assert (tree.root(), old_root) == (merkle.root_of(hashes), merkle.root_of(hashes[:old]))
    path = merkle.inclusion_proof(hashes, index, new)
    assert offline.verify_inclusion(hashes[index], index, new, path, tree.root())
    assert (
        not offline.verify_inclusion(hashes[index - 1], index, new, path, tree.root()) or new == 1
    )
    steps = merkle.consistency_proof(hashes, old, new)
    assert offline.verify_consistency(old, new, steps, old_root, tree.root())
    assert not offline.verify_consistency(old, new, steps, bytes(32), tree.root())


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The one file, elsewhere."""
    return Path(shutil.copyfile(str(offline.__file__), tmp_path / "verify.py"))


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it without site packages, in its own directory."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", program.name, *map(str, arguments)],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": ""},
        check=False,
    )


@pytest.fixture
def key_file(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "our.pub"
    path.write_text(lab.signing.key.line() + "\n")
    return path


def test_a_vault_and_a_bundle_are_whole(program: Path, lab: Lab, key_file: Path) -> None:
    ran = run(program, lab.original, "--key", key_file, "--since", lab.witness)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"log {LOG}: complete up to checkpoint 33, which extends" in ran.stdout
    ran = run(program, lab.bundle)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"log {LOG}: complete up to checkpoint 33 only" in ran.stdout
    assert "taken on trust" in ran.stdout


def test_what_was_tampered_with_is_told(
    program: Path, lab: Lab, key_file: Path, tmp_path: Path
) -> None:
    root = lab.copy(tmp_path / "vault")
    edits.flip(data(root, 0, "approval"), -10)
    ran = run(program, root, "--key", key_file, "--json")
    report: dict[str, Any] = json.loads(ran.stdout)
    assert (ran.returncode, report["whole"], report["found"]) == (1, False, 1)
    (finding,) = report["findings"]
    assert finding["name"] == "changed-leaf"
    assert (finding["log"], finding["index"], finding["line"]) == (LOG, 9, 5)
    said = run(program, root, "--key", key_file).stdout
    assert f"TAMPERED  changed-leaf: log {LOG} index 9: logs/{LOG}/data/" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere is not there"),
        (["."], "neither a vault"),
        (["verify.py"], "verify.py cannot be read"),
        ([".", "--key", "verify.py"], "holds no public keys"),
        ([".", "--key", "nowhere"], "holds no public keys"),
        ([".", "--since", "nowhere"], "nowhere cannot be read"),
        (["--proof", "verify.py"], "brings no keys"),
        ([], "give a PATH or a --proof"),
        ([".", "--proof", "verify.py"], "give a PATH or a --proof"),
    ],
)
def test_what_cannot_be_done(program: Path, arguments: list[str], said: str) -> None:
    ran = run(program, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_is_told_cannot_drive_a_terminal(program: Path, lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    edits.write(root / "logs" / LOG / "\x1b[2J\u202egone", b"x")
    edits.write(root / "\x1b]0;\x07", b"x")
    ran = run(program, root)
    assert ran.returncode == 1
    assert ran.stdout.replace("\n", "").isascii()
    assert ran.stdout.replace("\n", "").isprintable()
    assert ran.stdout.count("extra-file") == 2


def test_what_is_no_plain_file_is_not_waited_for(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    path = data(root, 0, "approval")
    path.unlink()
    os.mkfifo(path)
    assert [one.name for one in verified(root, lab).findings] == ["missing-segment"]
    path.unlink()
    path.symlink_to(data(lab.original, 0, "approval"))
    assert [one.name for one in verified(root, lab).findings] == ["missing-segment"]


def test_old_checkpoints_verify_after_a_rotation(lab: Lab, tmp_path: Path) -> None:
    root, fresh = tmp_path / "vault", Signing(seed=2)
    place = DirectoryPlace(root)
    writer = Writer(place)
    writer.segment(10, lab.signing)
    writer.segment(10, fresh)
    for one in (lab.signing, fresh):
        Vault(place).keep_key(one.key)
    trusting = verified(root, lab, pin=False)
    assert (trusting.whole, trusting.logs[0].checkpoints) == (True, 2)
    both = [offline.parse_key(one.key.line()) for one in (lab.signing, fresh)]
    files = offline.open_files(root)
    assert offline.verify(files, "v", keys=both).whole
    alone = verified(root, lab)
    assert [(one.name, one.index) for one in alone.findings] == [("unknown-signer", 10)]


def test_many_findings_are_counted_and_not_all_kept(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "MOST_FINDINGS", 3)
    root = lab.copy(tmp_path / "vault")
    edits.edit(data(root, 17, "access"), lambda lines: [line[:-9] for line in lines])
    report = verified(root, lab)
    assert (len(report.findings), report.found) == (3, 8)
    assert any("5 more findings" in line for line in offline.lines_of(report))


def test_a_line_without_an_end_is_not_read_whole(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "LARGEST_LINE", 1000)
    monkeypatch.setattr(offline, "CHUNK", 256)
    root = lab.copy(tmp_path / "vault")
    edits.write(data(root, 0, "approval"), b"x" * 100_000)
    names = {one.name for one in verified(root, lab).findings}
    assert names == {"changed-leaf", "inserted-leaf"}


def test_a_seal_may_not_ask_for_much_memory(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    edits.reseal(seal(root, 17), lambda fields: fields.update(end=10**12))
    assert [one.name for one in verified(root, lab).findings] == ["changed-seal"]


def test_notes_one_behind_the_other_are_parted(lab: Lab) -> None:
    notes = [lab.pinned(LOG, size).read_bytes() for size in (10, 17)]
    assert offline.split_notes(b"".join(notes)) == notes
    assert offline.split_notes(b"") == [b""]


def test_without_any_key_nothing_is_known(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    edits.one(root, "keys/*.pub").unlink()
    with pytest.raises(offline.CannotBeDone, match="no public key"):
        verified(root, lab, pin=False)
    assert verified(root, lab).whole
