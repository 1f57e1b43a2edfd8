"""Writing a bundle: whole or not at all, in one pass over what was chosen."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.sinks.audit.bundle.chosen import BundleError, Chosen, Counts
from headrace.sinks.audit.bundle.nodes import Nodes, nodes_of
from headrace.sinks.audit.bundle.page import Page
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.tree.note import Note, NoteKey
from headrace.sinks.audit.vault.vault import Vault, key_name
from headrace.sinks.audit.verify import offline

VERSION: Final = 1
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    vault: Vault,
    chosen: Iterable[Chosen],
    out: Path,
    *,
    selection: Mapping[str, Any],
    sign: Callable[[str], Note],
    keys: Iterable[NoteKey],
    now: float,
) -> Counts:
    """Write leaves, by log and then by index, as a directory, or as a file where ``out`` is *.zip.

    ``selection`` says what was asked for and goes into the manifest; ``now`` is in seconds since
    1970. Blocking; from any thread. Raises :class:`BundleError`, and what the vault raises.
    """
    if out.exists():
        raise BundleError(f"{out} is there already: name another")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            root = Path(scratch, "bundle")
            # What was decrypted for who asked is not for others of this machine.
            root.mkdir(mode=0o700)
            counts = _Writing(vault, root, selection, now).run(chosen, keys)
            _sign(root, {"counts": asdict(counts), "made_at": now, "selection": selection}, sign)
            if out.suffix == ".zip":
                _zip(root, Path(scratch, "zip")).rename(out)
            else:
                root.rename(out)
    except OSError as error:
        raise BundleError(f"{out} cannot be written: {error.strerror or error}") from None
    return counts


class _Writing:
    """The files of one bundle."""

    def __init__(self, vault: Vault, root: Path, selection: Mapping[str, Any], now: float) -> None:
        self._vault = vault
        self._root = root
        self._page = Page(selection, now)
        self._counts = Counts()

    def run(self, chosen: Iterable[Chosen], keys: Iterable[NoteKey]) -> Counts:
        for folder in ("leaves", "hashes", "checkpoints", "keys"):
            (self._root / folder).mkdir()
        seen: set[str] = set()
        with (
            (self._root / "proofs.jsonl").open("wb") as self._proofs,
            (self._root / "plain.jsonl").open("wb") as self._plain,
        ):
            for log, members in groupby(chosen, key=lambda one: one.log):
                if log in seen:
                    raise BundleError(f"leaves of log {log} come twice: sort by log")
                seen.add(log)
                self._log(log, members)
        for key in keys:
            (self._root / key_name(key)).write_text(f"{key.line()}\n", encoding="utf-8")
        shutil.copyfile(str(offline.__file__), self._root / "verify.py")
        page = self._page.html(self._counts)
        (self._root / "index.html").write_text(page, encoding="utf-8")
        return self._counts

    def _log(self, log: str, members: Iterator[Chosen]) -> None:
        seal = self._vault.last_seal(log)
        if seal is None:
            raise BundleError(f"nothing of log {log} is sealed yet: try again in a moment")
        checkpoint = self._root / "checkpoints" / log
        checkpoint.write_text(seal.checkpoint, encoding="utf-8", newline="\n")
        hashes = self._root / "hashes" / log
        with hashes.open("wb") as file:
            file.writelines(self._vault.all_hashes(log, seal.end))
        with ExitStack() as stack:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(dir=self._root.parent))
            nodes = stack.enter_context(nodes_of(hashes, Path(scratch)))
            leaves = stack.enter_context((self._root / "leaves" / f"{log}.jsonl").open("wb"))
            last = -1
            for one in members:
                if one.index <= last:
                    raise BundleError(f"leaf {one.index} of log {log} does not follow {last}")
                last = one.index
                self._leaf(one, nodes)
                leaves.write(one.leaf + b"\n")

    def _leaf(self, one: Chosen, nodes: Nodes) -> None:
        if not 0 <= one.index < nodes.size:
            raise BundleError(
                f"leaf {one.index} of log {one.log} is not sealed yet: try again in a moment"
            )
        if nodes.leaf(one.index) != leaf_hash(one.leaf):
            raise BundleError(f"leaf {one.index} of log {one.log} is not the one that was sealed")
        path = [step.hex() for step in nodes.inclusion_proof(one.index)]
        at = {"log": one.log, "index": one.index}
        self._proofs.write(orjson.dumps(at | {"size": nodes.size, "path": path}) + b"\n")
        plain = at | {"event": one.event, "why": one.why}
        self._plain.write(orjson.dumps(plain, default=str) + b"\n")
        self._page.take(one)
        self._counts.take(one)


def _sign(root: Path, about: Mapping[str, Any], sign: Callable[[str], Note]) -> None:
    """Write the manifest: what it is, and the SHA-256 of every file."""
    names = sorted(str(one.relative_to(root)) for one in root.rglob("*") if one.is_file())
    # In ASCII: a note has no control characters, and some of Unicode's are.
    lines = [offline.BUNDLE, json.dumps({"v": VERSION} | dict(about), sort_keys=True)]
    lines += [f"{_sha256(root / name)}  {name}" for name in names]
    (root / offline.MANIFEST).write_bytes(sign("\n".join(lines) + "\n").encode())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _zip(root: Path, to: Path) -> Path:
    """Pack it: the manifest first, the same files the same bytes."""
    files = sorted(one for one in root.rglob("*") if one.is_file())
    files.sort(key=lambda one: one.name != offline.MANIFEST)
    to.touch(mode=0o600)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in files:
            entry = zipfile.ZipInfo(str(path.relative_to(root)), _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)
    return to
