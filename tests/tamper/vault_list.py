"""What can be done to a vault. Leaf 0 is the policy's; odd ones are approvals, even ones access.

Segments: [0, 10), [10, 17), [17, 33). Line numbers are within the class.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from tests.tamper import edits
from tests.tamper.lab import SIZES, Lab, Tampering
from tests.tamper.making import DAY, LOG, OTHER, SEALED_AT, Writer, vault_at

Do = Callable[[Path, Lab], object]
Change = Callable[[dict[str, Any]], object]


def lines_of(first: int, name: str, change: Callable[[edits.Lines], edits.Lines]) -> Do:
    return lambda root, _: edits.edit(data(root, first, name), change)


def data(root: Path, first: int, name: str, log: str = LOG) -> Path:
    return edits.one(root, f"logs/{log}/data/{first:020d}-*{name}*")


def seal(root: Path, first: int, log: str = LOG) -> Path:
    return edits.seal_at(root, log, first)


def sealed(first: int, change: Change) -> Do:
    def do(root: Path, _: Lab) -> None:
        edits.reseal(seal(root, first), lambda fields: void(change(fields)))

    return do


def void(_: object) -> None:
    """Let a lambda stand where nothing is returned."""


def class_of(fields: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in fields["classes"] if one["class"] == name)
    return found


def due_early(root: Path, _: Lab) -> None:
    """Move a date forward so that a file seems to have fallen due."""
    edits.reseal(
        seal(root, 10), lambda f: class_of(f, "approval").update(retain_until=SEALED_AT - 1)
    )
    data(root, 10, "approval").unlink()


def hash_too(root: Path, _: Lab) -> None:
    """Change a leaf and the hash of it."""
    path = data(root, 0, "approval")
    edits.edit(path, lambda lines: [*lines[:2], other_tool(lines[2]), *lines[3:]])
    leaf = path.read_bytes().split(b"\n")[2]
    hashes = data(root, 0, ".hashes")
    content = hashes.read_bytes()
    edits.write(hashes, content[: 5 * 32] + leaf_hash(leaf) + content[6 * 32 :])


def other_tool(line: bytes) -> bytes:
    assert b'"tool":"tool"' in line
    return line.replace(b'"tool":"tool"', b'"tool":"tolo"')


def consistent(root: Path, lab: Lab) -> None:
    """Rewrite a whole segment from another log of the same size, all but the signature."""
    other = lab.home / "consistent"
    if not other.exists():
        vault_at(other, lab.signing, SIZES, mark="2")
    checkpoint = json.loads(seal(root, 17).read_bytes())["checkpoint"]
    for path in root.glob(f"logs/{LOG}/data/{17:020d}-*"):
        path.unlink()
    for path in other.glob(f"logs/{LOG}/data/{17:020d}-*"):
        edits.copy(path, root / path.relative_to(other))
    edits.copy(seal(other, 17), seal(root, 17))
    edits.reseal(seal(root, 17), lambda fields: fields.update(checkpoint=checkpoint))


def checkpoint_of(first: int, change: Callable[[str], str]) -> Do:
    return sealed(first, lambda f: f.update(checkpoint=change(f["checkpoint"])))


def signed_by_other(root: Path, lab: Lab, *, impostor: bool) -> None:
    signing = lab.impostor if impostor else lab.stranger
    path = seal(root, 10)
    whole = Vault(DirectoryPlace(root)).seal(str(path.relative_to(root)))
    edits.write(path, whole.signed(signing.sign(whole.checkpoint_text())).encode())


def claim_our_key(note: str) -> str:
    text, _, line = note.rpartition("\n\n")
    dash, name, material = line.split(" ")
    return f"{text}\n\n{dash} x{name} {material}"


def other_root(note: str) -> str:
    lines = note.split("\n")
    lines[2] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    return "\n".join(lines)


def of_seal(first: int, log: str = LOG) -> Do:
    """Put the checkpoint of another seal into the second one."""

    def do(root: Path, _: Lab) -> None:
        other = json.loads(seal(root, first, log).read_bytes())["checkpoint"]
        edits.reseal(seal(root, 10), lambda fields: fields.update(checkpoint=other))

    return do


def other_class(root: Path, _: Lab) -> None:
    moved = data(root, 0, "approval").read_bytes().split(b"\n")[2]
    edits.edit(data(root, 0, "approval"), lambda ls: ls[:2] + ls[3:])
    edits.edit(data(root, 0, "access"), lambda ls: [*ls[:2], moved, *ls[2:]])


def beside_a_due_file(root: Path, _: Lab) -> None:
    data(root, 0, "approval").unlink()
    edits.edit(data(root, 0, "access"), lambda ls: ls[:1] + ls[2:])


def everything(root: Path, _: Lab) -> None:
    edits.remove_log(root, LOG)
    edits.remove_log(root, OTHER)


class Insider(Writer):
    """Holds the signing key and writes what no splitter would."""

    bad_index: int
    fault: str

    def line(self, index: int) -> tuple[bytes, str]:
        made, name = super().line(index)
        if index != self.bad_index:
            return made, name
        if self.fault == "prev":
            return made.replace(self.head.encode(), b"ab" * 32), name
        if self.fault == "class":
            return made, "access"
        return made.replace(b'"index":5,', b'"index":6,'), name


def insider(fault: str) -> Do:
    def do(root: Path, lab: Lab) -> None:
        edits.remove_log(root, LOG)
        writer = Insider(DirectoryPlace(root), LOG)
        writer.bad_index, writer.fault = 5, fault
        for size in SIZES:
            writer.segment(size, lab.signing)

    return do


def counted_wrong(root: Path, lab: Lab) -> None:
    path = seal(root, 10)
    whole = Vault(DirectoryPlace(root)).seal(str(path.relative_to(root)))
    first, *others = whole.classes
    classes = (msgspec.structs.replace(first, count=first.count + 1), *others)
    wrong = msgspec.structs.replace(whole, classes=classes)
    edits.write(path, wrong.signed(lab.signing.sign(wrong.checkpoint_text())).encode())


def named_twice(root: Path, lab: Lab) -> None:
    whole = Vault(DirectoryPlace(root)).seal(str(seal(root, 10).relative_to(root)))
    wrong = msgspec.structs.replace(whole, classes=(whole.classes[0], *whole.classes))
    edits.write(seal(root, 10), wrong.signed(lab.signing.sign(wrong.checkpoint_text())).encode())


def overlapping(root: Path, lab: Lab) -> None:
    """A second seal of our key begins within the first."""
    whole = Vault(DirectoryPlace(root)).seal(str(seal(root, 10).relative_to(root)))
    other = msgspec.structs.replace(whole, first=5)
    signed = other.signed(lab.signing.sign(other.checkpoint_text()))
    edits.write(seal(root, 5), signed.encode())


def all_pinned(lab: Lab) -> list[Path]:
    return [lab.witness]


def newest(lab: Lab) -> list[Path]:
    return [lab.pinned(LOG, 33)]


def signing_of_witness(lab: Lab, signing: str) -> list[Path]:
    """Return a checkpoint that a liar signed."""
    path = lab.home / f"{signing}.checkpoint"
    text = Checkpoint.of(LOG, 33, bytes(32)).to_text()
    path.write_bytes(getattr(lab, signing).sign(text).encode())
    return [path]


def garbled(lab: Lab) -> list[Path]:
    path = lab.home / "garbled"
    path.write_text(lab.pinned(LOG, 33).read_text().replace("\n33\n", "\n033\n"))
    return [path]


def nothing(root: Path, lab: Lab) -> None:
    """Leave the vault as it is: what was pinned is another's."""


