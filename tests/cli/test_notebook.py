"""``examples/analysis.ipynb`` runs from its first cell to its last, on real sessions."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import nbformat
import orjson
import pytest
from nbclient import NotebookClient

from tests.cli.conftest import Stack, insert
from tests.support import unique

ROOT = Path(__file__).parents[2]


@pytest.fixture
def archived(stack: Stack) -> str:
    """The recorded sample, as sessions of the last hours."""
    tenant = unique()
    found = gzip.decompress((ROOT / "benchmarks/data/events.jsonl.gz").read_bytes()).splitlines()
    sessions: dict[str, int] = {}
    rows: list[bytes] = []
    for line in found:
        event = orjson.loads(line)
        seq = sessions[event["session"]] = sessions.get(event["session"], 0) + 1
        number = len(sessions)
        ts = time.time() - 600 * number + seq / 10
        begun = {"turn": 1} if event["type"] != "session_start" else {}
        rows.append(
            orjson.dumps(
                {"v": 1, **event, **begun, "tenant": tenant, "ts": ts, "seq": seq}
                | {"epoch": f"{number:016x}"}
            )
        )
    insert(stack, rows)
    return tenant


def test_the_notebook_runs(
    stack: Stack, archived: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(stack.settings.state_dir))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    path = ROOT / "examples" / "analysis.ipynb"
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without what was found
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = first.source.replace("TENANT = None", f"TENANT = {archived!r}")
    NotebookClient(notebook, timeout=90, kernel_name="python3").execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    drawn = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(drawn) == 4
    said = [out.text for out in outputs if out.output_type == "stream"]
    assert [text for text in said if "font cache" not in text] == []  # no warnings
    tables = [out.data["text/html"] for out in outputs if "text/html" in out.get("data", {})]
    assert archived in tables[0]
