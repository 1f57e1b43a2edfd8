"""Files that we write: logs per tenant, and events per session, a new file a day.

``<directory>/tenant-<tenant>/agentao.log`` (or ``…/<session>.log``), the days before beside it as
``agentao.log.2026-05-04``, packed where that is asked for, and removed when they are older than is
kept. `headrace tail-file` follows the logs and `headrace backfill` reads the events.

Several processes may write into one directory: a line is one ``write`` in append mode, which the
kernel does not mix up with another's (not on NFS), and the day's file is renamed by whoever is
first, under a lock. The others see that and open the new one. Nothing here raises into its caller.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import gzip
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.events.errors import SettingsError
from headrace.events.identity import UNBOUND_SESSION
from headrace.producers.encode import encode, text_of
from headrace.producers.warn import Warnings

LOG_DAYS: Final = 14
EVENT_DAYS: Final = 7
MOST_OPEN: Final = 64
"""Files that are held open; the one not written to for longest is closed for another."""
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DAY: Final = re.compile(r"\.(\d{4}-\d\d-\d\d)(\.gz)?$").search
_UNSAFE: Final = re.compile(r"[^\w.@=+-]", re.ASCII)
_LONGEST: Final = 120


@dataclass(slots=True)
class _Open:
    fd: int
    inode: int
    day: str


class DailyFiles:
    """Appends lines to files in a directory, by name; a new file a day. Any thread, any process.

    ``keep_days`` counts the days before today that stay. Raises SettingsError for less than one.
    """

    def __init__(
        self,
        directory: Path,
        keep_days: int,
        *,
        compress: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if keep_days < 1:
            raise SettingsError(f"keep_days must be at least 1, not {keep_days}")
        self._directory = directory
        self._keep = keep_days
        self._compress = compress
        self._clock = clock
        self._open: OrderedDict[Path, _Open] = OrderedDict()
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._swept = ""
        """The day on which what is too old was last removed."""

    def append(self, tenant: str, name: str, line: bytes) -> None:
        """Write a line, with its newline, to a tenant's file. Raises OSError."""
        path = self._directory / f"tenant-{safe(tenant)}" / name
        if self._pid != os.getpid():  # a fork, perhaps while another thread was writing
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            os.write(self._at(path).fd, line)

    def close(self) -> None:
        with self._lock:
            for one in self._open.values():
                os.close(one.fd)
            self._open.clear()

    def _at(self, path: Path) -> _Open:
        today = self._day(self._clock())
        known = self._open.get(path)
        if known is not None and known.day == today and _is_there(path, known.inode):
            self._open.move_to_end(path)
            return known
        if known is not None:
            os.close(self._open.pop(path).fd)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._turn(path, today)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        opened = self._open[path] = _Open(fd, os.fstat(fd).st_ino, today)
        while len(self._open) > MOST_OPEN:
            os.close(self._open.popitem(last=False)[1].fd)
        return opened

    def _turn(self, path: Path, today: str) -> None:
        """Rename what was written on another day, and once a day remove what is too old."""
        with _locked(path.parent):
            try:
                day = self._day(path.stat().st_mtime)
            except FileNotFoundError:
                day = today
            if day != today:
                path.rename(_free(path, day))
        if self._swept != today:
            self._swept = today
            for directory in self._directory.glob("tenant-*"):
                with _locked(directory):
                    self._sweep(directory, today)

    def _sweep(self, directory: Path, today: str) -> None:
        now = dt.date.fromisoformat(today)
        oldest = (now - dt.timedelta(days=self._keep)).isoformat()
        # Another process may still write to yesterday's.
        yesterday = (now - dt.timedelta(days=1)).isoformat()
        for one in list(directory.iterdir()):
            self._turn_idle(one, today)
        for one in list(directory.iterdir()):
            found = _DAY(one.name)
            if found is None:
                continue
            if found[1] < oldest:
                one.unlink(missing_ok=True)
            elif self._compress and not found[2] and found[1] < yesterday:
                _pack(one)

    def _turn_idle(self, path: Path, today: str) -> None:
        """Rename a session's file that nobody writes to any more, so that it ends, too."""
        if path.suffix not in {".log", ".jsonl"}:
            return
        day = self._day(path.stat().st_mtime)
        if day == today:
            return
        if path in self._open:
            os.close(self._open.pop(path).fd)
        path.rename(_free(path, day))

    def _day(self, seconds: float) -> str:
        return dt.datetime.fromtimestamp(seconds).astimezone().date().isoformat()


