"""Whatever byte or line somebody changes, it is found."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tamper import edits
from tests.tamper.lab import Lab, verified

DUE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def copied(original: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(shutil.copytree(original, Path(scratch, "copy")))


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.fixture(params=["vault", "bundle"])
def original(request: pytest.FixtureRequest, lab: Lab) -> Path:
    return lab.original if request.param == "vault" else lab.bundle


@DUE
@given(data=st.data())
def test_any_bit_of_any_file(data: st.DataObject, lab: Lab, original: Path) -> None:
    with copied(original) as root:
        path = data.draw(st.sampled_from(files_of(root)), label="file")
        at = data.draw(st.integers(0, path.stat().st_size - 1), label="byte")
        bit = data.draw(st.integers(0, 7), label="bit")
        content = bytearray(path.read_bytes())
        content[at] ^= 1 << bit
        edits.write(path, bytes(content))
        assert not verified(root, lab).whole


@DUE
@given(data=st.data())
def test_any_line_removed_repeated_or_swapped(
    data: st.DataObject, lab: Lab, original: Path
) -> None:
    with copied(original) as root:
        names = [path for path in files_of(root) if path.suffix in {".jsonl", ".note", ".html"}]
        path = data.draw(st.sampled_from(names), label="file")
        lines = path.read_bytes().split(b"\n")[:-1]
        places = st.integers(0, len(lines) - 1)
        at, other = data.draw(places, label="line"), data.draw(places, label="other")
        how = data.draw(st.sampled_from(["removed", "repeated", "swapped", "moved"]))
        changed = list(lines)
        if how == "removed":
            del changed[at]
        elif how == "repeated":
            changed.insert(other, lines[at])
        elif how == "swapped":
            changed[at], changed[other] = lines[other], lines[at]
        else:
            changed.insert(other, changed.pop(at))
        if changed == lines:
            return
        edits.write(path, b"".join(line + b"\n" for line in changed))
        assert not verified(root, lab).whole


@DUE
@given(data=st.data())
def test_any_file_removed_cut_emptied_or_that_of_another(
    data: st.DataObject, lab: Lab, original: Path
) -> None:
    with copied(original) as root:
        # A vault without its public key is whole: it is verified by the one that is pinned.
        names = [path for path in files_of(root) if path.suffix != ".pub"]
        path, other = data.draw(st.lists(st.sampled_from(names), min_size=2, max_size=2))
        how = data.draw(st.sampled_from(["removed", "cut", "emptied", "replaced"]))
        content = path.read_bytes()
        if how == "removed":
            path.unlink()
        elif how == "cut":
            edits.write(path, content[: data.draw(st.integers(0, len(content) - 1))])
        elif how == "emptied":
            edits.write(path, b"")
        elif other.read_bytes() == content:
            return
        else:
            edits.copy(other, path)
        assert not verified(root, lab, since=[lab.witness]).whole


def test_every_byte_of_a_seal(lab: Lab) -> None:
    """Not by chance: each one of a seal, which holds dates that nothing else proves."""
    with copied(lab.original) as root:
        path = next(path for path in files_of(root) if path.suffix == ".seal")
        content = path.read_bytes()
        for at in range(0, len(content), 16):
            changed = bytearray(content)
            changed[at] ^= 1 << random.Random(at).randrange(8)
            edits.write(path, bytes(changed))
            assert not verified(root, lab).whole, at
