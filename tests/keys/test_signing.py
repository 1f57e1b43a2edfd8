"""The keys that sign checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys import signing
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.note import NoteError, NoteKey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "signing"
    assert signing.initialise(made, "headrace")
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(log=st.from_regex(r"[0-9a-f]{16}-[0-9]{1,3}", fullmatch=True), size=st.integers(0, 2**60))
def test_a_checkpoint_that_it_signed_verifies(folder: Path, log: str, size: int) -> None:
    keys = signing.load(folder)
    checkpoint = Checkpoint.of(log, size, b"r" * 32)
    read = note.parse(keys.sign(checkpoint.to_text()).encode())
    assert note.verify(read, keys.public) == [keys.current]
    assert Checkpoint.from_text(read.text) == checkpoint


def test_its_files_are_nobody_elses(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "0001.key": 0o600,
        "0001.pub": 0o600,
    }
    assert NoteKey.parse((folder / "0001.pub").read_text().strip()).name == "headrace"


def test_it_is_made_once(folder: Path) -> None:
    before = signing.load(folder).public
    assert not signing.initialise(folder, "another")
    assert signing.load(folder).public == before


def test_the_new_one_signs_and_what_the_old_one_signed_verifies(folder: Path) -> None:
    old = signing.load(folder)
    signed = old.sign("before\n")
    made = signing.rotate(folder, "audit.example.org")
    new = signing.load(folder)
    assert (new.current, new.public) == (made, [old.current, made])
    assert note.verify(signed, new.public) == [old.current]
    assert note.verify(new.sign("after\n"), new.public) == [made]
    with pytest.raises(NoteError, match="no known key signed"):
        note.verify(new.sign("after\n"), old.public)
    # Who runs on signs with the former one until it starts again.
    assert note.verify(old.sign("meanwhile\n"), new.public) == [old.current]


def test_the_former_private_key_is_destroyed(folder: Path) -> None:
    secret = (folder / "0001.key").read_bytes()
    with (folder / "0001.key").open("rb") as former:
        signing.rotate(folder, "headrace")
        assert former.read().strip() == b""
    assert not any(secret in path.read_bytes() for path in folder.iterdir())


def test_a_lost_private_key_says_so_and_what_to_do(folder: Path) -> None:
    lost = signing.load(folder).current
    (folder / "0001.key").unlink()
    with pytest.raises(SettingsError) as caught:
        signing.load(folder)
    assert str(caught.value) == (
        f"the private key of {lost.name}+{lost.key_id.hex()} is lost "
        f"({folder / '0001.key'} is not there): what it signed still verifies; restore it, or "
        "`headrace audit keys rotate --signing` makes a new one"
    )
    assert not signing.initialise(folder, "headrace")
    signing.rotate(folder, "headrace")
    assert signing.load(folder).public[0] == lost


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_key_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "0001.key").chmod(mode)
    with pytest.raises(SettingsError, match=rf"can be read by others \({mode:04o}\): chmod 600"):
        signing.load(folder)


def test_a_key_as_kubernetes_mounts_it_is_taken(folder: Path) -> None:
    (folder / "0001.key").chmod(0o440)
    signing.load(folder)


def test_what_cannot_be_read_says_why(folder: Path) -> None:
    (folder / "0001.key").unlink()
    (folder / "0001.key").mkdir()
    with pytest.raises(SettingsError, match=r"0001.key cannot be read: Is a directory"):
        signing.load(folder)


def x25519() -> bytes:
    key = X25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("content", [b"", b"key", b"\xff\xfe", x25519()])
def test_what_is_no_private_key_says_so(folder: Path, content: bytes) -> None:
    (folder / "0001.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"0001.key (is no Ed25519 private key|holds no key)"):
        signing.load(folder)


def test_a_private_key_of_another_public_one_is_refused(folder: Path, tmp_path: Path) -> None:
    signing.initialise(tmp_path / "other", "headrace")
    (folder / "0001.key").write_bytes((tmp_path / "other" / "0001.key").read_bytes())
    with pytest.raises(SettingsError, match=r"is not the private key of 0001.pub"):
        signing.load(folder)


def test_a_public_key_that_was_changed_is_an_error(folder: Path) -> None:
    (folder / "0001.pub").write_text("headrace+00000000+AAAA\n")
    with pytest.raises(SettingsError, match=r"public keys in .* cannot be read"):
        signing.load(folder)


def test_a_directory_without_keys_says_what_to_do(tmp_path: Path) -> None:
    for ask in (signing.load, lambda folder: signing.rotate(folder, "headrace")):
        with pytest.raises(SettingsError, match=r"no signing keys in .*: run `headrace audit keys"):
            ask(tmp_path)


def test_a_directory_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot be written: .*HEADRACE_AUDIT_SIGNING_KEYS"):
        signing.initialise(tmp_path / "file" / "signing", "headrace")
