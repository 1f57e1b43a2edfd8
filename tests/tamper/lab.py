"""A vault, what was pinned of it, and how it is verified after somebody was at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.sinks.audit.bundle import Chosen, Counts, write_bundle
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline
from headrace.sinks.audit.verify.offline import Report
from tests.seal.signing import Signing
from tests.tamper.making import LOG, OTHER, SEALED_AT, Writer, vault_at

SIZES = (10, 7, 16)
CHOSEN = (0, 3, 9, 10, 20, 32)


@dataclass
class Lab:
    """Made once, copied for each tampering."""

    home: Path
    signing: Signing = field(default_factory=Signing)
    stranger: Signing = field(default_factory=lambda: Signing("stranger", seed=9))
    impostor: Signing = field(default_factory=lambda: Signing(seed=9))
    """Another key under the name of ours."""
    writers: list[Writer] = field(default_factory=list)

    def make(self) -> Lab:
        self.writers = vault_at(self.original, self.signing, SIZES)
        self.witness.mkdir()
        vault = Vault(DirectoryPlace(self.original))
        for log in (LOG, OTHER):
            for seal in vault.seals(log):
                (self.witness / f"{log}.{seal.end}").write_text(seal.checkpoint)
        self.write_bundle(self.original, self.bundle, self.writers)
        return self

    def write_bundle(self, vault: Path, out: Path, writers: Sequence[Writer]) -> Counts:
        chosen = [
            Chosen(one.log, at, one.leaves[at], {"n": at} if at % 3 == 0 else None, None)
            for one, indices in zip(writers, (CHOSEN, (1, 2)), strict=True)
            for at in indices
        ]
        return write_bundle(
            Vault(DirectoryPlace(vault)),
            chosen,
            out,
            selection={"tenant": "acme"},
            sign=self.signing.sign,
            keys=self.signing.public,
            now=SEALED_AT,
        )

    def bundled_anew(self, to: Path) -> None:
        """Put the bundle of another vault in its place, signed by the same key."""
        shutil.rmtree(to)
        other = to.with_name("other")
        self.write_bundle(other, to, vault_at(other, self.signing, SIZES, mark="2"))

    @property
    def original(self) -> Path:
        return self.home / "vault"

    @property
    def bundle(self) -> Path:
        return self.home / "bundle"

    @property
    def witness(self) -> Path:
        """A directory of every checkpoint, as a witness keeps them."""
        return self.home / "witness"

    def pinned(self, log: str, size: int) -> Path:
        return self.witness / f"{log}.{size}"

    def copy(self, to: Path, *, bundle: bool = False) -> Path:
        shutil.copytree(self.bundle if bundle else self.original, to)
        return to

    def made_anew(self, to: Path, signing: Signing, sizes: Sequence[int] = SIZES) -> None:
        """Put another vault in its place: other records, consistent in themselves."""
        shutil.rmtree(to)
        vault_at(to, signing, sizes, mark="2")


def verified(
    root: Path, lab: Lab, *, since: Sequence[Path] = (), now: float = SEALED_AT, pin: bool = True
) -> Report:
    """Verify with the true key pinned, or trusting what lies there."""
    return offline.verify(
        offline.open_files(root),
        str(root),
        keys=[offline.parse_key(lab.signing.key.line())] if pin else [],
        since=offline.read_pinned(since),
        now=now,
    )


@dataclass(frozen=True)
class Tampering:
    """Something that is done to a copy, and what must be found of it."""

    name: str
    do: Callable[[Path, Lab], object]
    finding: str
    index: int | None = None
    file: str | None = None
    """A piece of the file's name."""
    line: int | None = None
    also: frozenset[str] = frozenset()
    """Names of what is found besides."""
    log: str | None = LOG
    since: Callable[[Lab], Sequence[Path]] = lambda _: ()
    now: float = SEALED_AT

    def assert_found(self, report: Report) -> None:
        """Its finding is there with the position, and none but those that are expected."""
        assert not report.whole
        said = [*map(str, report.findings)]
        assert {one.name for one in report.findings} == {self.finding} | self.also, said
        first = next(one for one in report.findings if one.name == self.finding)
        assert (first.log, first.index, first.line) == (self.log, self.index, self.line), said
        assert self.file is None or (first.file is not None and self.file in first.file), said
