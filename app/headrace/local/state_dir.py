"""The state directory of one stack: who owns it, its credentials and its ``stack.json``.

::

    D/                 0700
      lock             held (flock) by the supervisor; says its pid
      stack.json       0600, the addresses; there while all is ready
      credentials.json 0600, ClickHouse's users and passwords
      ports.json       the ports of the last run, taken again where they are free
      kafka.json       the addresses that Kafka has had, the last first
      kept-topics.db   what alerts and silences say, for the next Kafka
      clickhouse/      the archive
      audit/           master key, data keys, signing keys and vault of the audit trail
      logs/NAME.log    what each part printed, bounded
      .shipper-*.json  how the stack's shipper fares
      spool/           of producers that are not told of another place
      tmp/             temporary files of the parts, emptied at each start
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.events.errors import HeadraceError

_MOST_ADDRESSES: Final = 50


class StateDirError(HeadraceError):
    """The state directory cannot be used, or another stack uses it."""


class StateDir:
    """Owns a state directory from :meth:`acquire` to :meth:`release`. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def credentials_file(self) -> Path:
        return self.path / "credentials.json"

    @property
    def kept_topics(self) -> Path:
        return self.path / "kept-topics.db"

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    def acquire(self) -> None:
        """Make the directory ours, and take away what a killed stack left.

        Raises :class:`StateDirError`: another stack runs on it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take_lock()
            self.logs.mkdir(exist_ok=True, mode=0o700)
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir(mode=0o700)
            self.stack_file.unlink(missing_ok=True)
        except OSError as error:
            self.release()
            raise StateDirError(f"{self.path} cannot be used: {error.strerror}") from None

    def withdraw(self) -> None:
        """Take ``stack.json`` away, if it is ours: the stack is no longer to be used."""
        if self._lock >= 0:
            self.stack_file.unlink(missing_ok=True)

    def release(self) -> None:
        """Withdraw, and let others in. Safe to call twice."""
        self.withdraw()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def credentials(self) -> dict[str, str]:
        """Return the password of each ClickHouse user, drawn at the first start."""
        try:
            kept = orjson.loads(self.credentials_file.read_bytes())
            if all(isinstance(kept[user], str) and kept[user] for user in ("reader", "writer")):
                return {user: kept[user] for user in ("reader", "writer")}
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
            pass
        fresh = {user: secrets.token_urlsafe(24) for user in ("reader", "writer")}
        write_private(self.credentials_file, fresh)
        return fresh

    def last_ports(self) -> dict[str, int]:
        """Ports of the last run: agents that outlive a restart of the stack find it again."""
        try:
            kept = orjson.loads((self.path / "ports.json").read_bytes())
            return {str(k): int(v) for k, v in kept.items() if 0 < int(v) < 1 << 16}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def keep_ports(self, ports: dict[str, int]) -> None:
        write_private(self.path / "ports.json", ports)

    def kafka_addresses(self, now: str) -> list[str]:
        """Return where Kafka was in earlier runs, and remember where it is now.

        Spools of agents that are gone are still addressed to these.
        """
        try:
            kept = orjson.loads((self.path / "kafka.json").read_bytes())["addresses"]
            former = [str(address) for address in kept if address != now]
        except (OSError, ValueError, TypeError, KeyError):
            former = []
        write_private(self.path / "kafka.json", {"addresses": [now, *former][:_MOST_ADDRESSES]})
        return former

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            self._lock = -1
            raise StateDirError(
                f"another stack (pid {owner or 'unknown'}) runs on {self.path}: "
                "stop it, or choose another --state-dir"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner can read; readers see the old file or the whole new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