FOR_EVER: Final = SEALED_AT + 36_500 * DAY
SEG: Final = {0: f"{0:020d}-", 10: f"{10:020d}-", 17: f"{17:020d}-"}
S = frozenset

VAULT: Final[list[Tampering]] = [
    # Records.
    Tampering(
        "a byte of a ciphertext",
        lambda root, _: edits.flip(data(root, 0, "approval"), -10),
        "changed-leaf", 9, "approval", 5,
    ),
    Tampering(
        "a name in the clear part",
        lines_of(0, "approval", lambda ls: [*ls[:2], other_tool(ls[2]), *ls[3:]]),
        "changed-leaf", 5, "approval", 3,
    ),
    Tampering(
        "an index",
        lines_of(0, "approval", lambda ls: [ls[0], ls[1].replace(b'x":3,', b'x":7,'), *ls[2:]]),
        "changed-leaf", 3, "approval", 2,
    ),
    Tampering(
        "a predecessor's hash in a record",
        lines_of(
            17, "access", lambda ls: [*ls[:7], ls[7].replace(b'"prev":"', b'"prev":"00')]
        ),
        "changed-leaf", 32, "access", 8,
    ),
    Tampering(
        "the policy's record",
        lambda root, _: edits.replace(data(root, 0, "policy"), b"90 d", b"91 d"),
        "changed-leaf", 0, "policy", 1,
    ),
    Tampering(
        "a record that is no JSON any more",
        lines_of(10, "access", lambda ls: [ls[0], b"{}", *ls[2:]]),
        "changed-leaf", 12, "access", 2,
    ),
    Tampering(
        "two records at once",
        lines_of(
            0, "approval", lambda ls: [ls[0], other_tool(ls[1]), ls[2], ls[3], other_tool(ls[4])]
        ),
        "changed-leaf", 3, "approval", 2,
    ),
    Tampering(
        "a carriage return",
        lines_of(0, "access", lambda ls: [ls[0] + b"\r", *ls[1:]]),
        "changed-leaf", 2, "access", 1,
    ),
    Tampering(
        "a record of another log in its place",
        lambda root, _: edits.copy(data(root, 0, "policy", OTHER), data(root, 0, "policy")),
        "changed-leaf", 0, "policy", 1,
    ),
    Tampering(
        "a record of another segment in its place",
        lambda root, _: edits.edit(
            data(root, 10, "approval"),
            lambda ls: [ls[0], data(root, 0, "approval").read_bytes().split(b"\n")[0], ls[2]],
        ),
        "changed-leaf", 13, "approval", 2,
    ),
    Tampering(
        "a record removed", lines_of(0, "approval", lambda ls: ls[:2] + ls[3:]),
        "missing-leaf", 5, "approval", 3,
    ),
    Tampering(
        "the first record removed", lines_of(10, "access", lambda ls: ls[1:]),
        "missing-leaf", 10, "access", 1,
    ),
    Tampering(
        "the last record removed", lines_of(17, "access", lambda ls: ls[:-1]),
        "missing-leaf", 32, "access", 8,
    ),
    Tampering(
        "a file emptied", lambda root, _: edits.write(data(root, 10, "approval"), b""),
        "missing-leaf", 11, "approval", 1,
    ),
    Tampering(
        "a record inserted",
        lines_of(0, "approval", lambda ls: [*ls[:2], other_tool(ls[1]), *ls[2:]]),
        "inserted-leaf", 3, "approval", 3,
    ),
    Tampering(
        "a blank line at the end", lines_of(0, "approval", lambda ls: [*ls, b""]),
        "inserted-leaf", None, "approval", 6,
    ),
    Tampering(
        "a record twice", lines_of(0, "approval", lambda ls: [*ls[:2], ls[1], *ls[2:]]),
        "duplicate-leaf", 3, "approval", 3,
    ),
    Tampering(
        "a record of a later place repeated at the end",
        lines_of(17, "approval", lambda ls: [*ls, ls[0]]),
        "duplicate-leaf", 17, "approval", 9,
    ),
    Tampering(
        "two records swapped",
        lines_of(0, "approval", lambda ls: [ls[0], ls[3], ls[2], ls[1], ls[4]]),
        "reordered-leaf", 3, "approval", 2,
    ),
    Tampering(
        "the last record moved to the front",
        lines_of(17, "approval", lambda ls: [ls[-1], *ls[:-1]]),
        "reordered-leaf", 17, "approval", 1,
    ),
    Tampering(
        "a record moved to another class",
        other_class,
        "wrong-class", 5, "access", 3,
    ),
    Tampering(
        "the last newline removed",
        lambda root, _: edits.write(
            data(root, 0, "approval"), data(root, 0, "approval").read_bytes()[:-1]
        ),
        "changed-segment", 0, "approval",
    ),
    Tampering(
        "a whole file removed before its date", lambda root, _: data(root, 10, "approval").unlink(),
        "missing-segment", 10, "approval", now=SEALED_AT + 89 * DAY,
    ),
    Tampering(
        "a file removed that is kept for ever", lambda root, _: data(root, 0, "policy").unlink(),
        "missing-segment", 0, "policy", now=FOR_EVER,
    ),
    Tampering(
        "a record removed beside a file that fell due",
        beside_a_due_file,
        "missing-leaf", None, "access", now=SEALED_AT + 91 * DAY,
    ),
    # Hashes.
    Tampering(
        "a hash", lambda root, _: edits.flip(data(root, 17, ".hashes"), 5 * 32 + 7),
        "changed-hashes", 22, ".hashes",
    ),
    Tampering(
        "a hash cut off",
        lambda root, _: edits.write(
            data(root, 10, ".hashes"), data(root, 10, ".hashes").read_bytes()[:-32]
        ),
        "changed-hashes", 16, ".hashes",
    ),
    Tampering(
        "a record and its hash", hash_too,
        "changed-leaf", 5, "approval", 3, also=S({"changed-hashes"}),
    ),
    Tampering(
        "the hashes removed", lambda root, _: data(root, 10, ".hashes").unlink(),
        "missing-hashes", 10, ".hashes",
    ),
    # Seals.
    Tampering(
        "a date moved forward, and the file removed", due_early,
        "changed-seal", 10, f"{10:020d}.seal",
    ),
    Tampering(
        "a whole segment rewritten, all but the signature", consistent,
        "wrong-root", 17, f"{17:020d}.seal", also=S({"changed-seal", "wrong-head"}),
    ),
    Tampering(
        "a seal removed", lambda root, _: seal(root, 10).unlink(),
        "missing-seal", 10, f"{10:020d}.seal",
    ),
    Tampering(
        "the first segment removed", lambda root, _: edits.remove_segment(root, LOG, 0),
        "missing-seal", 0, f"{0:020d}.seal",
    ),
    Tampering(
        "when it was sealed", sealed(10, lambda f: f.update(sealed_at=SEALED_AT - DAY)),
        "changed-seal", 10, ".seal",
    ),
    Tampering(
        "up to where the source was read", sealed(10, lambda f: f.update(source_offset=5)),
        "changed-seal", 10, ".seal",
    ),
    Tampering(
        "the policy in a seal", sealed(10, lambda f: f["policy"]["days"].update(approval=1)),
        "changed-seal", 10, ".seal",
    ),
    Tampering(
        "the hash of a file in a seal",
        sealed(10, lambda f: class_of(f, "approval").update(sha256="ab" * 32)),
        "changed-seal", 10, ".seal", also=S({"changed-segment"}),
    ),
    Tampering(
        "the end of a seal", sealed(10, lambda f: f.update(end=16)),
        "wrong-size", 10, ".seal",
        also=S({"changed-seal", "missing-seal", "changed-hashes", "wrong-peaks"}),
    ),
    Tampering(
        "the peaks of a seal", sealed(17, lambda f: f.update(peaks=["ab" * 32] * 2)),
        "wrong-peaks", 17, ".seal", also=S({"changed-seal"}),
    ),
    Tampering(
        "the previous hash of a seal", sealed(17, lambda f: f.update(previous="ab" * 32)),
        "wrong-head", 17, ".seal", also=S({"changed-seal", "wrong-prev"}),
    ),
    Tampering(
        "a seal emptied", lambda root, _: edits.write(seal(root, 17), b""),
        "changed-seal", 17, ".seal",
    ),
    Tampering(
        "two seals swapped", lambda root, _: edits.swap(seal(root, 10), seal(root, 17)),
        "changed-seal", 10, ".seal",
    ),
    Tampering(
        "a seal that names a file elsewhere",
        sealed(10, lambda f: f["hashes"].update(name=f"logs/{LOG}/data/../../../etc/passwd")),
        "changed-seal", 10, ".seal",
    ),
    Tampering(
        "a second seal over the same records", overlapping, "overlapping-seal", 5, ".seal"
    ),
    Tampering(
        "a seal that names a file twice", named_twice,
        "duplicate-leaf", 10, "access", 1, also=S({"wrong-count"}),
    ),
    Tampering(
        "a seal whose classes do not add up", counted_wrong,
        "wrong-count", 10, ".seal",
    ),
    # Checkpoints.
    Tampering(
        "the checkpoint of an older seal", of_seal(0),
        "wrong-size", 10, ".seal", also=S({"changed-seal"}),
    ),
    Tampering(
        "the checkpoint of another log", of_seal(10, OTHER), "wrong-origin", 10, ".seal"
    ),
    Tampering(
        "a root", checkpoint_of(10, other_root),
        "wrong-root", 10, ".seal", also=S({"bad-signature"}),
    ),
    Tampering(
        "a byte of a signature",
        checkpoint_of(10, lambda n: n[:-10] + ("A" if n[-10] != "A" else "B") + n[-9:]),
        "bad-signature", 10, ".seal",
    ),
    Tampering(
        "a signature removed",
        checkpoint_of(10, lambda note: note.partition("\n\n")[0] + "\n\n"),
        "changed-checkpoint", 10, ".seal",
    ),
    Tampering(
        "the name of a signer", checkpoint_of(10, claim_our_key), "unknown-signer", 10, ".seal"
    ),
    Tampering(
        "signed by a stranger", lambda root, lab: signed_by_other(root, lab, impostor=False),
        "unknown-signer", 10, ".seal",
    ),
    Tampering(
        "signed by another key of the same name",
        lambda root, lab: signed_by_other(root, lab, impostor=True),
        "unknown-signer", 10, ".seal",
    ),
    # Whole vaults.
    Tampering(
        "all of it made anew with another key",
        lambda root, lab: lab.made_anew(root, lab.stranger), "unknown-signer", 0, ".seal",
    ),
    Tampering(
        "a public key",
        lambda root, _: edits.replace(edits.one(root, "keys/*.pub"), b"test", b"tset"),
        "changed-key", None, "keys/", log=None,
    ),
    Tampering(
        "a file added",
        lambda root, _: edits.write(root / "logs" / LOG / "data" / "notes.txt", b"x"),
        "extra-file", None, "notes.txt",
    ),
    Tampering(
        "a segment added whose name does not fit",
        lambda root, _: edits.copy(
            data(root, 0, "approval"),
            root / f"logs/{LOG}/data/{33:020d}-{38:020d}.approval.{'ab' * 8}.jsonl",
        ),
        "extra-file", None, f"{33:020d}-",
    ),
    Tampering(
        "a file beside the logs", lambda root, _: edits.write(root / "README", b"x"),
        "extra-file", None, "README", log=None,
    ),
    # By who holds the signing key.
    Tampering("a record that does not follow, sealed", insider("prev"),
              "wrong-prev", 5, "approval", 3),
    Tampering("a record among another class, sealed", insider("class"),
              "wrong-class", 5, "access", 3),
    Tampering("a record of another index, sealed", insider("index"),
              "wrong-place", 5, "approval", 3),
    # Against what was pinned.
    Tampering(
        "the last segment removed",
        lambda root, _: edits.remove_segment(root, LOG, 17), "rolled-back", 17, since=newest,
    ),
    Tampering(
        "the last segment removed, against a witness",
        lambda root, _: edits.remove_segment(root, LOG, 17), "rolled-back", 17, since=all_pinned,
    ),
    Tampering(
        "the last seal removed", lambda root, _: seal(root, 17).unlink(),
        "truncated-tail", 17, since=newest,
    ),
    Tampering(
        "the last seal emptied", lambda root, _: edits.write(seal(root, 17), b"{}"),
        "truncated-tail", 17, also=S({"changed-seal"}), since=newest,
    ),
    Tampering(
        "made anew with the same key",
        lambda root, lab: lab.made_anew(root, lab.signing), "fork", 33, since=newest,
    ),
    Tampering(
        "made anew with the same key in other segments",
        lambda root, lab: lab.made_anew(root, lab.signing, (40,)),
        "fork", 10, since=lambda lab: [lab.pinned(LOG, 10)],
    ),
    Tampering(
        "made anew and shorter",
        lambda root, lab: lab.made_anew(root, lab.signing, (12,)),
        "rolled-back", 12, since=newest,
    ),
    Tampering(
        "a whole log removed", lambda root, _: edits.remove_log(root, LOG),
        "missing-log", 0, since=newest,
    ),
    Tampering(
        "everything removed",
        everything,
        "missing-log", 0, since=all_pinned,
    ),
    Tampering(
        "a pinned checkpoint that a stranger signed", nothing, "unknown-signer", None,
        "stranger", log=None, since=lambda lab: signing_of_witness(lab, "stranger"),
    ),
    Tampering(
        "a pinned checkpoint with another root that we signed", nothing, "fork", 33,
        since=lambda lab: signing_of_witness(lab, "signing"),
    ),
    Tampering(
        "a pinned checkpoint that is none", nothing, "changed-checkpoint", None,
        "garbled", log=None, since=garbled,
    ),
]  # fmt: skip
