"""Several processes on one store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from headrace.events.settings import Settings
from headrace.sinks.audit.keys import DataKeys, ensure_local
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.keys.record import Wrapped
from headrace.sinks.audit.keys.store import KeyStore
from tests.keys.conftest import ANN, MASTER, Open

PROCESSES = 4
PROGRAM = """
import sys
import orjson
from pathlib import Path
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import KeyName, ensure_local, open_keys
settings = Settings(state_dir=Path(sys.argv[1]))
names = [KeyName(f"{n:032x}", "approval") for n in range(100)]
print("ready", flush=True)
sys.stdin.readline()
ensure_local(settings)
keys = open_keys(settings)
print(orjson.dumps({one.id: one.key.hex() for one in keys.current(names).values()}).decode())
"""


def test_processes_that_make_everything_at_once_have_the_same_keys(tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = [orjson.loads(one.communicate(timeout=60)[0]) for one in running]
    assert [one.returncode for one in running] == [0] * PROCESSES
    assert len(answers[0]) == 100
    assert all(answer == answers[0] for answer in answers)
    assert ensure_local(Settings(state_dir=tmp_path)) == []


def test_who_comes_second_takes_the_firsts_key(
    opened: Open, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opened(), opened()
    wrap = second.ring.wrap

    def slow(key_id: str, key: bytes) -> Wrapped:
        first.current([ANN])
        return wrap(key_id, key)

    monkeypatch.setattr(second.ring, "wrap", slow)
    assert second.current([ANN]) == first.current([ANN]) == opened().current([ANN])
    assert len(list(store.paths(path_of(ANN.generation(1))))) == 1


def test_a_rotation_brings_no_shredded_key_back(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, other = opened(), opened()
    key_id = keys.current([ANN])[ANN].id
    unwrap = KeyRing.unwrap

    def slow(ring: KeyRing, record: Wrapped) -> bytes:
        key = unwrap(ring, record)
        if record.id == key_id:
            other.shred(key_id)
        return key

    monkeypatch.setattr(KeyRing, "unwrap", slow)
    _rewrap(keys)
    monkeypatch.undo()
    assert not opened(MASTER, _NEW).shred(key_id)


def test_a_key_that_is_wrapped_anew_meanwhile_is_shredded(
    opened: Open, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, other = opened(), opened()
    key_id = keys.current([ANN])[ANN].id
    bury = type(store).bury
    raced: list[int] = []

    def slow(self: KeyStore, path: str, old: bytes, stone: bytes) -> bool:
        if not raced:
            raced.append(_rewrap(other))
        return bury(self, path, old, stone)

    monkeypatch.setattr(type(store), "bury", slow)
    assert keys.shred(key_id)
    assert raced == [2]
    assert not opened(_NEW).shred(key_id)


def _rewrap(keys: DataKeys) -> int:
    return keys.rewrap(_NEW)


_NEW = type(MASTER)(b"n" * 32)
