"""The Pythons that headrace says it runs on: one range, whoever says it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOUND = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"])
assert FOUND
FIRST, BEYOND = map(int, FOUND.groups())


def test_classifiers_name_each_version() -> None:
    classifier = re.compile(r"Programming Language :: Python :: 3\.(\d+)")
    named = [classifier.fullmatch(one) for one in PROJECT["project"]["classifiers"]]
    assert [int(one[1]) for one in named if one] == list(range(FIRST, BEYOND))


def test_the_readme_and_the_makefile_say_the_same() -> None:
    spoken = f"Python 3.{FIRST} to 3.{BEYOND - 1}"
    assert spoken in (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"(3, {FIRST}) <= v < (3, {BEYOND})" in makefile
    assert spoken in makefile


def test_the_checkers_look_at_the_oldest() -> None:
    tools = PROJECT["tool"]
    assert tools["mypy"]["python_version"] == f"3.{FIRST}"
    assert tools["pyright"]["pythonVersion"] == f"3.{FIRST}"
    assert tools["ruff"]["target-version"] == f"py3{FIRST}"
