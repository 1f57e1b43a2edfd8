"""Keys by the settings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.events.errors import SettingsError
from headrace.events.settings import Settings, load
from headrace.local.stack import variables_of
from headrace.sinks.audit.keys import (
    KeyStoreError,
    MasterKeyError,
    ensure_local,
    open_keys,
    open_signing,
)
from headrace.sinks.audit.vault.vault import make_vault, need_vault
from tests.keys.conftest import ANN, BASE64, with_audit


def test_without_keys_every_opening_says_what_to_do(local: Settings) -> None:
    home = local.state_dir / "audit"
    with pytest.raises(SettingsError) as caught:
        open_keys(local)
    assert str(caught.value) == (
        f"no master key: {home / 'master.key'} is not there: restore it, or run "
        "`headrace audit keys init`"
    )
    with pytest.raises(SettingsError) as caught:
        open_keys(with_audit(local, master_key=BASE64))
    assert str(caught.value) == f"no audit keys in {home / 'keys'}: run `headrace audit keys init`"
    with pytest.raises(SettingsError) as caught:
        open_signing(local)
    assert str(caught.value) == (
        f"no signing keys in {home / 'signing'}: run `headrace audit keys init`"
    )
    assert not home.exists()


def test_what_is_made_is_nobody_elses_and_made_once(local: Settings) -> None:
    made = ensure_local(local)
    assert [one.partition(" /")[0].partition(" headrace+")[0] for one in made] == [
        "master key",
        "key store",
        "signing key",
        "vault",
    ]
    home = local.state_dir / "audit"
    marker = home / "vault" / "vault.json"
    for path in (home, *home.rglob("*")):
        mode = 0o400 if path == marker else 0o600
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else mode), path
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert ensure_local(local) == []
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_lost_master_key_is_not_made_again(local: Settings) -> None:
    ensure_local(local)
    file = local.state_dir / "audit" / "master.key"
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(SettingsError, match=r"the master key is lost: .*restore it from a backup"):
        ensure_local(local)
    assert not file.exists()
    file.write_bytes(kept)
    file.chmod(0o600)
    assert ensure_local(local) == []


def test_another_master_key_is_refused_before_anything_is_wrapped_by_it(local: Settings) -> None:
    ensure_local(local)
    with pytest.raises(MasterKeyError, match="the key pseudonyms is wrapped by the master key"):
        ensure_local(with_audit(local, master_key=BASE64))


def test_every_setting_is_heeded(local: Settings, tmp_path: Path) -> None:
    settings = with_audit(
        local,
        keys=str(tmp_path / "k"),
        master_key_file=tmp_path / "m",
        signing_keys=tmp_path / "s",
    )
    ensure_local(settings)
    key = open_keys(settings).current([ANN])[ANN]
    assert [path.name for path in (tmp_path / "k").rglob(f"{key.id}*")] == [f"{key.id}.json"]
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "s" / "0001.pub").exists()
    assert [path.name for path in (local.state_dir / "audit").iterdir()] == ["vault"]


def test_a_vault_elsewhere_is_not_made_unasked(local: Settings, tmp_path: Path) -> None:
    settings = with_audit(local, vault=str(tmp_path / "mount"))
    ensure_local(settings)
    assert not (tmp_path / "mount").exists()
    with pytest.raises(SettingsError, match="so it is not a vault: mount it"):
        need_vault(settings)
    assert make_vault(settings) == str(tmp_path / "mount")
    assert make_vault(settings) is None
    need_vault(settings)


def test_a_signing_key_is_called_as_the_host_is(local: Settings) -> None:
    settings = replace(local, external_url="https://audit.example.org:8443/headrace")
    ensure_local(settings)
    assert open_signing(settings).current.name == "audit.example.org"
    assert open_signing(local).current.name == "audit.example.org"


@pytest.mark.parametrize(
    ("mode", "error"), [(0o644, "can be read by others"), (0o640, None), (0o400, None)]
)
def test_a_master_key_file_that_others_can_read_is_refused(
    local: Settings, mode: int, error: str | None
) -> None:
    ensure_local(local)
    (local.state_dir / "audit" / "master.key").chmod(mode)
    if error is None:
        open_keys(local)
        return
    with pytest.raises(SettingsError, match=error):
        open_keys(local)


def test_a_master_key_file_that_is_a_directory(local: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        open_keys(with_audit(local, master_key_file=tmp_path))


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"audit cannot be made: "):
        ensure_local(Settings(state_dir=tmp_path / "file"))
    settings = with_audit(
        Settings(state_dir=tmp_path), keys=str(tmp_path / "file" / "k"), master_key=BASE64
    )
    with pytest.raises(KeyStoreError, match=r"cannot make .*: see HEADRACE_AUDIT_KEYS"):
        ensure_local(settings)
    settings = with_audit(Settings(state_dir=tmp_path), master_key_file=tmp_path / "file" / "m")
    with pytest.raises(SettingsError, match=r"/m cannot be written: "):
        ensure_local(settings)


@pytest.mark.parametrize(
    "names",
    [("MASTER_KEY", "MASTER_KEY_FILE"), ("MASTER_KEY", "KMS_KEY"), ("MASTER_KEY_FILE", "KMS_KEY")],
)
def test_one_master_key_at_most(names: tuple[str, str], tmp_path: Path) -> None:
    environ = {f"HEADRACE_AUDIT_{name}": "x" for name in names}
    with pytest.raises(SettingsError) as caught:
        load(environ, state_dir=tmp_path)
    assert str(caught.value) == (
        f"{' and '.join(environ)} exclude each other: one master key wraps"
    )


def test_a_master_key_of_the_environment_is_in_no_repr(tmp_path: Path) -> None:
    settings = load({"HEADRACE_AUDIT_MASTER_KEY": BASE64}, state_dir=tmp_path)
    assert settings.audit.master_key == BASE64
    assert BASE64 not in repr(settings)
    ensure_local(settings)
    assert not (tmp_path / "audit" / "master.key").exists()


def test_a_stacks_workers_have_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "HEADRACE_KAFKA": "127.0.0.1:9",
        "HEADRACE_CLICKHOUSE_URL": "http://127.0.0.1:9/headrace",
        "HEADRACE_AUDIT_KEYS": "keys",
        "HEADRACE_AUDIT_VAULT": "s3://bucket/vault",
        "HEADRACE_AUDIT_SIGNING_KEYS": "signing",
        "HEADRACE_AUDIT_MASTER_KEY_FILE": "master",
        "HEADRACE_AUDIT_WITNESSES": "witness,https://witness.example.org/add",
    }
    found = load(variables_of(load(given, state_dir=tmp_path)), state_dir=tmp_path).audit
    assert found.keys == os.fspath(tmp_path / "keys")
    assert found.vault == "s3://bucket/vault"
    assert found.signing_keys == tmp_path / "signing"
    assert found.master_key_file == tmp_path / "master"
    assert found.witnesses == (str(tmp_path / "witness"), "https://witness.example.org/add")
    for name, value in (("MASTER_KEY", BASE64), ("KMS_KEY", "alias/headrace")):
        variable = f"HEADRACE_AUDIT_{name}"
        alone = {k: v for k, v in given.items() if "MASTER" not in k} | {variable: value}
        passed = variables_of(load(alone, state_dir=tmp_path), "audit")
        assert passed[variable] == value


def test_a_store_that_is_no_longer_mounted_gets_no_key(local: Settings, tmp_path: Path) -> None:
    ensure_local(local)
    keys = open_keys(local)
    root = local.state_dir / "audit" / "keys"
    root.rename(tmp_path / "elsewhere")
    for there in (False, True):
        if there:
            root.mkdir()
        with pytest.raises(KeyStoreError) as caught:
            keys.current([ANN])
        assert str(caught.value) == (
            f"{root} is no key store: mount it, or run `headrace audit keys init`"
        )
        assert not root.exists() or not list(root.iterdir())


def test_drafts_that_a_kill_left_long_ago_are_taken_away(local: Settings) -> None:
    ensure_local(local)
    root = local.state_dir / "audit" / "keys"
    old, new = root / ".draft-1-old", root / ".draft-1-new"
    for draft in (old, new):
        draft.write_text("{}")
    os.utime(old, (0, 0))
    ensure_local(local)
    assert (old.exists(), new.exists()) == (False, True)
    assert list(open_keys(local).ids()) == ["pseudonyms"]
