"""Check an audit trail of headrace: a vault, a bundle that was exported from one, or a proof.

    python verify.py PATH [--key FILE]... [--since CHECKPOINT]... [--json]
    python verify.py --proof FILE --key FILE [--since CHECKPOINT]... [--json]

PATH is a vault's directory, or a bundle (a directory or a .zip). Python 3.10 or later and this one
file are enough: no headrace, no network, no other library. Nothing is written.

--key names a file of public keys, ``<name>+<key id>+<base64>`` a line. Without it those that lie in
PATH are taken on trust, which the answer says: whoever made all of PATH could have made it all up.
--since names a checkpoint that was kept elsewhere, or a witness's directory of them: only against
one of these can it be told that a log's end was cut off, or that a log was made anew.

Exit codes: 0 whole; 1 tampered with, and each finding has a name and the first bad position; 2
could not be done.

Records are checked against hashes, hashes against the root of an RFC 6962 Merkle tree, and roots
against Ed25519 signatures (RFC 8032) of signed notes (C2SP). See headrace's docs/audit.md.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import errno
import hashlib
import json
import os
import re
import stat
import sys
import time
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Final, Protocol

FINDINGS: Final = {
    "changed-leaf": "a record's bytes are not those that were sealed",
    "missing-leaf": "a record that was sealed is not there",
    "inserted-leaf": "a record is there that was never sealed",
    "duplicate-leaf": "a record is there twice",
    "reordered-leaf": "records are not in the order in which they were sealed",
    "wrong-prev": "a record does not name the hash of the one before it",
    "wrong-class": "a record lies among those of another class",
    "wrong-place": "a record states another log or index than those where it was sealed",
    "changed-segment": "a file of records is not the one that was sealed",
    "missing-segment": "a file of records is gone before its date",
    "changed-hashes": "a file of hashes is not the one that was sealed",
    "missing-hashes": "a file of hashes is gone",
    "changed-seal": "a seal is not what its checkpoint's signature covers",
    "missing-seal": "records were sealed by a seal that is gone",
    "overlapping-seal": "two seals cover the same record",
    "changed-checkpoint": "a checkpoint is no signed note of this log",
    "unknown-signer": "no known key signed this",
    "bad-signature": "a signature is not that of the key that is said to have signed",
    "wrong-origin": "a checkpoint is of another log",
    "wrong-size": "a checkpoint covers another number of records",
    "wrong-root": "the records do not make the root that was signed",
    "wrong-peaks": "a seal's peaks are not those of the tree",
    "wrong-head": "a seal does not continue the log where the one before it ended",
    "wrong-count": "another number of records is there than is stated",
    "truncated-tail": "a pinned checkpoint covers more than is sealed, and pieces of it lie there",
    "rolled-back": "a pinned checkpoint covers more than is there: this is an older state",
    "fork": "a pinned checkpoint has another root: one of the two was made anew",
    "missing-log": "a pinned checkpoint is of a log that is not there",
    "extra-file": "a file is there that nothing names",
    "missing-file": "a file is not there",
    "changed-file": "a file is not the one that was signed for",
    "changed-key": "a file of a public key does not hold that key",
    "changed-manifest": "the manifest is no signed note of a bundle",
    "bad-proof": "a proof does not lead from the record to the root",
    "missing-proof": "a record has no proof",
    "extra-proof": "a proof has no record",
    "missing-plain": "a record has no line among the plain ones",
    "extra-plain": "a plain line has no record",
}
"""Every finding with what it means. All of them are bad news."""

MOST_FINDINGS: Final = 1000
"""So many are kept; the rest is counted."""
LARGEST_LINE: Final = 64 << 20
LARGEST_SMALL: Final = 64 << 20
"""Bytes of a file that is read whole: a seal, a note, a key, the hashes of a segment."""
LARGEST_NOTE: Final = 1_000_000
MOST_SIGNATURES: Final = 100
LARGEST_SEGMENT: Final = 65_536
"""Records."""
CHUNK: Final = 1 << 20
NO_HASH: Final = "0" * 64
ORIGIN: Final = "headrace/"
BUNDLE: Final = "headrace/bundle"
SEAL_LINE: Final = "seal "
"""An extension of a checkpoint's text: SHA-256 of what stands before the checkpoint in its seal."""
MANIFEST: Final = "manifest.note"
MARKER: Final = "vault.json"
"""That a place is a vault; no evidence."""
PROOFS: Final = "proofs.jsonl"

sha256 = hashlib.sha256


class CannotBeDone(Exception):  # noqa: N818 - it says what happened
    """Nothing was found out. ``str()`` is one line for a person."""


class NoteError(Exception):
    """A note that does not say what it should. ``finding`` is its name."""

    def __init__(self, finding: str, what: str) -> None:
        super().__init__(what)
        self.finding = finding


# --- What was found ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, with the first bad position as far as it can be known."""

    name: str
    """One of FINDINGS."""
    what: str
    log: str | None = None
    index: int | None = None
    file: str | None = None
    line: int | None = None
    """From 1."""


@dataclass
class LogReport:
    """A log, as far as it is proved."""

    log: str
    size: int = 0
    """Records up to the last good checkpoint."""
    root: str = ""
    leaves: int = 0
    """Records that were read and are right."""
    expired: int = 0
    """Records that fell due and are gone."""
    checkpoints: int = 0
    signed_by: str = ""
    sealed_at: float | None = None
    pinned: list[int] = field(default_factory=list)
    """Sizes of the pinned checkpoints that it extends."""


