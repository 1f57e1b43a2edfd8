"""A lane: the directory in which one producer of one process spools its events.

::

    <spool_dir>/<lane>/
        owner.lock       held (flock) by the producer for as long as its process lives
        ship.lock        held by whoever ships the lane just now
        lane.json        where the events go and who spools them; no secret
        00000001.jsonl   segments: one event a line, only ever appended to
        checkpoint.json  how far Kafka has acknowledged, written by the shipper

A lane whose owner is gone is shipped, and then removed, by any shipper of the same destination.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from headrace.events.settings import KafkaSettings

PRIVATE: Final = 0o600
PRIVATE_DIR: Final = 0o700
CHECKPOINT_BYTES: Final = 512
_NEW: Final = ".new-"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the events of a lane go, and as whom. Shippers take up lanes of their own alone."""

    topic: str
    bootstrap_servers: str
    principal: str = ""
    """The security protocol with the user or certificate. Never a secret."""

    @classmethod
    def of(cls, topic: str, kafka: KafkaSettings) -> Destination:
        who = kafka.sasl_username or kafka.ssl_certfile or ""
        return cls(topic, kafka.bootstrap_servers, f"{kafka.security_protocol} {who}".strip())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All before ``offset`` of ``segment`` is acknowledged by the log named ``incarnation``."""

    segment: int = 1
    offset: int = 0
    delivered: int = 0
    """Lines before this point, over the life of the lane."""
    torn: int = 0
    """Unfinished lines that were set aside."""
    incarnation: str = ""
    """The ids of the cluster and the topic; none before the first acknowledgement."""


class Lane:
    """Paths, locks and small files of one lane. Holds no open segment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, spool_dir: Path, destination: Destination, producer: str) -> tuple[Lane, int]:
        """Make a new lane, owned by this process: ``(lane, file descriptor of the owner's lock)``.

        It appears under its name only once its lock is held, so that nobody takes it for left
        behind. Raises OSError.
        """
        spool_dir.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        fresh = spool_dir / (_NEW + name)
        fresh.mkdir(mode=PRIVATE_DIR)
        try:
            about = {"producer": producer, "destination": asdict(destination)}
            write_private(fresh / "lane.json", orjson.dumps(about))
            cls(fresh).save(Checkpoint())
            lock = try_lock(fresh / "owner.lock")
            if lock is None:
                raise BlockingIOError(f"{fresh} is locked")
            fresh.rename(spool_dir / name)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return cls(spool_dir / name), lock

    @classmethod
    def remove_unborn(cls, spool_dir: Path, before: float) -> None:
        """Remove what killed processes were just making, before a time. Never raises."""
        for path in spool_dir.glob(f"{_NEW}*"):
            try:
                if path.stat().st_mtime < before and not cls(path).owner_lives():
                    shutil.rmtree(path, ignore_errors=True)
            except OSError:
                continue

    @classmethod
    def all(cls, spool_dir: Path) -> list[Lane]:
        """Return the lanes of a spool directory; none where it cannot be read."""
        try:
            return [
                cls(Path(entry.path))
                for entry in os.scandir(spool_dir)
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
        except OSError:
            return []

    def about(self) -> tuple[Destination, str] | None:
        """Return the lane's destination and its producer; None where that cannot be read."""
        try:
            content = orjson.loads((self.path / "lane.json").read_bytes())
            return Destination(**content["destination"]), str(content["producer"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def segment_path(self, number: int) -> Path:
        return self.path / f"{number:08d}.jsonl"

    def segments(self) -> list[int]:
        """Numbers of the segments that are there, in order."""
        try:
            names = os.listdir(self.path)
        except OSError:
            return []
        return sorted(int(n[:-6]) for n in names if n.endswith(".jsonl") and n[:-6].isdigit())

    def owner_lives(self) -> bool:
        """Whether the producer's process is still there. Raises OSError."""
        lock = try_lock(self.path / "owner.lock")
        if lock is None:
            return True
        os.close(lock)
        return False

    def checkpoint(self) -> Checkpoint:
        """Read the checkpoint; the very beginning where there is none or it cannot be read."""
        try:
            return Checkpoint(**orjson.loads((self.path / "checkpoint.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Checkpoint(segment=min(self.segments(), default=1))

    def save(self, checkpoint: Checkpoint) -> None:
        """Overwrite the checkpoint in its place, which needs no room on a full disk.

        Less than a page in one call: a killed process leaves the old one or the new one. Raises
        OSError.
        """
        fd = os.open(
            self.path / "checkpoint.json", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE
        )
        try:
            os.pwrite(fd, orjson.dumps(asdict(checkpoint)).ljust(CHECKPOINT_BYTES), 0)
        finally:
            os.close(fd)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def try_lock(path: Path) -> int | None:
    """Take a file's lock: its descriptor, or None where another holds it. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def used_bytes(spool_dir: Path) -> int:
    """Bytes of all segments of all lanes of a spool directory."""
    total = 0
    for lane in Lane.all(spool_dir):
        for number in lane.segments():
            try:
                total += lane.segment_path(number).stat().st_size
            except OSError:
                continue
    return total