def _is_there(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino == inode
    except OSError:
        return False


def _free(path: Path, day: str) -> Path:
    """Return the name of a day's file; another process may have written on into an old one."""
    name, count = path.with_name(f"{path.name}.{day}"), 1
    while name.exists() or name.with_name(name.name + ".gz").exists():
        count += 1
        name = path.with_name(f"{path.name}.{count}.{day}")
    return name


def _pack(path: Path) -> None:
    packed = path.with_name(path.name + ".gz")
    new = path.with_name(path.name + ".new")
    with path.open("rb") as plain, gzip.open(new, "wb") as file:
        shutil.copyfileobj(plain, file)
    new.chmod(0o600)
    new.replace(packed)
    path.unlink()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory / ".lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def safe(name: str) -> str:
    """Return a name as a part of a path: what could leave the directory is written in percent."""
    quoted = _UNSAFE.sub(lambda found: "".join(f"%{b:02x}" for b in _bytes(found[0])), name)
    if quoted.startswith("."):
        quoted = "%2e" + quoted[1:]
    if len(quoted) > _LONGEST:
        quoted = quoted[:_LONGEST] + "%" + hashlib.sha256(_bytes(name)).hexdigest()[:16]
    return quoted or "%"


def _bytes(text: str) -> bytes:
    """Encode any text, also one with half a surrogate pair in it."""
    return text.encode(errors="surrogatepass")


class TenantLogFiles(logging.Handler):
    """Writes log records to a file a tenant, or a session; a new one a day.

    ``tenant``: whose they are, where the record does not say (``extra={"tenant": …}`` or
    ``tenant_id``). ``by_session``: one file a session (``session`` or ``session_id``).
    ``keep_days``: of the days before; ``compress``: those before yesterday with gzip. Never raises:
    what cannot be written is warned of once a minute.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        tenant: str = "default",
        by_session: bool = False,
        keep_days: int = LOG_DAYS,
        compress: bool = False,
        level: int | str = logging.NOTSET,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter(FORMAT))
        self._tenant = tenant
        self._by_session = by_session
        self._files = DailyFiles(Path(directory), keep_days, compress=compress, clock=clock)
        self._warn = Warnings()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            name = "agentao"
            if self._by_session:
                name = safe(_said(record, "session", "session_id") or UNBOUND_SESSION)
            tenant = _said(record, "tenant", "tenant_id") or self._tenant
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
            self._files.append(tenant, f"{name}.log", line)
        except Exception as error:
            self._warn("files", "headrace cannot write a log file (%s)", error)

    def close(self) -> None:
        self._files.close()
        super().close()


def _said(record: logging.LogRecord, *names: str) -> str:
    return next((text_of(value) for name in names if (value := getattr(record, name, None))), "")


class EventFiles:
    """Writes events as the seed's JSONL, a file a session: what `headrace backfill` reads.

    For who has no Kafka yet. :meth:`hook` gives an ``on_event``; neither ever raises.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        tenant: str,
        keep_days: int = EVENT_DAYS,
        compress: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenant = tenant
        self._clock = clock
        self._files = DailyFiles(Path(directory), keep_days, compress=compress, clock=clock)
        self._warn = Warnings()

    def hook(self, session: str) -> Callable[[Any], None]:
        """Return an ``on_event`` callable for one session. Any thread."""
        session = text_of(session)
        name = f"{safe(session)}.jsonl"
        session = text_of(session)

        def on_event(event: Any) -> None:
            try:
                kind = text_of(str(getattr(event.type, "value", event.type)))
                about = {"ts": self._clock(), "session": session, "tenant": text_of(self._tenant)}
                data, _ = encode(event.data)
                begin = orjson.dumps(about | {"type": kind})[:-1]
                self._files.append(self._tenant, name, b'%b,"data":%b}\n' % (begin, data))
            except Exception as error:
                self._warn("files", "headrace cannot write an event's file (%s)", error)

        return on_event

    def close(self) -> None:
        self._files.close()
