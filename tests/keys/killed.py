"""Kill a process before each line of ours that may write, and look at what it left.

``python -m tests.keys.killed <scenario> <directory>``: a process of its own, since it forks.
Prints how many kills there were.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from headrace.events.settings import Settings
from headrace.sinks.audit.keys import (
    DataKeys,
    KeyName,
    ShreddedError,
    directory,
    ensure_local,
    open_keys,
    open_signing,
    private,
    rotation,
    signing,
)
from headrace.sinks.audit.keys.data_keys import initialise
from headrace.sinks.audit.keys.directory import DirectoryStore
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.master import LocalMasterKey
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.keys.record import Wrapped, decode
from headrace.sinks.audit.keys.rotation import rotate_master

OLD, NEW = LocalMasterKey(b"o" * 32), LocalMasterKey(b"n" * 32)
NAMES = [KeyName(f"{n:032x}", "approval") for n in range(2)]
WRITERS = {str(module.__file__) for module in (directory, private, rotation, signing)}
"""The modules that write: between the lines of the others nothing changes."""
OFTEN = 2
"""Kills before a line that was reached in the same way: of many keys, the first and another."""


class Scenario:
    """On a fresh directory: ``act`` is killed, ``look`` says whether all is well then."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = Settings(state_dir=home)

    def act(self) -> None:
        raise NotImplementedError

    def look(self) -> None:
        raise NotImplementedError

    def keys(self, *masters: LocalMasterKey) -> DataKeys:
        return DataKeys(DirectoryStore(self.home), KeyRing(masters), lanes=1)

    def is_anywhere(self, content: bytes) -> bool:
        files = [path for path in self.home.rglob("*") if path.is_file()]
        return any(content in path.read_bytes() for path in files)

    def wrapped(self, key_id: str) -> bytes:
        """The base64 of it, as it stands in its file."""
        content = (self.home / path_of(key_id)).read_bytes()
        assert isinstance(decode(key_id, content), Wrapped)
        return content.partition(b'"wrapped":"')[2].rstrip(b'"} ')


class Create(Scenario):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        DirectoryStore(home).prepare()
        initialise(DirectoryStore(home), KeyRing([OLD]))

    def act(self) -> None:
        self.keys(OLD).current(NAMES)

    def look(self) -> None:
        found = self.keys(OLD).current(NAMES)
        assert found == self.keys(OLD).current(NAMES)
        assert {one.id for one in found.values()} == {name.generation(1) for name in NAMES}


class WithKeys(Create):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.known = self.keys(OLD).current(NAMES)
        self.ids = [one.id for one in self.known.values()]
        self.former = {key_id: self.wrapped(key_id) for key_id in self.ids}


class Shred(WithKeys):
    def act(self) -> None:
        self.keys(OLD).shred(self.ids[0])

    def look(self) -> None:
        try:
            assert self.keys(OLD).by_id(self.ids[0]) == self.known[NAMES[0]].key
        except ShreddedError:
            assert not self.is_anywhere(self.former[self.ids[0]])
        self.keys(OLD).shred(self.ids[0])
        assert not self.is_anywhere(self.former[self.ids[0]])
        assert self.keys(OLD).current(NAMES)[NAMES[0]].id == NAMES[0].generation(2)
        assert self.keys(OLD).by_id(self.ids[1]) == self.known[NAMES[1]].key


class Rewrap(WithKeys):
    def act(self) -> None:
        self.keys(NEW, OLD).rewrap(NEW)

    def look(self) -> None:
        assert self.keys(NEW, OLD).current(NAMES) == self.known
        self.keys(NEW, OLD).rewrap(NEW)
        assert self.keys(NEW).current(NAMES) == self.known
        assert not any(map(self.is_anywhere, self.former.values()))


class ShredAfterRewrap(Rewrap):
    """What was about to replace a key is a copy of it, too."""

    def look(self) -> None:
        for key_id in self.ids:
            self.keys(NEW, OLD).shred(key_id)
        kept = {path.name for path in self.home.rglob("*") if path.is_file()}
        stones = {Path(path_of(key_id)).name for key_id in self.ids}
        assert kept - {".lock", "pseudonyms.json"} == stones
        for key_id in self.ids:
            assert b"wrapped" not in (self.home / path_of(key_id)).read_bytes()


class Init(Scenario):
    def act(self) -> None:
        ensure_local(self.settings)

    def look(self) -> None:
        ensure_local(self.settings)
        assert ensure_local(self.settings) == []
        open_keys(self.settings).current(NAMES)
        open_signing(self.settings)


class RotateMaster(Scenario):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        ensure_local(self.settings)
        self.known = open_keys(self.settings).current(NAMES)
        self.before = open_keys(self.settings).ring.current.id

    def act(self) -> None:
        rotate_master(self.settings)

    def look(self) -> None:
        assert open_keys(self.settings).current(NAMES) == self.known
        done = rotate_master(self.settings)
        assert done.master != self.before
        assert open_keys(self.settings).current(NAMES) == self.known


class RotateSigning(Scenario):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        signing.initialise(home, "headrace")
        self.first = signing.load(home).current

    def act(self) -> None:
        signing.rotate(self.home, "headrace")

    def look(self) -> None:
        signing.load(self.home).sign("x\n")
        signing.rotate(self.home, "headrace")
        found = signing.load(self.home)
        assert found.public[0] == self.first
        assert len(list(self.home.glob("*.key"))) == 1


SCENARIOS: dict[str, type[Scenario]] = {
    one.__name__: one
    for one in (Create, Shred, Rewrap, ShredAfterRewrap, Init, RotateMaster, RotateSigning)
}


def main(name: str, home: Path) -> int:
    for kills in range(100_000):
        scenario = SCENARIOS[name](home / str(kills))
        ended = _killed_at(kills, scenario.act)
        try:
            scenario.look()
        except Exception:
            print(f"after a kill before line {kills}", file=sys.stderr)
            raise
        if not ended:
            return kills
    raise AssertionError("it does not end")


def _killed_at(line: int, act: Callable[[], None]) -> bool:
    """Whether it was killed: false where it came to its end before that line."""
    pid = os.fork()
    if pid == 0:
        _kill_before(line)
        act()
        sys.settrace(None)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def _kill_before(line: int) -> None:
    seen, times = 0, Counter[tuple[tuple[str, int], ...]]()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in WRITERS:
            return None
        if event == "line":
            times[calls := tuple(_calls(frame))] += 1
            if times[calls] <= OFTEN:
                if seen == line:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def _calls(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """Yield the lines of ours that led here."""
    while frame is not None:
        if frame.f_code.co_filename in WRITERS:
            yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2])))
