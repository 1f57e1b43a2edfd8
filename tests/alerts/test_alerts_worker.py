"""A worker whose rules are wrong does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rule]]\nname = "A"\nsum = ["agent.events"]\nwindow = "7s"\nabove = 1\n', ":4: "),
        (None, "cannot be read"),
    ],
    ids=["a mistake", "no file"],
)
def test_a_mistake_in_the_rules_is_told_and_is_exit_code_2(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "rules.toml"
    if text is not None:
        path.write_text(text)
    env = {name: value for name, value in os.environ.items() if "HEADRACE" not in name}
    env |= {"HEADRACE_KAFKA": "127.0.0.1:9", "HEADRACE_ALERT_RULES": str(path)}
    worker = [sys.executable, "-m", "headrace.streams.worker", "alerts"]
    ended = subprocess.run(worker, env=env, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    first = ended.stderr.decode().splitlines()[0]
    assert first.startswith("headrace worker: ")
    assert str(path) in first
    assert said in first
