"""``headrace audit keys``."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.events.settings import Settings
from headrace.sinks.audit.keys import open_keys, open_signing
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.tree.note import NoteKey
from tests.cli.conftest import Cli, _no_settings_of_the_host, cli
from tests.keys.conftest import ANN, BOB

__all__ = ["_no_settings_of_the_host", "cli"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "no-stack")


@pytest.fixture
def made(cli: Cli, settings: Settings) -> Settings:
    assert cli("audit", "keys", "init").code == 0
    return settings


def test_init_says_what_it_made_and_does_it_once(cli: Cli, settings: Settings) -> None:
    home = settings.state_dir / "audit"
    first = cli("audit", "keys", "init")
    assert (first.code, first.err) == (0, "")
    line = open_signing(settings).current.line()
    assert first.out.splitlines() == [
        f"made master key {home / 'master.key'}",
        f"made key store {home / 'keys'}",
        f"made signing key {line}",
        f"made vault {home / 'vault'}",
    ]
    assert cli("audit", "keys", "init").out == "every key is there, and the vault\n"
    assert cli("audit", "keys", "init", "--json").objects == [{"made": []}]


def test_init_makes_the_vault_where_the_settings_say(
    cli: Cli, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_AUDIT_VAULT", str(tmp_path / "mount"))
    assert f"made vault {tmp_path / 'mount'}" in cli("audit", "keys", "init").out.splitlines()
    assert (tmp_path / "mount" / "vault.json").exists()
    assert not (settings.state_dir / "audit" / "vault").exists()


@pytest.mark.parametrize("what", [("list",), ("check",), ("rotate", "--master")])
def test_without_keys_one_line_says_what_to_do(cli: Cli, what: tuple[str, ...]) -> None:
    ran = cli("audit", "keys", *what)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert ran.err.endswith("run `headrace audit keys init`\n")


@pytest.mark.parametrize("what", [("public",), ("rotate", "--signing")])
def test_without_signing_keys_one_line_says_what_to_do(cli: Cli, what: tuple[str, ...]) -> None:
    ran = cli("audit", "keys", *what)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("signing: run `headrace audit keys init`\n")


def test_list_shows_what_each_key_is(cli: Cli, made: Settings) -> None:
    assert cli("audit", "keys", "list").out.startswith("no data keys yet")
    keys = open_keys(made)
    keys.current([ANN, BOB])
    keys.shred(ANN.generation(1))
    keys.current([ANN])
    (made.state_dir / "audit" / "keys" / path_of(BOB.generation(1))).write_text("{}")
    master = keys.ring.current.id
    one, two, three = cli("audit", "keys", "list", "--json").objects
    assert one.pop("shredded") > 1.7e9
    common = {"subject": ANN.subject, "class": "approval"}
    assert one == {"id": ANN.generation(1), **common, "generation": 1, "state": "shredded"}
    assert two == {
        "id": ANN.generation(2),
        **common,
        "generation": 2,
        "state": "wrapped",
        "master": master,
    }
    assert (three["id"], three["state"]) == (BOB.generation(1), "damaged")
    only = cli("audit", "keys", "list", "--subject", "ab", "--json").objects
    assert [one["id"] for one in only] == [BOB.generation(1)]
    shown = cli("audit", "keys", "list").out.splitlines()
    assert [line.split()[:2] for line in shown[2:]] == [
        [ANN.subject, "approval"],
        [ANN.subject, "approval"],
        [BOB.subject, "approval"],
    ]


def test_check_names_what_is_lost(cli: Cli, made: Settings) -> None:
    keys = open_keys(made)
    keys.current([ANN, BOB])
    good = cli("audit", "keys", "check")
    assert (good.code, good.out) == (0, f"{keys.where}: 3 good, 0 shredded, 0 lost\n")
    keys.shred(ANN.generation(1))
    (made.state_dir / "audit" / "keys" / path_of(BOB.generation(1))).write_text("{}")
    (made.state_dir / "audit" / "signing" / "0001.key").unlink()
    bad = cli("audit", "keys", "check")
    assert bad.code == 1
    lines = bad.out.splitlines()
    assert lines[0].startswith(f"lost: {BOB.generation(1)}: the key")
    assert lines[1].startswith("lost: signing key: the private key of headrace+")
    assert lines[2] == f"{keys.where}: 1 good, 1 shredded, 2 lost"
    (found,) = cli("audit", "keys", "check", "--json").objects
    assert (found["good"], found["shredded"]) == (1, 1)
    assert [one["what"] for one in found["lost"]] == [BOB.generation(1), "signing key"]


def test_rotate_master_and_then_read(cli: Cli, made: Settings) -> None:
    key = open_keys(made).current([ANN])[ANN]
    ran = cli("audit", "keys", "rotate", "--master")
    master = open_keys(made).ring.current.id
    assert ran.out == (
        f"wrapped 2 keys by the fresh master key {master}: back it up; the former one stays "
        "behind it until the next rotation\n"
    )
    assert open_keys(made).by_id(key.id) == key.key
    (again,) = cli("audit", "keys", "rotate", "--master", "--json").objects
    assert (again["fresh"], again["rewrapped"]) == (True, 2)
    assert cli("audit", "keys", "check").code == 0


def test_rotate_signing_and_then_verify_both(cli: Cli, made: Settings) -> None:
    first = cli("audit", "keys", "public").out
    ran = cli("audit", "keys", "rotate", "--signing")
    line = ran.out.removeprefix("signs from the next start of the worker `seal` on: ")
    assert cli("audit", "keys", "public").out == first + line
    assert [NoteKey.parse(one).name for one in (first.strip(), line.strip())] == ["headrace"] * 2
    assert cli("audit", "keys", "public", "--json").objects == [
        {"public": [first.strip(), line.strip()]}
    ]


@pytest.mark.parametrize(
    "wrong", [(), ("--master", "--signing"), ("--signing", "--former", "file")]
)
def test_rotate_wants_one_of_two(cli: Cli, wrong: tuple[str, ...]) -> None:
    ran = cli("audit", "keys", "rotate", *wrong)
    assert ran.code == 2
    assert "(see `headrace audit keys rotate --help`)" in ran.err
