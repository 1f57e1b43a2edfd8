"""headrace audit verify, checkpoint, prove and consistency, on a vault of real keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from headrace.cli.audit import access
from headrace.events import types
from headrace.events.settings import Settings, load
from headrace.sinks.audit.keys import SigningKeys, ensure_local, open_keys, open_signing
from headrace.sinks.audit.keys.opening import signing_folder
from headrace.sinks.audit.keys.signing import rotate
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.place import Place
from headrace.sinks.audit.vault.places import open_place
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline
from headrace.streams import topic_admin
from tests.cli.conftest import Cli, Ran, _no_settings_of_the_host, cli
from tests.desk.trail import told
from tests.seal.s3 import bucket, s3, s3_server
from tests.support import unique
from tests.tamper import edits
from tests.tamper.making import LOG, SEALED_AT, Writer
from tests.tamper.vault_list import data, seal

__all__ = ["_no_settings_of_the_host", "bucket", "cli", "s3", "s3_server"]


@dataclass
class Home:
    """A state directory with keys, and a vault of one log: segments of 10 and 7 leaves."""

    state: Path
    writer: Writer
    signing: SigningKeys
    run: Callable[..., Ran]

    @property
    def vault(self) -> Path:
        return self.state / "audit" / "vault"

    def topics(self) -> Settings:
        """Make the topics: a proof is told of."""
        settings = load(state_dir=self.state)
        asyncio.run(topic_admin.apply(settings))
        return settings

    def key_file(self, to: Path) -> Path:
        to.write_text("".join(f"{key.line()}\n" for key in self.signing.public))
        return to


def fill(place: Place, state: Path) -> tuple[Writer, SigningKeys]:
    settings = load({}, state_dir=state)
    keys, signing = open_keys(settings), open_signing(settings)
    writer = Writer(place, pseudonym=lambda name: keys.pseudonym("session", "acme", name))
    for size in (10, 7):
        writer.segment(size, signing)
    Vault(place).keep_key(signing.current)
    return writer, signing


@pytest.fixture
def home(cli: Cli, tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    state = tmp_path / "state"
    monkeypatch.setenv("HEADRACE_KAFKA", kafka)
    monkeypatch.setenv("HEADRACE_TOPIC_PREFIX", unique("tamper") + ".")
    ensure_local(load({}, state_dir=state))
    writer, signing = fill(DirectoryPlace(state / "audit" / "vault"), state)

    def run(*args: object) -> Ran:
        return cli("audit", *map(str, args), "--state-dir", str(state))

    return Home(state, writer, signing, run)


def test_the_vault_of_the_settings_is_verified_by_our_keys(home: Home) -> None:
    ran = home.run("verify")
    assert (ran.code, ran.err) == (0, "")
    assert f"log {LOG}: complete up to checkpoint 17 only" in ran.out
    assert "on trust" not in ran.out
    (report,) = home.run("verify", "--json").objects
    assert (report["whole"], report["leaves"], report["keys_pinned"]) == (True, 17, True)


def test_what_was_tampered_with_is_bad_news(home: Home) -> None:
    edits.flip(data(home.vault, 0, "approval"), -10)
    ran = home.run("verify")
    assert ran.code == 1
    assert f"TAMPERED  changed-leaf: log {LOG} index 9: " in ran.out
    (report,) = home.run("verify", "--json").objects
    assert [one["name"] for one in report["findings"]] == ["changed-leaf"]


def test_our_witnesses_are_asked(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    monkeypatch.setenv("HEADRACE_AUDIT_WITNESSES", f"{witness},https://witness.example/")
    assert "there is no checkpoint in the witness" in home.run("verify").out
    (witness / LOG).mkdir(parents=True)
    newest = witness / LOG / "17.checkpoint"
    newest.write_text(home.run("checkpoint", "--log", LOG).out)
    assert "which extends what was pinned at 17" in home.run("verify").out
    edits.remove_segment(home.vault, LOG, 10)
    ran = home.run("verify")
    assert (ran.code, "rolled-back" in ran.out) == (1, True)


def test_a_named_vault_is_not_believed_for_its_keys(home: Home, tmp_path: Path) -> None:
    assert "on trust" in home.run("verify", home.vault).out
    pinned = home.run("verify", home.vault, "--key", home.key_file(tmp_path / "our.pub"))
    assert (pinned.code, "on trust" in pinned.out) == (0, False)
    gone = tmp_path / "gone"
    for wrong, said in (
        ([tmp_path], "neither a vault"),
        ([gone], "is not there"),
        (["--key", gone], "holds no public keys"),
        (["--since", gone], "cannot be read"),
    ):
        ran = home.run("verify", *wrong)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err


def test_a_vault_in_s3_is_verified(home: Home, cli: Cli, bucket: str) -> None:
    place = open_place(where := f"s3://{bucket}/audit")
    fill(place, home.state)
    ran = home.run("verify", where, "--json")
    (report,) = ran.objects
    assert (ran.code, report["leaves"], report["found"]) == (0, 17, 0)
    place.create(f"logs/{LOG}/data/notes.txt", b"x", retain_until=SEALED_AT)
    (report,) = home.run("verify", where, "--json").objects
    assert [one["name"] for one in report["findings"]] == ["extra-file"]


def test_checkpoints_are_printed_to_be_pinned(home: Home, tmp_path: Path) -> None:
    fill_other = Writer(home.writer.place, "fedcba9876543210-0")
    fill_other.segment(4, home.signing)
    pinned = tmp_path / "pinned"
    pinned.write_bytes(home.run("checkpoint").out.encode())
    ran = home.run("verify", "--since", pinned, "--json")
    assert [one["pinned"] for one in ran.objects[0]["logs"]] == [[17], [4]]
    sizes = [(one["log"], one["size"]) for one in home.run("checkpoint", "--json").objects]
    assert sizes == [(LOG, 17), ("fedcba9876543210-0", 4)]
    ran = home.run("checkpoint", "--log", "0000000000000000-0")
    assert (ran.code, "is in the vault" in ran.err) == (2, True)


def names(proof: Path, key: Path) -> list[str]:
    """Verify a proof as the program does; return what is found."""
    files, keys = offline.Directory(proof.parent), offline.read_keys([key])
    report = offline.verify(files, str(proof), keys=keys, proof=proof.name)
    return [one.name for one in report.findings]


def test_a_proof_with_its_record_is_evidence_itself(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PATIENCE", 0.5)
    ran = home.run("prove", f"{LOG}/12", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "Kafka did not acknowledge it" in ran.err
    monkeypatch.setattr(access, "PATIENCE", 10.0)
    settings = home.topics()
    assert home.run("prove", f"{LOG}/12", "--as", "vera").code == 0
    (event,) = told(settings, "acme", types.AUDIT_READ)
    assert (event["user"], event["data"]["what"]) == ("vera", "prove")
    assert event["data"]["selection"] == {"log": LOG, "index": 12}


@pytest.mark.parametrize("name", [f"{LOG}/12", "acme/s-0/0123456789abcdef/12"])
def test_a_record_is_proved_to_who_has_the_key_alone(home: Home, tmp_path: Path, name: str) -> None:
    home.topics()
    ran = home.run("prove", name)
    assert ran.code == 0
    assert f"record {LOG}/12\n" in ran.out
    assert "of 17 records, signed by headrace+" in ran.out
    proof = tmp_path / "proof.json"
    proof.write_text(home.run("prove", name, "--json").out)
    key = home.key_file(tmp_path / "our.pub")
    assert names(proof, key) == []
    stated = orjson.loads(proof.read_bytes())
    assert leaf_hash(stated["leaf"].encode()).hex() == stated["hash"]
    for field, value, finding in (
        ("leaf", stated["leaf"].replace("acme", "acne"), "changed-leaf"),
        ("hash", "ab" * 32, "changed-leaf"),
        ("index", 13, "bad-proof"),
        ("path", stated["path"][1:], "bad-proof"),
        ("log", "0000000000000000-0", "bad-proof"),
        ("checkpoint", stated["checkpoint"].replace("\n17\n", "\n18\n"), "bad-signature"),
    ):
        proof.write_bytes(orjson.dumps(stated | {field: value}))
        assert names(proof, key) == [finding], field


def test_a_record_that_fell_due_is_proved_by_its_hash(home: Home, tmp_path: Path) -> None:
    data(home.vault, 0, "approval").unlink()
    assert "which fell due and is gone" in home.run("prove", f"{LOG}/9").out
    proof = tmp_path / "proof.json"
    proof.write_text(home.run("prove", f"{LOG}/9", "--json").out)
    assert names(proof, home.key_file(tmp_path / "our.pub")) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{LOG}/17", "has 17 sealed records: there is no 17"),
        ("0000000000000000-0/1", "is in the vault"),
        ("acme/s-0/0123456789abcdef/13", "is not sealed"),
        ("acme/s-9/0123456789abcdef/12", "is not sealed"),
        ("acme", "names no record"),
        ("acme/s-0/x", "names no record"),
    ],
)
def test_what_cannot_be_proved(home: Home, name: str, said: str) -> None:
    ran = home.run("prove", name)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_nothing_is_proved_of_what_was_changed(home: Home) -> None:
    edits.flip(data(home.vault, 10, "access"), -10)
    home.topics()
    ran = home.run("prove", f"{LOG}/12")
    assert (ran.code, ran.out) == (2, "")
    assert home.run("prove", f"{LOG}/3").code == 0


def test_a_checkpoint_extends_an_older_one(home: Home, tmp_path: Path) -> None:
    vault = Vault(home.writer.place)
    old, new, proof = (tmp_path / name for name in ("old", "new", "proof.json"))
    for path, first in ((old, 0), (new, 10)):
        name = str(seal(home.vault, first).relative_to(home.vault))
        path.write_text(vault.seal(name).checkpoint, encoding="utf-8")
    ran = home.run("consistency", old, new)
    assert (ran.code, " extends " in ran.out) == (0, True)
    proof.write_text(home.run("consistency", old, new, "--json").out)
    key = home.key_file(tmp_path / "our.pub")
    assert names(proof, key) == []
    stated = orjson.loads(proof.read_bytes())
    proof.write_bytes(orjson.dumps(stated | {"path": stated["path"][::-1]}))
    assert names(proof, key) == ["bad-proof"]
    missing = home.run("consistency", new, tmp_path / "gone")
    assert (missing.code, "gone" in missing.err) == (2, True)
    turned = home.run("consistency", new, old)
    assert (turned.code, "turn them" in turned.err) == (2, True)
    old.write_text(old.read_text("utf-8") + new.read_text("utf-8"), "utf-8")
    several = home.run("consistency", old, new)
    assert (several.code, "`headrace audit checkpoint --log LOG`" in several.err) == (2, True)


def test_a_fork_is_bad_news(home: Home, tmp_path: Path) -> None:
    other = Writer(DirectoryPlace(tmp_path / "other"), mark="2")
    forked, new = tmp_path / "forked", tmp_path / "new"
    forked.write_text(other.segment(10, home.signing).checkpoint, encoding="utf-8")
    new.write_text(home.run("checkpoint").out, encoding="utf-8")
    ran = home.run("consistency", forked, new)
    assert (ran.code, "does NOT extend" in ran.out) == (1, True)
    ran = home.run("verify", "--since", forked)
    assert (ran.code, "TAMPERED  fork: " in ran.out) == (1, True)


def test_old_checkpoints_verify_after_a_rotation(home: Home) -> None:
    settings = load({}, state_dir=home.state)
    rotate(signing_folder(settings), "headrace")
    fresh = open_signing(settings)
    home.writer.segment(5, fresh)
    Vault(home.writer.place).keep_key(fresh.current)
    for arguments in ([], [home.vault]):
        (report,) = home.run("verify", *arguments, "--json").objects
        assert (report["whole"], report["logs"][0]["checkpoints"]) == (True, 3)
