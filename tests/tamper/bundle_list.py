"""What can be done to a bundle: of log LOG leaves 0, 3, 9, 10, 20 and 32, of OTHER 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import leaf_hash
from tests.tamper import edits
from tests.tamper.lab import Lab, Tampering
from tests.tamper.making import LOG, OTHER
from tests.tamper.vault_list import Do, newest, nothing, other_root, other_tool, signing_of_witness

LEAVES: Final = f"leaves/{LOG}.jsonl"
S = frozenset


def lines(name: str, change: Callable[[edits.Lines], edits.Lines]) -> Do:
    return lambda root, _: edits.edit(root / name, change)


def unlink(name: str) -> Do:
    return lambda root, _: (root / name).unlink()


def hash_too(root: Path, _: Lab) -> None:
    """Change a leaf and its hash."""
    edits.edit(root / LEAVES, lambda ls: [ls[0], other_tool(ls[1]), *ls[2:]])
    leaf = (root / LEAVES).read_bytes().split(b"\n")[1]
    hashes = root / "hashes" / LOG
    content = hashes.read_bytes()
    edits.write(hashes, content[: 3 * 32] + leaf_hash(leaf) + content[4 * 32 :])


def not_chosen(root: Path, lab: Lab) -> None:
    """Add a true leaf that was not chosen."""
    edits.edit(root / LEAVES, lambda ls: [*ls[:2], lab.writers[0].leaves[5], *ls[2:]])


def all_of_one(root: Path, _: Lab) -> None:
    """Remove a record with all that speaks of it."""
    edits.edit(root / LEAVES, lambda ls: ls[:1] + ls[2:])
    for name in ("proofs.jsonl", "plain.jsonl"):
        edits.edit(root / name, lambda ls: ls[:1] + ls[2:])


def other_path(line: bytes) -> bytes:
    proof = orjson.loads(line)
    proof["path"][0] = "ab" * 32
    return orjson.dumps(proof)


def signed_anew(root: Path, lab: Lab) -> None:
    """Write the manifest's text anew under a stranger's signature."""
    text = (root / "manifest.note").read_text().rpartition("\n\n")[0] + "\n"
    edits.write(root / "manifest.note", lab.stranger.sign(text).encode())


def resigned(change: Callable[[str], str]) -> Do:
    """Change the manifest as who holds the key could."""

    def do(root: Path, lab: Lab) -> None:
        text = (root / "manifest.note").read_text().rpartition("\n\n")[0] + "\n"
        edits.write(root / "manifest.note", lab.signing.sign(change(text)).encode())

    return do


def older_checkpoint(root: Path, lab: Lab) -> None:
    edits.copy(lab.pinned(LOG, 17), root / "checkpoints" / LOG)


def forged_checkpoint(root: Path, lab: Lab) -> None:
    text = Checkpoint.of(LOG, 33, bytes(32)).to_text()
    edits.write(root / "checkpoints" / LOG, lab.stranger.sign(text).encode())


BUNDLE: Final[list[Tampering]] = [
    Tampering(
        "a byte of a record", lambda root, _: edits.flip(root / LEAVES, -10),
        "changed-leaf", 32, LEAVES, 6,
    ),
    Tampering(
        "a name in the clear part", lines(LEAVES, lambda ls: [ls[0], other_tool(ls[1]), *ls[2:]]),
        "changed-leaf", 3, LEAVES, 2,
    ),
    Tampering(
        "a record removed", lines(LEAVES, lambda ls: ls[:1] + ls[2:]),
        "missing-leaf", 3, LEAVES, 2,
    ),
    Tampering(
        "a record inserted", lines(LEAVES, lambda ls: [*ls[:3], other_tool(ls[2]), *ls[3:]]),
        "inserted-leaf", 9, LEAVES, 4,
    ),
    Tampering(
        "a record twice", lines(LEAVES, lambda ls: [*ls[:3], ls[2], *ls[3:]]),
        "duplicate-leaf", 9, LEAVES, 4,
    ),
    Tampering(
        "two records swapped", lines(LEAVES, lambda ls: [ls[0], ls[2], ls[1], *ls[3:]]),
        "reordered-leaf", 3, LEAVES, 2,
    ),
    Tampering(
        "a true record that was not chosen", not_chosen,
        "missing-proof", 5, LEAVES, 3,
    ),
    Tampering(
        "a record with all that speaks of it", all_of_one,
        "wrong-count", None, "manifest.note", log=None, also=S({"changed-file"}),
    ),
    Tampering(
        "a file of records removed", unlink(LEAVES),
        "missing-file", None, LEAVES, log=None,
    ),
    Tampering(
        "the last newline of the records",
        lambda root, _: edits.write(root / LEAVES, (root / LEAVES).read_bytes()[:-1]),
        "changed-file", None, LEAVES, log=None,
    ),
    Tampering(
        "a record and its hash", hash_too,
        "bad-proof", 3, "proofs.jsonl", 2, also=S({"wrong-root", "changed-file"}),
    ),
    Tampering(
        "a hash of a record that was not chosen",
        lambda root, _: edits.flip(root / "hashes" / LOG, 15 * 32),
        "wrong-root", None, f"hashes/{LOG}",
    ),
    Tampering(
        "hashes cut off",
        lambda root, _: edits.write(
            root / "hashes" / LOG, (root / "hashes" / LOG).read_bytes()[:-32]
        ),
        "wrong-size", None, f"hashes/{LOG}", also=S({"inserted-leaf", "bad-proof"}),
    ),
    Tampering(
        "the hashes removed", unlink(f"hashes/{LOG}"),
        "missing-file", None, f"hashes/{LOG}", also=S({"inserted-leaf", "bad-proof", "wrong-size"}),
    ),
    Tampering(
        "a proof", lines("proofs.jsonl", lambda ls: [*ls[:2], other_path(ls[2]), *ls[3:]]),
        "bad-proof", 9, "proofs.jsonl", 3,
    ),
    Tampering(
        "a proof of another size",
        lines("proofs.jsonl", lambda ls: [*ls[:2], ls[2].replace(b":33,", b":17,"), *ls[3:]]),
        "bad-proof", 9, "proofs.jsonl", 3,
    ),
    Tampering(
        "a proof removed", lines("proofs.jsonl", lambda ls: ls[:2] + ls[3:]),
        "missing-proof", 9, LEAVES, 3, also=S({"extra-plain", "wrong-count", "changed-file"}),
    ),
    Tampering(
        "a proof twice", lines("proofs.jsonl", lambda ls: [*ls[:3], ls[2], *ls[3:]]),
        "extra-proof", 9, "proofs.jsonl", 4,
    ),
    Tampering(
        "a proof that is none", lines("proofs.jsonl", lambda ls: [*ls, b"[]"]),
        "bad-proof", None, "proofs.jsonl", 9, log=None,
    ),
    Tampering(
        "what an event says",
        lambda root, _: edits.replace(root / "plain.jsonl", b'"n":9', b'"n":8'),
        "changed-file", None, "plain.jsonl", log=None,
    ),
    Tampering(
        "a plain line removed", lines("plain.jsonl", lambda ls: ls[:2] + ls[3:]),
        "missing-plain", 9, "plain.jsonl", also=S({"wrong-count"}),
    ),
    Tampering(
        "a plain line added", lines("plain.jsonl", lambda ls: [*ls, ls[0]]),
        "extra-plain", 0, "plain.jsonl", 9, also=S({"wrong-count"}),
    ),
    Tampering(
        "an event withheld",
        lines(
            "plain.jsonl",
            lambda ls: [*ls[:2], ls[2].replace(b'{"n":9}', b"null"), *ls[3:]],
        ),
        "wrong-count", None, "manifest.note", log=None, also=S({"changed-file"}),
    ),
    Tampering(
        "the page", lambda root, _: edits.replace(root / "index.html", b"<h1>", b"<h2>"),
        "changed-file", None, "index.html", log=None,
    ),
    Tampering(
        "the verifier", lambda root, _: edits.replace(root / "verify.py", b"return", b"pass  "),
        "changed-file", None, "verify.py", log=None,
    ),
    Tampering(
        "the page removed", unlink("index.html"), "missing-file", None, "index.html", log=None
    ),
    Tampering(
        "a file added", lambda root, _: edits.write(root / "notes.txt", b"x"),
        "extra-file", None, "notes.txt", log=None,
    ),
    Tampering(
        "a public key",
        lambda root, _: edits.replace(edits.one(root, "keys/*.pub"), b"test", b"tset"),
        "changed-key", None, "keys/", log=None,
    ),
    Tampering(
        "an older checkpoint", older_checkpoint,
        "wrong-size", None, f"hashes/{LOG}", also=S({"bad-proof", "changed-file"}),
    ),
    Tampering(
        "the checkpoint of another log",
        lambda root, _: edits.copy(root / "checkpoints" / OTHER, root / "checkpoints" / LOG),
        "wrong-origin", None, f"checkpoints/{LOG}",
    ),
    Tampering(
        "a root",
        lambda root, _: edits.write(
            root / "checkpoints" / LOG,
            other_root((root / "checkpoints" / LOG).read_text()).encode(),
        ),
        "bad-signature", None, f"checkpoints/{LOG}", also=S({"wrong-root", "bad-proof"}),
    ),
    Tampering(
        "a checkpoint that a stranger signed", forged_checkpoint,
        "unknown-signer", None, f"checkpoints/{LOG}", also=S({"wrong-root", "bad-proof"}),
    ),
    Tampering(
        "a checkpoint removed", unlink(f"checkpoints/{LOG}"),
        "missing-file", None, f"checkpoints/{LOG}",
    ),
    Tampering(
        "a count in the manifest",
        lambda root, _: edits.replace(root / "manifest.note", b'"leaves": 8', b'"leaves": 9'),
        "bad-signature", None, "manifest.note", log=None,
    ),
    Tampering(
        "a count in the manifest, signed",
        resigned(lambda text: text.replace(f'"{LOG}": 6', f'"{LOG}": 7')),
        "wrong-count", None, "manifest.note", log=None,
    ),
    Tampering(
        "what was asked for",
        lambda root, _: edits.replace(root / "manifest.note", b"acme", b"acne"),
        "bad-signature", None, "manifest.note", log=None,
    ),
    Tampering(
        "a hash in the manifest, signed",
        resigned(lambda text: text.replace(text[-90:], "0" * 64 + text[-26:])),
        "changed-manifest", None, "manifest.note", log=None,
    ),
    Tampering(
        "the manifest removed", unlink("manifest.note"),
        "missing-file", None, "manifest.note", log=None,
    ),
    Tampering(
        "the manifest signed by a stranger", signed_anew,
        "unknown-signer", None, "manifest.note", log=None,
    ),
    Tampering(
        "the manifest emptied", lambda root, _: edits.write(root / "manifest.note", b""),
        "changed-manifest", None, "manifest.note", log=None,
    ),
    Tampering(
        "a pinned checkpoint with another root", nothing, "fork", 33,
        since=lambda lab: signing_of_witness(lab, "signing"),
    ),
    Tampering(
        "made anew with the same key", lambda root, lab: lab.bundled_anew(root), "fork", 33,
        since=newest,
    ),
]  # fmt: skip
