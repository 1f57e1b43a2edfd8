"""deploy/Dockerfile, as far as it can be checked without an engine."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT: Final = Path(__file__).parents[2]
NOT_IN_THE_IMAGE: Final = {"local", "demo", "agentao"}
"""For `headrace up` and `headrace demo`, on a machine of one's own."""


def installed() -> set[str]:
    """The extras that the image installs."""
    found = re.findall(r"\.\[([a-z0-9,]+)\]", (ROOT / "deploy" / "Dockerfile").read_text())
    assert len(found) == 1
    return set(found[0].split(","))


def asked_for(*roots: str) -> set[str]:
    """The extras that the code says to install where something of theirs is missing."""
    files = [file for root in roots for file in (ROOT / root / "headrace").rglob("*.py")]
    return {
        extra
        for file in files
        for extra in re.findall(r"headrace\[([a-z0-9]+)\]", file.read_text())
    }


def test_the_image_has_every_extra_but_those_of_a_machine_of_ones_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert installed() == set(project["optional-dependencies"]) - NOT_IN_THE_IMAGE


def test_what_a_worker_asks_for_by_a_setting_is_in_the_image() -> None:
    asked = asked_for("producers", "sinks", "streams")
    assert {"apprise", "s3", "scrub", "otlp"} <= asked
    assert asked <= installed()