@dataclass
class Report:
    """The answer."""

    path: str
    kind: str = "vault"
    """``vault``, ``bundle`` or ``proof``."""
    keys_pinned: bool = False
    logs: list[LogReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    """Findings, those past MOST_FINDINGS too."""
    notices: list[str] = field(default_factory=list)
    """What should be known and is no tampering."""

    @property
    def whole(self) -> bool:
        return not self.found

    @property
    def leaves(self) -> int:
        return sum(one.leaves for one in self.logs)

    def bad(
        self,
        name: str,
        what: str,
        *,
        log: str | None = None,
        index: int | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        if name not in FINDINGS:
            raise KeyError(name)
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(name, what, log, index, file, line))

    def as_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["whole"] = self.whole
        data["leaves"] = self.leaves
        return data


# --- Where it is read from -----------------------------------------------------------------------


class Files(Protocol):
    """Files by name, with / between their parts. Raises FileNotFoundError, and OSError."""

    def names(self) -> list[str]:
        """Every file."""
        ...

    def open(self, name: str) -> BinaryIO: ...


class Directory:
    """A directory. Links and what else is no plain file are not read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        found: list[str] = []
        for where, _, files in os.walk(self.path, onerror=_raise):
            below = Path(where).relative_to(self.path)
            found += [str(PurePosixPath(*below.parts, name)) for name in files]
        return found

    def open(self, name: str) -> BinaryIO:
        try:
            path = self.path.joinpath(*_parts(name))
            if stat.S_ISREG(os.lstat(path).st_mode):
                return path.open("rb", buffering=0)
        except UnicodeEncodeError:
            pass  # what no file can be called is not there
        except OSError as error:
            if error.errno not in {errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP}:
                raise
        raise FileNotFoundError(name)


class Zip:
    """A .zip."""

    def __init__(self, path: Path) -> None:
        self.zip = zipfile.ZipFile(path)
        self._names = [one.filename for one in self.zip.infolist() if not one.is_dir()]

    def names(self) -> list[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        try:
            return _Member(self.zip.open(name))  # type: ignore[return-value]
        except (KeyError, *_BROKEN):
            raise FileNotFoundError(name) from None


_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""What a .zip that was tampered with raises. RuntimeError: it wants a password."""


class _Member:
    """A file of a .zip. One that is broken ends where it breaks: its hash is then another."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except _BROKEN:
            return b""

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _raise(error: OSError) -> None:
    raise error


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if "" in parts or ".." in parts or "." in parts or "\0" in name or os.sep in parts:
        raise FileNotFoundError(name)
    return parts


def read(files: Files, name: str, largest: int = LARGEST_SMALL) -> bytes:
    """Read a small file whole. What is too large for what it should be is cut: it cannot be right.

    Raises FileNotFoundError, and OSError.
    """
    with files.open(name) as file:
        pieces: list[bytes] = []
        left = largest
        while left and (piece := file.read(min(left, CHUNK))):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces)


class Lines:
    """The lines of a file without their newlines, in bounded memory; what was read is hashed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = sha256()

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        while chunk := self._file.read(CHUNK):
            self._hash.update(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LARGEST_LINE:
                yield rest[:LARGEST_LINE]
                rest = b""
        if rest:
            yield rest

    def hexdigest(self) -> str:
        """Return the SHA-256 of the file, once every line was taken."""
        return self._hash.hexdigest()


# --- Ed25519 (RFC 8032) --------------------------------------------------------------------------

_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT: Final = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, xy = T/Z."""
_Cached = tuple[int, int, int, int]
"""A point made ready to be added: Y - X, Y + X, 2dT, 2Z."""
_ZERO: Final[_Point] = (0, 1, 1, 0)


def _cached(point: _Point) -> _Cached:
    x, y, z, t = point
    return ((y - x) % _P, (y + x) % _P, 2 * _D * t % _P, 2 * z % _P)


def _add(point: _Point, other: _Cached) -> _Point:
    x, y, z, t = point
    a = (y - x) * other[0] % _P
    b = (y + x) * other[1] % _P
    c = t * other[2] % _P
    d = z * other[3] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _decoded(encoded: bytes) -> tuple[int, int]:
    """Return x and y of a point. Raises ValueError."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        raise ValueError("not a point's canonical encoding")
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT % _P
    if v * x * x % _P != u or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    return (_P - x if x & 1 != sign else x), y


class _Multiples:
    """``d * 16**w`` times a point, for each w below 64 and d below 16: 64 additions multiply it."""

    def __init__(self, x: int, y: int) -> None:
        point: _Point = (x, y, 1, x * y % _P)
        self._rows: list[list[_Cached]] = []
        for _ in range(64):
            base, row = _cached(point), [_cached(point)]
            for _ in range(14):
                point = _add(point, base)
                row.append(_cached(point))
            point = _add(point, base)
            self._rows.append(row)

    def add(self, number: int, point: _Point) -> _Point:
        """Return the point with ``number`` times ours added."""
        for row in self._rows:
            if digit := number & 15:
                point = _add(point, row[digit - 1])
            number >>= 4
        return point


_BASE: Final[list[_Multiples]] = []


def _base() -> _Multiples:
    if not _BASE:
        y = 4 * pow(5, -1, _P) % _P
        _BASE.append(_Multiples(*_decoded(y.to_bytes(32, "little"))))
    return _BASE[0]


class Ed25519:
    """A public key of 32 bytes. Raises ValueError where it is none."""

    def __init__(self, public: bytes) -> None:
        if len(public) != 32:
            raise ValueError("a public key has 32 bytes")
        x, y = _decoded(public)
        self._public = public
        self._negative = (_P - x, y)
        self._multiples: _Multiples | None = None

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether this key signed it: about a third of a millisecond."""
        if len(signature) != 64:
            return False
        r, s = signature[:32], int.from_bytes(signature[32:], "little")
        if s >= _L:
            return False
        digest = hashlib.sha512(r + self._public + message).digest()
        if self._multiples is None:
            self._multiples = _Multiples(*self._negative)
        point = _base().add(s, _ZERO)
        x, y, z, _ = self._multiples.add(int.from_bytes(digest, "little") % _L, point)
        inverse = pow(z, -1, _P)
        x, y = x * inverse % _P, y * inverse % _P
        return (y | (x & 1) << 255).to_bytes(32, "little") == r


# --- Signed notes and checkpoints (C2SP) ---------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """A public key with the name that it signs under."""

    name: str
    key_id: bytes
    ed25519: Ed25519

    @property
    def label(self) -> str:
        return f"{self.name}+{self.key_id.hex()}"


def parse_key(line: str) -> Key:
    """Read ``<name>+<key id>+<base64(0x01 || key)>``. Raises ValueError."""
    name, _, rest = line.partition("+")
    stated, _, material = rest.partition("+")
    key = _base64(material)
    if key[:1] != b"\x01" or len(key) != 33 or name.split() != [name]:
        raise ValueError("not an Ed25519 key of a signed note")
    if sha256(name.encode() + b"\n" + key).digest()[:4].hex() != stated:
        raise ValueError("the key id is not that of the key")
    return Key(name, bytes.fromhex(stated), Ed25519(key[1:]))


def parse_keys(content: bytes) -> list[Key]:
    """Read a file of keys, one a line. Raises ValueError."""
    return [parse_key(line) for line in content.decode().split("\n") if line.strip()]


def _base64(text: str) -> bytes:
    """Read base64 in its one canonical spelling. Raises ValueError."""
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content).decode() != text:
        raise ValueError("not canonical base64")
    return content


Signature = tuple[str, bytes, bytes]
"""Of a note: the key's name, its id, 64 bytes."""


def parse_note(content: bytes) -> tuple[str, list[Signature]]:
    """Return a note's text and its signatures. Raises ValueError."""
    if len(content) > LARGEST_NOTE or content.count(b"\n\xe2\x80\x94") > MOST_SIGNATURES:
        raise ValueError("a note that is too large")
    text, blank, lines = content.decode().rpartition("\n\n")
    text += "\n"
    if not blank or not lines.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise ValueError("a note is a text, a blank line and signatures")
    signatures: list[Signature] = []
    for line in lines[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, material = rest.partition(" ")
        signed = _base64(material)
        if dash != "\u2014" or len(signed) < 5 or name.split() != [name] or "+" in name:
            raise ValueError(f"not a signature's line: {line[:80]!a}")
        signatures.append((name, signed[:4], signed[4:]))
    return text, signatures


class Keys:
    """The keys that are believed."""

    def __init__(self, keys: Iterable[Key], *, pinned: bool) -> None:
        self.pinned = pinned
        self._keys = {(key.name, key.key_id): key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def signer(self, text: str, signatures: Sequence[Signature]) -> str:
        """Return the label of a known key that signed. Raises :class:`NoteError`."""
        found = ""
        for name, key_id, signature in signatures:
            key = self._keys.get((name, key_id))
            if key is None:
                continue
            if not key.ed25519.verify(signature, text.encode()):
                raise NoteError("bad-signature", f"the signature of {key.label} is not good")
            found = found or key.label
        if not found:
            said = ", ".join(sorted({f"{name}+{key_id.hex()}" for name, key_id, _ in signatures}))
            raise NoteError("unknown-signer", f"it is said to be signed by {said}, not a known key")
        return found


@dataclass(frozen=True)
class Checkpoint:
    """A log's size and root, as a key signed them."""

    log: str
    size: int
    root: bytes
    seal: str | None
    """The hash of its seal, of a vault's own."""
    signed_by: str
    """Empty where that was not looked at."""


def parse_checkpoint(content: bytes, keys: Keys | None) -> Checkpoint:
    """Read a signed checkpoint, and check who signed it where keys are given.

    Raises :class:`NoteError`.
    """
    try:
        text, signatures = parse_note(content)
        origin, size, encoded, *extensions = text[:-1].split("\n")
        root = _base64(encoded)
        if not re.fullmatch("0|[1-9][0-9]{0,18}", size) or len(root) != 32 or "" in extensions:
            raise ValueError("not a checkpoint's size or root")
        if not origin.startswith(ORIGIN):
            raise ValueError(f"not a checkpoint of headrace: {origin[:80]!a}")
    except ValueError as error:
        raise NoteError("changed-checkpoint", _line(error)) from None
    seals = [one[len(SEAL_LINE) :] for one in extensions if one.startswith(SEAL_LINE)]
    return Checkpoint(
        origin[len(ORIGIN) :],
        int(size),
        root,
        seals[0] if len(seals) == 1 else None,
        keys.signer(text, signatures) if keys is not None else "",
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


# --- Merkle trees (RFC 6962, RFC 9162) -----------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows at its right end."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        """Roots of its perfect subtrees, the largest first."""

    def extend(self, hashes: bytes | memoryview) -> None:
        """Append leaves by their hashes, 32 bytes each."""
        peaks, count = self.peaks, self.size
        for at in range(0, len(hashes), 32):
            node = bytes(hashes[at : at + 32])
            size = count
            while size & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                size >>= 1
            peaks.append(node)
            count += 1
        self.size = count

    def root(self) -> bytes:
        if not self.peaks:
            return sha256(b"").digest()
        *left, root = self.peaks
        for peak in reversed(left):
            root = node_hash(peak, root)
        return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof shows the leaf's hash at ``index`` of the tree with this root."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the proof shows that the tree of size ``new`` extends that of size ``old``."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0 or old > new:
        return old == 0 and not proof and old_root == Tree().root()
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, step)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# --- Leaves --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What records must be, in the order of their indices. A place is a number in that order."""

    log: str
    indices: Sequence[int]
    place: Callable[[int], int]
    """Of an index; negative or too large where it is not expected."""
    hashes: bytes
    """Their hashes, one after the other."""
    prevs: bytes
    """Of each the hash of the record before it in its log, as 64 hex digits."""

    @classmethod
    def stretch(cls, log: str, first: int, hashes: bytes, previous: str) -> Expected:
        """Expect each record from ``first`` on; ``previous`` is the hash of the one before, hex."""
        indices = range(first, first + len(hashes) // 32)
        prevs = previous.encode() + binascii.hexlify(hashes)
        return cls(log, indices, lambda index: index - first, hashes, prevs)


@dataclass
class _Odd:
    """A line that was never sealed."""

    line: int
    claimed: int | None
    """The place of the index that it states."""
    after: int
    """How many good lines stand before it."""


class LeafFile:
    """Checks a file of records against hashes: what is in it, and where it stops being right."""

    def __init__(self, report: Report, expected: Expected, audit_class: str | None) -> None:
        self._report = report
        self._expected = expected
        self._class = audit_class
        self._encoded = None if audit_class is None else audit_class.encode()
        self._head = re.compile(
            rb'\{"v":1,"log":'
            + re.escape(json.dumps(expected.log).encode())
            + rb',"index":(\d{1,18}),"prev":"([0-9a-f]{64})","offset":\d{1,19},'
            rb'"kind":"(?:event|policy)","ts":[^",]{1,40},"policy":"[^"\\]*","class":"([^"\\]*)"'
        ).match
        self.order: list[int] = []
        """The places of the good lines."""
        self.odd: list[_Odd] = []
        self.findings = 0

    def take(self, name: str, lines: Iterable[bytes], taken: bytearray) -> None:
        """Read the file. ``taken`` has a byte for each place, set where its record is there."""
        head, place, order = self._head, self._expected.place, self.order
        hashes, prevs, encoded = self._expected.hashes, self._expected.prevs, self._encoded
        count, last = len(taken), -1
        for number, line in enumerate(lines, 1):
            digest = sha256(b"\x00" + line).digest()
            match = head(line)
            if match is not None:
                at = place(int(match[1]))
                if (
                    last < at < count
                    and hashes[32 * at : 32 * at + 32] == digest
                    and prevs[64 * at : 64 * at + 64] == match[2]
                    and (encoded is None or encoded == match[3])
                    and not taken[at]
                ):
                    taken[at] = 1
                    order.append(at)
                    last = at
                    continue
            self._look(name, number, line, digest, taken)
            last = max(last, order[-1] if order else -1)
        self._in_order(name)

    def _look(self, name: str, number: int, line: bytes, digest: bytes, taken: bytearray) -> None:
        """Judge a line that is not simply the next one."""
        stated = _stated(line)
        claimed = stated.get("index")
        at = self._expected.place(claimed) if isinstance(claimed, int) else -1
        hashes = self._expected.hashes
        if not (0 <= at < len(taken) and hashes[32 * at : 32 * at + 32] == digest):
            found = _find(hashes, digest)
            if found is None:
                inside = 0 <= at < len(taken)
                self.odd.append(_Odd(number, at if inside else None, len(self.order)))
                return
            at = found
            self._bad("wrong-place", "it states another index", at, name, number)
        if taken[at]:
            self._bad("duplicate-leaf", "it is there already", at, name, number)
            return
        taken[at] = 1
        self.order.append(at)
        if stated.get("log") != self._expected.log:
            self._bad("wrong-place", "it states another log", at, name, number)
        if str(stated.get("prev")).encode() != self._expected.prevs[64 * at : 64 * at + 64]:
            self._bad("wrong-prev", "its prev is not the hash before it", at, name, number)
        if self._class is not None and stated.get("class") != self._class:
            what = f"its class is {str(stated.get('class'))[:80]!a}"
            self._bad("wrong-class", what, at, name, number)

    def _in_order(self, name: str) -> None:
        for place, (there, wanted) in enumerate(zip(self.order, sorted(self.order), strict=True)):
            if there != wanted:
                number = place + 1 + sum(odd.after <= place for odd in self.odd)
                what = f"index {self._expected.indices[there]} stands in its place"
                self._bad("reordered-leaf", what, wanted, name, number)
                return

    def explain(self, name: str, missing: list[int]) -> None:
        """Say of each odd line what it is, given the records that are nowhere; takes those out."""
        for odd in self.odd:
            at = odd.claimed if odd.claimed in missing else self._gap(odd, missing)
            if at is None:
                at = odd.claimed if odd.claimed is not None else self._neighbour(odd)
                self._bad("inserted-leaf", "it was never sealed", at, name, odd.line)
                continue
            missing.remove(at)
            self._bad("changed-leaf", "its bytes are not those sealed", at, name, odd.line)

    def _gap(self, odd: _Odd, missing: list[int]) -> int | None:
        """Return what is missing between the good lines around an odd one."""
        low = self._neighbour(odd) - 1
        high = self.order[odd.after] if odd.after < len(self.order) else sys.maxsize
        place = bisect_left(missing, low + 1)
        return missing[place] if place < len(missing) and missing[place] < high else None

    def _neighbour(self, odd: _Odd) -> int:
        return self.order[odd.after - 1] + 1 if odd.after else 0

    def _bad(self, finding: str, what: str, at: int, name: str, line: int) -> None:
        self.findings += 1
        known = 0 <= at < len(self._expected.indices)
        index = self._expected.indices[at] if known else None
        self._report.bad(finding, what, log=self._expected.log, index=index, file=name, line=line)


def _stated(line: bytes) -> dict[str, Any]:
    try:
        stated = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _find(hashes: bytes, digest: bytes) -> int | None:
    at = hashes.find(digest)
    while at % 32 and at >= 0:
        at = hashes.find(digest, at + 1)
    return at // 32 if at >= 0 else None


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join numbers that follow one another to [first, last]."""
    first = last = None
    for number in numbers:
        if last is not None and first is not None and number != last + 1:
            yield first, last
            first = number
        elif first is None:
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


# --- Seals ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SealedClass:
    """A file of the records of one class in a segment."""

    audit_class: str
    name: str
    sha256: str
    count: int
    retain_until: float | None
    """Seconds since 1970; None: for ever."""


@dataclass(frozen=True)
class Seal:
    """What commits a segment: records [first, end) of a log."""

    log: str
    first: int
    end: int
    classes: list[SealedClass]
    hashes_name: str
    hashes_sha256: str
    previous: str
    head: str
    peaks: list[bytes]
    sealed_at: float
    note: bytes
    """The signed checkpoint."""
    digest: str
    """SHA-256 of what the checkpoint binds: everything before it."""


_DATA: Final = re.compile(
    r"data/(\d{1,20})-\d{1,20}\..*?([0-9a-f]{16})\.(?:jsonl|hashes)", re.DOTALL
).fullmatch
_CHECKPOINT: Final = b',"checkpoint":'


def parse_seal(content: bytes) -> Seal:
    """Read a seal. Raises ValueError."""
    head, mark, tail = content.rpartition(_CHECKPOINT)
    try:
        data = json.loads(content)
        note = data["checkpoint"]
        if not mark or tail.rstrip(b"\n") != json.dumps(note, ensure_ascii=False).encode() + b"}":
            raise ValueError("its checkpoint is not its last field")
        seal = Seal(
            log=_is(str, data["log"]),
            first=_is(int, data["first"]),
            end=_is(int, data["end"]),
            classes=[_sealed_class(data["log"], one) for one in _is(list, data["classes"])],
            hashes_name=_data_name(data["log"], data["hashes"]["name"]),
            hashes_sha256=_is(str, data["hashes"]["sha256"]),
            previous=_hash(data["previous"]),
            head=_hash(data["head"]),
            peaks=[bytes.fromhex(_hash(one)) for one in _is(list, data["peaks"])],
            sealed_at=float(data["sealed_at"]),
            note=_is(str, note).encode(),
            digest=sha256(head).hexdigest(),
        )
    except (KeyError, TypeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"it lacks or has wrong {error}") from None
    if data.get("v") != 1 or not 0 < seal.end - seal.first <= LARGEST_SEGMENT or seal.first < 0:
        raise ValueError("it is of no version or extent that is known")
    return seal


def _sealed_class(log: str, data: Any) -> SealedClass:
    until = data["retain_until"]
    return SealedClass(
        _is(str, data["class"]),
        _data_name(log, data["name"]),
        _is(str, data["sha256"]),
        _is(int, data["count"]),
        None if until is None else float(until),
    )


def _data_name(log: str, value: Any) -> str:
    """Return a file's name below logs/<log>/. Raises TypeError."""
    folder = f"logs/{log}/"
    if (
        not isinstance(value, str)
        or not value.startswith(folder)
        or not _DATA(value[len(folder) :])
    ):
        raise TypeError(repr(value)[:80])
    return value[len(folder) :]


def _is(kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(repr(value)[:80])
    return value


def _hash(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise TypeError(repr(value)[:80])
    return value


# --- Vaults --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pinned:
    """A checkpoint that was kept elsewhere."""

    file: str
    checkpoint: Checkpoint


Tell = Callable[[str, int], None]
"""Is told of a log and how many of its records were looked at."""

_SEAL: Final = re.compile(r"(\d{20})\.seal").fullmatch


@dataclass
class Check:
    """What a run is given, and where its findings go."""

    files: Files
    report: Report
    keys: Keys
    pinned: list[Pinned]
    now: float
    tell: Tell


class LogCheck:
    """One log of a vault, from its first seal to its last."""

    def __init__(self, check: Check, log: str, names: Iterable[str]) -> None:
        self._check = check
        self._report = check.report
        self._log = log
        self._names = set(names)
        """Below logs/<log>/."""
        self._out = LogReport(log)
        self._pinned = sorted(
            (one for one in check.pinned if one.checkpoint.log == log),
            key=lambda one: one.checkpoint.size,
        )
        self._end = 0
        """Records that were looked at."""
        self._tree: Tree | None = Tree()
        """None where what came before is unknown."""
        self._head: str | None = NO_HASH
        self._broken: int | None = None
        """Where a seal begins that could not be read."""
        self._named: set[str] = set()

    def run(self) -> LogReport:
        self._compare(0)
        for name in sorted(name for name in self._names if _SEAL(name)):
            self._named.add(name)
            self._take(name)
        past = self._leftovers()
        for one in self._pinned:
            if one.checkpoint.size > self._end:
                self._ends_before(one, past=past or self._broken is not None)
        return self._out

    def _bad(self, finding: str, what: str, index: int | None = None, file: str = "") -> None:
        where = f"logs/{self._log}/{file}" if file else None
        self._report.bad(finding, what, log=self._log, index=index, file=where)

    def _take(self, name: str) -> None:
        first = int(name.partition(".")[0])
        try:
            seal = parse_seal(read(self._check.files, f"logs/{self._log}/{name}"))
        except (ValueError, FileNotFoundError) as error:
            self._bad("changed-seal", f"it cannot be read: {_line(error)}", first, name)
            self._broken = first
            return
        if (seal.log, seal.first) != (self._log, first):
            self._bad("changed-seal", "it is of another log or place than its name", first, name)
            self._broken = first
            return
        if first < self._end:
            self._bad("overlapping-seal", f"up to {self._end} is sealed before it", first, name)
            self._named.update(self._names_of(seal))
            return
        if first > self._end:
            if self._broken is None or self._broken > self._end:
                what = f"nothing seals indices {self._end} to {first - 1}"
                self._bad("missing-seal", what, self._end, f"{self._end:020d}.seal")
            self._lost(range(self._end + 1, first + 1))
            self._tree = self._head = None
        self._broken = None
        self._segment(seal, name)

    def _names_of(self, seal: Seal) -> list[str]:
        return [seal.hashes_name, *(one.name for one in seal.classes)]

    def _segment(self, seal: Seal, name: str) -> None:
        self._named.update(self._names_of(seal))
        checkpoint = self._checkpoint(seal, name)
        if self._head not in {None, seal.previous}:
            what = "its previous hash is not that of the record before it"
            self._bad("wrong-head", what, seal.first, name)
        hashes = self._hashes(seal)
        SegmentCheck(self._check, self._out, seal, hashes).run()
        self._end, self._head = seal.end, seal.head
        self._grow(seal, name, checkpoint, hashes)
        self._out.sealed_at = seal.sealed_at
        self._check.tell(self._log, self._end)

    def _checkpoint(self, seal: Seal, name: str) -> Checkpoint | None:
        """Return what was signed, whoever did, or None where it is no checkpoint."""
        try:
            checkpoint = parse_checkpoint(seal.note, None)
        except NoteError as error:
            self._bad(error.finding, str(error), seal.first, name)
            return None
        try:
            self._out.signed_by = parse_checkpoint(seal.note, self._check.keys).signed_by
            self._out.checkpoints += 1
        except NoteError as error:
            self._bad(error.finding, str(error), seal.first, name)
        if checkpoint.log != self._log:
            self._bad("wrong-origin", f"it is of {checkpoint.log[:80]!a}", seal.first, name)
            return None
        if checkpoint.seal != seal.digest:
            self._bad("changed-seal", "the checkpoint's signature is of another", seal.first, name)
        if checkpoint.size != seal.end:
            what = f"it is of {checkpoint.size} records, the seal ends at {seal.end}"
            self._bad("wrong-size", what, seal.first, name)
            return None
        return checkpoint

    def _hashes(self, seal: Seal) -> bytes | None:
        """Return the hashes of a segment as they were sealed, None where nobody can tell them."""
        name = seal.hashes_name
        try:
            content = read(self._check.files, f"logs/{self._log}/{name}")
        except FileNotFoundError:
            self._bad("missing-hashes", "it is not there", seal.first, name)
            return rebuilt(self._check.files, seal, b"")
        if _is_of(seal, content):
            return content
        sealed = rebuilt(self._check.files, seal, content)
        index = _first(seal, content, sealed)
        self._bad("changed-hashes", "it is not what was sealed", index, name)
        return sealed

    def _grow(
        self, seal: Seal, name: str, checkpoint: Checkpoint | None, hashes: bytes | None
    ) -> None:
        """Take the segment into the tree and compare what was signed."""
        signed = Tree(seal.end, seal.peaks)
        if self._tree is None or hashes is None:
            self._lost(range(seal.first + 1, seal.end))
            self._tree = signed if _peaks_of(signed, checkpoint) else None
            if self._tree is None:
                self._bad("wrong-peaks", "they do not make the root", seal.first, name)
        else:
            self._extend(seal, hashes)
            if checkpoint is not None and self._tree.root() != checkpoint.root:
                self._bad("wrong-root", "the records make another root", seal.first, name)
                self._tree = signed if _peaks_of(signed, checkpoint) else None
            elif self._tree.peaks != seal.peaks:
                self._bad("wrong-peaks", "the tree has others", seal.first, name)
        self._compare(seal.end)
        if self._tree is not None and checkpoint is not None:
            self._out.size, self._out.root = seal.end, self._tree.root().hex()

    def _extend(self, seal: Seal, hashes: bytes) -> None:
        """Append the hashes, stopping at the pinned sizes on the way."""
        view, begin = memoryview(hashes), seal.first
        inside = {one.checkpoint.size for one in self._pinned} & set(
            range(seal.first + 1, seal.end)
        )
        for stop in [*sorted(inside), seal.end]:
            if self._tree is not None:
                self._tree.extend(view[32 * (begin - seal.first) : 32 * (stop - seal.first)])
            begin = stop
            if stop < seal.end:
                self._compare(stop)

    def _compare(self, size: int) -> None:
        """Compare pinned checkpoints of this size."""
        if self._tree is None:
            self._lost(range(size, size + 1))
            return
        root = self._tree.root()
        for one in self._pinned:
            if one.checkpoint.size != size:
                continue
            if one.checkpoint.root == root:
                if size not in self._out.pinned[-1:]:
                    self._out.pinned.append(size)
                continue
            what = f"at {size} records the vault has another root than {one.file}"
            self._bad("fork", what, size)

    def _lost(self, sizes: range) -> None:
        for one in self._pinned:
            if one.checkpoint.size in sizes:
                self._report.notices.append(
                    f"{one.file}: what log {self._log} was at {one.checkpoint.size} records cannot "
                    "be made from what is there, so the two are not compared"
                )

    def _ends_before(self, one: Pinned, *, past: bool) -> None:
        what = f"{one.file} is of {one.checkpoint.size} records, the vault has {self._end}"
        self._bad("truncated-tail" if past else "rolled-back", what, self._end)

    def _leftovers(self) -> bool:
        """Look at files that no seal names. Returns whether some are of records past the end."""
        past, fine = False, 0
        for name in sorted(self._names - self._named):
            match = _DATA(name)
            if match is None or not self._fits(name, match[2]):
                self._bad("extra-file", "no seal names it", None, name)
                continue
            fine += 1
            past = past or int(match[1]) >= self._end
        if fine:
            self._report.notices.append(
                f"log {self._log}: {fine} uncommitted files that no seal names"
                + (" go on past its last checkpoint" if past else "")
            )
        return past

    def _fits(self, name: str, begin: str) -> bool:
        digest = sha256()
        try:
            with self._check.files.open(f"logs/{self._log}/{name}") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:  # a link, say
            return False
        return digest.hexdigest().startswith(begin)


def _peaks_of(tree: Tree, checkpoint: Checkpoint | None) -> bool:
    return (
        checkpoint is not None
        and len(tree.peaks) == tree.size.bit_count()
        and tree.root() == checkpoint.root
    )


def _is_of(seal: Seal, hashes: bytes | bytearray) -> bool:
    right = len(hashes) == 32 * (seal.end - seal.first) and hashes[-32:].hex() == seal.head
    return right and sha256(hashes).hexdigest() == seal.hashes_sha256


def _first(seal: Seal, content: bytes, sealed: bytes | None) -> int:
    """Return the first index of which the hash is wrong, as far as it can be told."""
    for at in range(0, len(sealed or b""), 32):
        if sealed is not None and content[at : at + 32] != sealed[at : at + 32]:
            return seal.first + at // 32
    return seal.first


def rebuilt(files: Files, seal: Seal, content: bytes) -> bytes | None:
    """Make a segment's hashes from its records: each states the one before it in its ``prev``.

    Returns None where these do not have the SHA-256 that was sealed.
    """
    size = 32 * (seal.end - seal.first)
    made = bytearray(content[:size].ljust(size, b"\0"))
    made[-32:] = bytes.fromhex(seal.head)
    digests: dict[int, bytes] = {}
    for one in seal.classes:
        part: dict[int, bytes] = {}
        try:
            with files.open(f"logs/{seal.log}/{one.name}") as file:
                lines = Lines(file)
                for line in lines:
                    stated = _stated(line)
                    index, prev = stated.get("index"), stated.get("prev")
                    if not isinstance(index, int) or not seal.first <= index < seal.end:
                        continue
                    part[index - seal.first] = leaf_hash(line)
                    before = _path([prev])
                    if before is not None and index > seal.first:
                        made[32 * (index - 1 - seal.first) : 32 * (index - seal.first)] = before[0]
        except FileNotFoundError:
            continue
        if lines.hexdigest() == one.sha256:
            digests |= part
    if not _is_of(seal, made):
        for at, digest in digests.items():
            made[32 * at : 32 * at + 32] = digest
    return bytes(made) if _is_of(seal, made) else None


class SegmentCheck:
    """The records of one segment."""

    def __init__(self, check: Check, out: LogReport, seal: Seal, hashes: bytes | None) -> None:
        self._check = check
        self._report = check.report
        self._out = out
        self._seal = seal
        self._hashes = hashes
        """Of every record; None where nobody can tell them."""
        self._taken = bytearray(seal.end - seal.first)
        self._parts: list[tuple[SealedClass, LeafFile]] = []
        self._gone = 0
        """Records of files that are not there."""

    def run(self) -> None:
        count = len(self._taken)
        if self._hashes is None:
            self._without_hashes()
            return
        if sum(one.count for one in self._seal.classes) != count:
            self._bad("wrong-count", "its classes do not add up", f"{self._seal.first:020d}.seal")
        expected = Expected.stretch(
            self._seal.log, self._seal.first, self._hashes, self._seal.previous
        )
        for one in self._seal.classes:
            self._part(one, expected)
        self._judge()
        self._out.leaves += sum(self._taken)

    def _bad(self, finding: str, what: str, file: str, index: int | None = None) -> None:
        self._report.bad(
            finding,
            what,
            log=self._seal.log,
            index=self._seal.first if index is None else index,
            file=f"logs/{self._seal.log}/{file}",
        )

    def _without_hashes(self) -> None:
        """Look at the files alone: nothing says what each record should be."""
        for one in self._seal.classes:
            try:
                with self._open(one) as file:
                    lines = Lines(file)
                    count = sum(1 for _ in lines)
            except FileNotFoundError:
                self._absent(one)
                continue
            if lines.hexdigest() != one.sha256:
                self._bad("changed-segment", "it is not what was sealed", one.name)
            else:
                self._out.leaves += count

    def _open(self, one: SealedClass) -> BinaryIO:
        return self._check.files.open(self._path(one))

    def _absent(self, one: SealedClass) -> None:
        self._gone += one.count
        if one.retain_until is not None and one.retain_until <= self._check.now:
            self._out.expired += one.count
            return
        until = "for ever" if one.retain_until is None else f"until {_when(one.retain_until)}"
        self._bad("missing-segment", f"{one.count} records, to be kept {until}", one.name)

    def _part(self, one: SealedClass, expected: Expected) -> None:
        part = LeafFile(self._report, expected, one.audit_class)
        try:
            with self._open(one) as file:
                lines = Lines(file)
                part.take(self._path(one), lines, self._taken)
        except FileNotFoundError:
            self._absent(one)
            return
        self._parts.append((one, part))
        right = lines.hexdigest() == one.sha256 and one.sha256[:16] in one.name
        if not (right or part.findings or part.odd or len(part.order) != one.count):
            self._bad("changed-segment", "it is not what was sealed", one.name)

    def _judge(self) -> None:
        """Tell of the records that are nowhere, and of the lines that were never sealed."""
        short = [(one, part) for one, part in self._parts if len(part.order) < one.count]
        missing = [at for at, there in enumerate(self._taken) if not there]
        for one, part in self._parts:
            part.explain(self._path(one), missing)
        if len(missing) <= self._gone or not self._parts:
            return  # of a seal without a file that is there the count was told to be wrong
        one, part = short[0] if short else self._parts[0]
        if self._gone:  # nobody can tell its records from those of a file that is not there
            count = len(missing) - self._gone
            what = f"{count} records are not there; which ones, only the absent file would tell"
            self._report.bad("missing-leaf", what, log=self._seal.log, file=self._path(one))
            return
        for first, last in runs(missing):
            several = "" if first == last else f", up to {self._seal.first + last}"
            self._report.bad(
                "missing-leaf",
                f"it is not there{several}",
                log=self._seal.log,
                index=self._seal.first + first,
                file=self._path(one),
                line=bisect_left(sorted(part.order), first) + 1,
            )

    def _path(self, one: SealedClass) -> str:
        return f"logs/{self._seal.log}/{one.name}"


def verify_vault(check: Check) -> None:
    """Look at all of a vault. What is wrong goes to the report."""
    logs: dict[str, list[str]] = {}
    for name in check.files.names():
        parts = name.split("/", 2)
        if PurePosixPath(name).name.startswith("."):
            continue  # a file that was being written, or the mark of a hold
        if len(parts) == 3 and parts[0] == "logs":
            logs.setdefault(parts[1], []).append(parts[2])
        elif name != MARKER and parts[0] not in {"keys", "holds"}:
            check.report.bad("extra-file", "it is no part of a vault", file=name)
    for log in sorted(logs):
        check.report.logs.append(LogCheck(check, log, logs[log]).run())
    for one in check.pinned:
        if one.checkpoint.log not in logs:
            what = f"{one.file} is of log {one.checkpoint.log}, which is not there"
            check.report.bad("missing-log", what, log=one.checkpoint.log, index=0)


# --- Bundles -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself, signed."""

    about: Mapping[str, Any]
    """``selection``, ``counts``, ``made_at``."""
    hashes: dict[str, str]
    """SHA-256 of every other file."""


def parse_manifest(text: str) -> Manifest:
    """Read the text of a manifest. Raises ValueError."""
    origin, about, *lines = text[:-1].split("\n")
    stated = json.loads(about)
    if origin != BUNDLE or not isinstance(stated, dict):
        raise ValueError("not the manifest of a bundle")
    hashes: dict[str, str] = {}
    for line in lines:
        match = re.fullmatch("([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in hashes:
            raise ValueError(f"not a hash and a name: {line[:80]!a}")
        hashes[match[2]] = match[1]
    return Manifest(stated, hashes)


class BundleCheck:
    """A bundle. Memory grows with the number of its records, by some 300 bytes each."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._files = check.files
        self._report = check.report
        self._proofs: dict[str, dict[int, int]] = {}
        """Of each log: the line of each record's proof, by index."""
        self._hashes: dict[str, dict[int, bytes]] = {}
        """Of each log: the hashes of the records that are asked for."""
        self._checkpoints: dict[str, Checkpoint] = {}
        self._events = 0
        """Of plain.jsonl."""

    def run(self) -> None:
        names = self._check.files.names()
        manifest = self._manifest()
        self._read_proofs()
        logs = set(self._proofs)
        for name in names:
            folder, _, rest = name.partition("/")
            if folder in {"checkpoints", "hashes"}:
                logs.add(rest)
            elif folder == "leaves" and rest.endswith(".jsonl"):
                logs.add(rest[: -len(".jsonl")])
        for log in sorted(logs):
            self._report.logs.append(self._log(log))
        self._verify_proofs()
        self._plain()
        if manifest is not None:
            self._compare(manifest, names)
            self._count(manifest)

    def _manifest(self) -> Manifest | None:
        try:
            text, signatures = parse_note(read(self._files, MANIFEST))
            manifest = parse_manifest(text)
        except FileNotFoundError:
            self._report.bad("missing-file", "it is not there", file=MANIFEST)
            return None
        except (ValueError, RecursionError) as error:
            self._report.bad("changed-manifest", _line(error), file=MANIFEST)
            return None
        try:
            self._check.keys.signer(text, signatures)
        except NoteError as error:
            self._report.bad(error.finding, str(error), file=MANIFEST)
        return manifest

    def _lines_of(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield a file's lines by number; none where it is not there, which is told."""
        try:
            with self._files.open(name) as file:
                yield from enumerate(Lines(file), 1)
        except FileNotFoundError:
            self._report.bad("missing-file", "it is not there", file=name)

    def _read_proofs(self) -> None:
        for number, line in self._lines_of(PROOFS):
            stated = _stated(line)
            log, index = stated.get("log"), stated.get("index")
            if not isinstance(log, str) or not isinstance(index, int):
                self._report.bad("bad-proof", "it is none", file=PROOFS, line=number)
                continue
            proofs = self._proofs.setdefault(log, {})
            if index in proofs:
                self._bad_proof("extra-proof", "there is one already", log, index, number)
            proofs.setdefault(index, number)

    def _bad_proof(self, name: str, what: str, log: str, index: int, line: int) -> None:
        self._report.bad(name, what, log=log, index=index, file=PROOFS, line=line)

    def _log(self, log: str) -> LogReport:
        out = LogReport(log)
        checkpoint = self._checkpoint(log, out)
        leaves = f"leaves/{log}.jsonl"
        claimed = {
            index
            for _, line in self._lines_of(leaves)
            if isinstance(index := _stated(line).get("index"), int) and index >= 0
        }
        proofs = self._proofs.get(log, {})
        expected = self._expected(log, sorted(claimed | set(proofs)), checkpoint, out)
        self._hashes[log] = {
            index: expected.hashes[32 * at : 32 * at + 32]
            for at, index in enumerate(expected.indices)
        }
        self._leaves(leaves, expected, proofs, out)
        return out

    def _checkpoint(self, log: str, out: LogReport) -> Checkpoint | None:
        name = f"checkpoints/{log}"
        try:
            content = read(self._files, name)
            checkpoint = parse_checkpoint(content, None)
        except FileNotFoundError:
            self._report.bad("missing-file", "it is not there", log=log, file=name)
            return None
        except NoteError as error:
            self._report.bad(error.finding, str(error), log=log, file=name)
            return None
        try:
            out.signed_by = parse_checkpoint(content, self._check.keys).signed_by
        except NoteError as error:
            self._report.bad(error.finding, str(error), log=log, file=name)
        if checkpoint.log != log:
            what = f"it is of {checkpoint.log[:80]!a}"
            self._report.bad("wrong-origin", what, log=log, file=name)
            return None
        out.checkpoints = 1
        self._checkpoints[log] = checkpoint
        return checkpoint

    def _expected(
        self, log: str, wanted: list[int], checkpoint: Checkpoint | None, out: LogReport
    ) -> Expected:
        """Read the log's hashes: compare their root, take those of the records that are wanted."""
        found: list[int] = []
        hashes: list[bytes] = []
        prevs: list[bytes] = []
        tree, before, name = Tree(), bytes(32), f"hashes/{log}"
        pinned = [one for one in self._check.pinned if one.checkpoint.log == log]
        stops = sorted({one.checkpoint.size for one in pinned} | set(wanted))
        try:
            with self._files.open(name) as file:
                for chunk in _hash_chunks(file):
                    begin, end = tree.size, tree.size + len(chunk) // 32
                    view = memoryview(chunk)
                    for stop in stops[bisect_left(stops, begin) : bisect_left(stops, end)]:
                        tree.extend(view[32 * (tree.size - begin) : 32 * (stop - begin)])
                        self._pin(pinned, tree, out)
                        at = 32 * (stop - begin)
                        found.append(stop)
                        hashes.append(chunk[at : at + 32])
                        prevs.append(binascii.hexlify(chunk[at - 32 : at] if at else before))
                    tree.extend(view[32 * (tree.size - begin) :])
                    before = chunk[-32:]
        except FileNotFoundError:
            self._report.bad("missing-file", "it is not there", log=log, file=name)
        self._pin(pinned, tree, out)
        self._root(log, tree, checkpoint, out)
        for one in pinned:
            if one.checkpoint.size > tree.size:
                self._report.notices.append(
                    f"{one.file} is younger than this bundle: of {one.checkpoint.size} records"
                )
        places = {index: at for at, index in enumerate(found)}
        return Expected(
            log, found, lambda index: places.get(index, -1), b"".join(hashes), b"".join(prevs)
        )

    def _pin(self, pinned: list[Pinned], tree: Tree, out: LogReport) -> None:
        for one in pinned:
            if one.checkpoint.size != tree.size:
                continue
            if one.checkpoint.root == tree.root():
                if tree.size not in out.pinned[-1:]:
                    out.pinned.append(tree.size)
                continue
            what = f"at {tree.size} records the bundle has another root than {one.file}"
            self._report.bad("fork", what, log=out.log, index=tree.size)

    def _root(self, log: str, tree: Tree, checkpoint: Checkpoint | None, out: LogReport) -> None:
        if checkpoint is None:
            return
        name = f"hashes/{log}"
        if tree.size != checkpoint.size:
            what = f"{tree.size} hashes, the checkpoint is of {checkpoint.size} records"
            self._report.bad("wrong-size", what, log=log, file=name)
        elif tree.root() != checkpoint.root:
            self._report.bad("wrong-root", "they make another root", log=log, file=name)
        else:
            out.size, out.root = tree.size, checkpoint.root.hex()

    def _leaves(
        self, name: str, expected: Expected, proofs: Mapping[int, int], out: LogReport
    ) -> None:
        part = LeafFile(self._report, expected, None)
        taken = bytearray(len(expected.indices))
        try:
            with self._files.open(name) as file:
                part.take(name, Lines(file), taken)
        except FileNotFoundError:
            return  # told before
        missing = [
            at for at, index in enumerate(expected.indices) if not taken[at] and index in proofs
        ]
        part.explain(name, missing)
        for at in missing:
            self._report.bad(
                "missing-leaf",
                "it has a proof and is not there",
                log=out.log,
                index=expected.indices[at],
                file=name,
                line=bisect_left(sorted(part.order), at) + 1,
            )
        for line, at in enumerate(part.order, 1):
            if expected.indices[at] not in proofs:
                index = expected.indices[at]
                what = "nothing proves it"
                self._report.bad(
                    "missing-proof", what, log=out.log, index=index, file=name, line=line
                )
        out.leaves = len(part.order)
        self._check.tell(out.log, out.leaves)

    def _verify_proofs(self) -> None:
        try:
            with self._files.open(PROOFS) as file:
                for number, line in enumerate(Lines(file), 1):
                    self._verify_proof(number, _stated(line))
        except FileNotFoundError:
            return  # told before

    def _verify_proof(self, number: int, stated: Mapping[str, Any]) -> None:
        log, index = stated.get("log"), stated.get("index")
        if not isinstance(log, str) or not isinstance(index, int):
            return  # told before
        checkpoint, leaf = self._checkpoints.get(log), self._hashes[log].get(index)
        path = _path(stated.get("path"))
        if checkpoint is None:
            return  # told before
        if leaf is None or path is None or stated.get("size") != checkpoint.size:
            self._bad_proof("bad-proof", "it is of no record of the log", log, index, number)
        elif not verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root):
            self._bad_proof("bad-proof", "it leads to another root", log, index, number)

    def _plain(self) -> None:
        left = {(log, index) for log, proofs in self._proofs.items() for index in proofs}
        name = "plain.jsonl"
        for number, line in self._lines_of(name):
            stated = _stated(line)
            log, index = stated.get("log"), stated.get("index")
            self._events += stated.get("event") is not None
            if isinstance(log, str) and isinstance(index, int) and (log, index) in left:
                left.remove((log, index))
                continue
            known = index if isinstance(index, int) else None
            self._report.bad(
                "extra-plain",
                "no record is left for it",
                log=log if isinstance(log, str) else None,
                index=known,
                file=name,
                line=number,
            )
        for log, index in sorted(left):
            self._report.bad("missing-plain", "it is not there", log=log, index=index, file=name)

    def _compare(self, manifest: Manifest, names: list[str]) -> None:
        """Compare every file with the manifest; what was told more exactly is not told again."""
        told = {one.file for one in self._report.findings}
        for name, wanted in sorted(manifest.hashes.items()):
            digest = sha256()
            try:
                with self._files.open(name) as file:
                    while chunk := file.read(CHUNK):
                        digest.update(chunk)
            except FileNotFoundError:
                if name not in told:
                    self._report.bad("missing-file", "it is not there", file=name)
                continue
            if digest.hexdigest() != wanted and name not in told:
                self._report.bad("changed-file", "it is not what was signed for", file=name)
        counted: set[str] = set()
        for name in names:
            if (name not in manifest.hashes and name != MANIFEST) or name in counted:
                self._report.bad("extra-file", "the manifest does not name it", file=name)
            counted.add(name)

    def _count(self, manifest: Manifest) -> None:
        counts = manifest.about.get("counts")
        stated = counts.get("logs") if isinstance(counts, dict) else None
        there = {log: len(proofs) for log, proofs in sorted(self._proofs.items())}
        if stated != there:
            what = f"the manifest states {stated!a}, there are proofs of {there!a}"
            self._report.bad("wrong-count", what[:400], file=MANIFEST)
        plain = counts.get("plain") if isinstance(counts, dict) else None
        if plain != self._events:
            what = f"the manifest states {plain!a} events, there are {self._events} in plain.jsonl"
            self._report.bad("wrong-count", what, file=MANIFEST)


def _hash_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole hashes, many at a time; what is left over at the end as it is."""
    rest = b""
    while chunk := file.read(CHUNK):
        chunk = rest + chunk
        cut = len(chunk) // 32 * 32
        rest = chunk[cut:]
        if cut:
            yield chunk[:cut]
    if rest:
        yield rest.ljust(32, b"\0")


def _path(value: Any) -> list[bytes] | None:
    if not isinstance(value, list):
        return None
    if not all(isinstance(one, str) and re.fullmatch("[0-9a-f]{64}", one) for one in value):
        return None
    return [bytes.fromhex(one) for one in value]


# --- Proofs --------------------------------------------------------------------------------------


def verify_proof(check: Check, name: str) -> None:
    """Check a proof that ``headrace audit prove`` or ``audit consistency`` printed as JSON."""
    check.report.kind = "proof"
    stated = _stated(read(check.files, name))
    path = _path(stated.get("path"))
    try:
        if path is None or stated.get("v") != 1:
            raise CannotBeDone(f"{name} is no proof: it lacks a path")
        checkpoints = [
            parse_checkpoint(str(stated[field_]).encode(), check.keys)
            for field_ in ("old", "checkpoint")
            if field_ in stated
        ]
    except NoteError as error:
        check.report.bad(error.finding, str(error), file=name)
        return
    if not checkpoints:
        raise CannotBeDone(f"{name} is no proof: it lacks a checkpoint")
    last = checkpoints[-1]
    out = LogReport(last.log, signed_by=last.signed_by, checkpoints=len(checkpoints))
    check.report.logs.append(out)
    if len(checkpoints) > 1:
        good = _extends(checkpoints[0], last, path)
    else:
        good = _includes(check.report, stated, last, path, name)
        out.leaves = int(good)
    if good:
        out.size, out.root = last.size, last.root.hex()
    elif not check.report.found:
        check.report.bad("bad-proof", "it leads to another root", log=last.log, file=name)
    _pinned_proof(check, out, last)


def _extends(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> bool:
    return old.log == new.log and verify_consistency(old.size, new.size, path, old.root, new.root)


def _includes(
    report: Report, stated: Mapping[str, Any], last: Checkpoint, path: Sequence[bytes], name: str
) -> bool:
    index, leaf = stated.get("index"), stated.get("leaf")
    hashed = _path([stated.get("hash")])
    if not isinstance(index, int) or hashed is None or stated.get("log") != last.log:
        return False
    if leaf is None:
        report.notices.append("the record itself fell due: its hash alone is proved")
    elif leaf_hash(str(leaf).encode("utf-8", "surrogatepass")) != hashed[0]:
        what = "its bytes are not those sealed"
        report.bad("changed-leaf", what, log=last.log, index=index, file=name)
        return False
    return verify_inclusion(hashed[0], index, last.size, path, last.root)


def _pinned_proof(check: Check, out: LogReport, last: Checkpoint) -> None:
    for one in check.pinned:
        if one.checkpoint.log != last.log:
            continue
        if one.checkpoint.size != last.size:
            check.report.notices.append(
                f"{one.file} is of {one.checkpoint.size} records, the proof of {last.size}: "
                "`headrace audit consistency` leads from one to the other"
            )
            continue
        if one.checkpoint.root == last.root:
            out.pinned.append(last.size)
        else:
            what = f"{one.file} has another root of as many records"
            check.report.bad("fork", what, log=last.log, index=last.size)


# --- The program ---------------------------------------------------------------------------------


def read_keys(paths: Sequence[Path]) -> list[Key]:
    """Read files of public keys. Raises :class:`CannotBeDone`."""
    found: list[Key] = []
    for path in paths:
        try:
            found += parse_keys(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CannotBeDone(f"{path} holds no public keys: {_line(error)}") from None
    if paths and not found:
        raise CannotBeDone(f"there is no public key in {', '.join(map(str, paths))}")
    return found


def lying_keys(files: Files, report: Report) -> list[Key]:
    """Read the keys that lie in a vault or a bundle; one that is changed goes to the report."""
    found: list[Key] = []
    for name in files.names():
        if not name.startswith("keys/"):
            continue
        try:
            (key,) = parse_keys(read(files, name))
            if not name.endswith(f"+{key.key_id.hex()}.pub"):
                raise ValueError("its name is of another key")
        except (ValueError, FileNotFoundError) as error:
            report.bad("changed-key", f"it cannot be read: {_line(error)}", file=name)
            continue
        found.append(key)
    return found


def read_pinned(paths: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Read checkpoints, of a directory all that are in it. Raises :class:`CannotBeDone`."""
    found: list[tuple[str, bytes]] = []
    for path in paths:
        try:
            if not path.is_dir():
                found.append((str(path), path.read_bytes()))
                continue
            directory = Directory(path)
            found += [
                (str(path / name), read(directory, name))
                for name in sorted(directory.names())
                if not PurePosixPath(name).name.startswith(".")
            ]
        except OSError as error:
            why = error.strerror or error
            raise CannotBeDone(f"{path} cannot be read, for checkpoints: {why}") from None
    if paths and not found:
        raise CannotBeDone(f"there is no checkpoint in {', '.join(map(str, paths))}")
    return found


def _pin(given: Iterable[tuple[str, bytes]], keys: Keys, report: Report) -> list[Pinned]:
    found: list[Pinned] = []
    for name, content in given:
        for one in split_notes(content):
            try:
                found.append(Pinned(name, parse_checkpoint(one, keys)))
            except NoteError as error:
                report.bad(error.finding, str(error), file=name)
    return found


def split_notes(content: bytes) -> list[bytes]:
    """Part notes that stand one behind the other: a text follows upon a signature."""
    notes: list[bytes] = []
    signed = True
    for line in content.splitlines(keepends=True):
        signature = line.startswith("\u2014 ".encode())
        if signed and not signature:
            notes.append(b"")
        notes[-1:] = [b"".join([*notes[-1:], line])]
        signed = signature
    return notes or [content]


def open_files(path: Path) -> Files:
    """Open a directory or a .zip. Raises :class:`CannotBeDone`."""
    try:
        if path.is_dir():
            return Directory(path)
        if path.is_file():
            return Zip(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise CannotBeDone(f"{path} cannot be read: {_line(error)}") from None
    raise CannotBeDone(f"{path} is not there: give a vault's directory or a bundle")


def verify(
    files: Files,
    path: str,
    *,
    keys: Sequence[Key] = (),
    since: Sequence[tuple[str, bytes]] = (),
    proof: str | None = None,
    now: float | None = None,
    tell: Tell = lambda _log, _count: None,
) -> Report:
    """Check what lies in ``files``: a vault, a bundle, or of a proof the file of that name.

    Checkpoints in ``since`` must have been read before: of a vault that is being written to, a
    later one would seem to be missing. Raises :class:`CannotBeDone`, and OSError.
    """
    report = Report(path)
    lying = [] if proof is not None else lying_keys(files, report)
    believed = Keys(keys or lying, pinned=bool(keys))
    report.keys_pinned = believed.pinned
    pinned = _pin(since, believed, report)
    check = Check(files, report, believed, pinned, time.time() if now is None else now, tell)
    if proof is not None:
        verify_proof(check, proof)
        return report
    names = files.names()
    bundle = MANIFEST in names or PROOFS in names
    if not (bundle or since or any(name.startswith("logs/") for name in names)):
        raise CannotBeDone(f"{path} is neither a vault (logs/) nor a bundle ({MANIFEST})")
    if not believed and report.whole:
        raise CannotBeDone(f"{path} has no public key with it: give one by --key FILE")
    if bundle:
        report.kind = "bundle"
        BundleCheck(check).run()
    else:
        verify_vault(check)
    return report


def lines_of(report: Report) -> Iterator[str]:
    """Say it for people, in printable ASCII: names of files may be anybody's."""
    for bad in report.findings:
        yield _printable(f"TAMPERED  {bad.name}: {_where(bad)}{bad.what}")
    if report.found > len(report.findings):
        yield f"TAMPERED  {report.found - len(report.findings)} more findings"
    for one in report.logs:
        yield _printable(_log_line(one))
    yield from (_printable(f"note: {notice}") for notice in report.notices)
    if not report.keys_pinned:
        yield "note: the keys were taken on trust from what was checked: pin them by --key FILE"
    counts = f"{report.leaves:,} records of {len(report.logs)} logs"
    yield f"{'whole' if report.whole else f'TAMPERED: {report.found} findings'}: {counts}"


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text)


def _where(one: Finding) -> str:
    at = "" if one.log is None else f"log {one.log}"
    at += "" if one.index is None else f" index {one.index}"
    file = "" if one.file is None else f"{one.file}"
    file += "" if one.line is None else f" line {one.line}"
    return "".join(f"{part.strip()}: " for part in (at, file) if part)


def _log_line(one: LogReport) -> str:
    sealed = "" if one.sealed_at is None else f", sealed {_when(one.sealed_at)}"
    said = f"log {one.log}: complete up to checkpoint {one.size}"
    if one.pinned:
        said += f", which extends what was pinned at {', '.join(map(str, sorted(one.pinned)[-3:]))}"
    else:
        said += " only"
    gone = f", {one.expired:,} fell due and are gone" if one.expired else ""
    return f"{said}{sealed}{gone}"


def _when(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Check an audit trail of headrace: a vault, a bundle or a proof.",
        epilog="Exit codes: 0 whole, 1 tampered with, 2 could not be done.",
    )
    parser.add_argument("path", nargs="?", type=Path, help="a vault's directory, or a bundle")
    parser.add_argument("--proof", type=Path, help="a proof that `headrace audit prove` printed")
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--since", type=Path, action="append", default=[], metavar="CHECKPOINT")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    if (given.path is None) == (given.proof is None):
        parser.error("give a PATH or a --proof")
    try:
        report = _run(given)
    except (CannotBeDone, OSError) as error:
        print(_printable(f"verify: {_line(error)}"), file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(report.as_json()))
    else:
        for line in lines_of(report):
            print(line)
    return 0 if report.whole else 1


def _run(given: argparse.Namespace) -> Report:
    since = read_pinned(given.since)
    keys = read_keys(given.key)
    if given.proof is None:
        return verify(open_files(given.path), str(given.path), keys=keys, since=since)
    if not keys:
        raise CannotBeDone("a proof brings no keys: give the public one by --key FILE")
    files = Directory(given.proof.parent)
    return verify(files, str(given.proof), keys=keys, since=since, proof=given.proof.name)


if __name__ == "__main__":
    sys.exit(main())
