"""The OpenTelemetry Collector, built from its Go modules, once a checkout.

    python -m tests.otlp.collector_build

``collector/`` has its main function, which says what it is made of, and the hashes of all modules.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "collector"
CACHE = Path(__file__).parents[2] / ".cache" / "collector"
_BUILD_WITHIN_S = 900.0
"""Two minutes on two cores with 100 MB of modules to fetch; a slow mirror takes longer."""


def collector() -> Path:
    """Return the program; builds it where it is not there yet. Safe from several processes."""
    target = CACHE / _version() / "collector"
    if target.is_file():
        return target
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("the tests with the Collector need Go 1.26 or later on PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _build(go, target)
    return target


def _build(go: str, target: Path) -> None:
    draft = target.with_name(f"collector.{os.getpid()}")
    command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", str(draft), "."]
    done = subprocess.run(
        command, cwd=SOURCE, capture_output=True, text=True, timeout=_BUILD_WITHIN_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the Collector cannot be built: {done.stderr[-2000:]}")
    draft.rename(target)


def _version() -> str:
    sources = b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    return hashlib.sha256(sources).hexdigest()[:16]


if __name__ == "__main__":
    print(collector())
