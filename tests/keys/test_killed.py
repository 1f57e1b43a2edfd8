"""A kill at any moment leaves what the next call makes good."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keys.killed import SCENARIOS

FEWEST = 20
"""Kills that a scenario must have had: less, and it looks at nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a kill loses nothing of it, and a disk is slow."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_line_is_made_good(scenario: str, home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.keys.killed", scenario, str(home)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > FEWEST
