"""Whatever stands in a vault, a bundle or a proof, the verifier answers and does not fall over."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.verify import offline
from tests.tamper import edits
from tests.tamper.lab import Lab, verified
from tests.tamper.making import LOG
from tests.tamper.test_any import DUE, copied
from tests.tamper.vault_list import seal

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8)
    | st.sampled_from(["../../x", "\x00", "a" * 300, "\ud800", "\x1b[2J", f"logs/{LOG}/data/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def written(fields: dict[str, Any]) -> bytes:
    """Write a seal as a sealer does: a dash that is escaped would be all that is looked at."""
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


@DUE
@given(data=st.data())
def test_any_field_of_a_seal(data: st.DataObject, lab: Lab) -> None:
    with copied(lab.original) as root:
        path = seal(root, 10)
        fields = json.loads(path.read_bytes())
        where = fields
        while isinstance(where, dict):
            name = data.draw(st.sampled_from(sorted(where)))
            if not isinstance(where[name], dict) or data.draw(st.booleans()):
                break
            where = where[name]
        value = data.draw(ANYTHING)
        if where[name] == value:
            return
        where[name] = value
        edits.write(path, written(fields))
        report = verified(root, lab, since=[lab.witness])
        assert not report.whole
        assert all(line.isascii() and line.isprintable() for line in offline.lines_of(report))


@DUE
@given(data=st.data())
def test_any_field_of_a_bundles_lines(data: st.DataObject, lab: Lab) -> None:
    with copied(lab.bundle) as root:
        path = root / data.draw(
            st.sampled_from(["proofs.jsonl", "plain.jsonl", f"leaves/{LOG}.jsonl"])
        )
        lines = path.read_bytes().split(b"\n")
        at = data.draw(st.integers(0, len(lines) - 2))
        fields: Any = json.loads(lines[at])
        fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(ANYTHING)
        lines[at] = json.dumps(fields).encode()
        edits.write(path, b"\n".join(lines))
        report = verified(root, lab, since=[lab.witness])
        assert not report.whole
        assert all(line.isascii() and line.isprintable() for line in offline.lines_of(report))


@DUE
@given(content=st.binary(max_size=60) | ANYTHING.map(lambda one: json.dumps(one).encode()))
def test_anything_for_a_proof(content: bytes, lab: Lab, scratch: Path) -> None:
    path = scratch / "proof.json"
    path.write_bytes(content)
    with pytest.raises(offline.CannotBeDone):
        offline.verify(offline.Directory(scratch), "proof", proof=path.name)


@DUE
@given(
    field=st.sampled_from(["v", "log", "index", "hash", "leaf", "path", "checkpoint", "old"]),
    value=ANYTHING,
)
def test_any_field_of_a_proof(field: str, value: Any, lab: Lab, scratch: Path) -> None:
    path = scratch / "proof.json"
    bundled = (lab.bundle / "proofs.jsonl").read_bytes().split(b"\n")[1]
    good = json.loads(bundled) | {
        "v": 1,
        "hash": leaf_hash(lab.writers[0].leaves[3]).hex(),
        "leaf": lab.writers[0].leaves[3].decode(),
        "checkpoint": lab.pinned(LOG, 33).read_text(),
    }
    files, keys = offline.Directory(scratch), [offline.parse_key(lab.signing.key.line())]
    path.write_text(json.dumps(good))
    assert offline.verify(files, "proof", keys=keys, proof=path.name).whole
    path.write_text(json.dumps(good | {field: value}))
    try:
        report = offline.verify(files, "proof", keys=keys, proof=path.name)
    except offline.CannotBeDone:
        return
    # Without its leaf the hash alone is proved; 1.0 and true are 1 to Python.
    assert not report.whole or (field, value) == ("leaf", None) or good[field] == value


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@DUE
@given(seed=st.integers(0, 2**32))
def test_any_byte_of_a_zip(seed: int, lab: Lab, zipped: Path) -> None:
    """It may say nothing of the content (a time): what is told as whole says the same."""
    dice = random.Random(seed)
    content = bytearray(zipped.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    with copied(lab.bundle) as root:
        path = root.with_suffix(".zip")
        path.write_bytes(bytes(content))
        try:
            report = verified(path, lab)
        except offline.CannotBeDone:
            return
        if report.whole:
            packed = offline.Zip(path)
            for name in offline.Directory(root).names():
                assert offline.read(packed, name) == (root / name).read_bytes()


@pytest.fixture(scope="module")
def zipped(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("zip") / "bundle"
    return Path(shutil.make_archive(str(to), "zip", lab.bundle))


def test_a_folder_that_became_a_file(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    shutil.rmtree(root / "logs" / LOG / "data")
    edits.write(root / "logs" / LOG / "data", b"x")
    names = {one.name for one in verified(root, lab).findings}
    assert names == {"extra-file", "missing-hashes", "missing-segment"}


def test_a_note_with_a_signature_too_often(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "bundle", bundle=True)
    content = (root / "manifest.note").read_bytes()
    text, _, line = content.rpartition(b"\n\n")
    edits.write(root / "manifest.note", text + b"\n\n" + line * 101)
    assert [one.name for one in verified(root, lab).findings] == ["changed-manifest"]


@pytest.mark.parametrize("classes", [[], None])
def test_a_seal_that_names_no_file_of_records(lab: Lab, tmp_path: Path, classes: Any) -> None:
    root = lab.copy(tmp_path / "vault")
    path = seal(root, 10)
    fields = json.loads(path.read_bytes())
    edits.write(path, written(fields | {"classes": classes}))
    names = {one.name for one in verified(root, lab).findings}
    assert "changed-seal" in names


def test_links_are_no_files_of_a_vault(lab: Lab, tmp_path: Path) -> None:
    root = lab.copy(tmp_path / "vault")
    key = next((root / "keys").iterdir())
    data = root / "logs" / LOG / "data" / f"{40:020d}-{41:020d}.approval.{'0' * 16}.jsonl"
    for folder in (data.parent, key.parent):
        folder.chmod(0o700)
    key.rename(tmp_path / "key")
    for link in (key, data):
        link.symlink_to(tmp_path / "key")
    names = {one.name for one in verified(root, lab).findings}
    assert names == {"changed-key", "extra-file"}
