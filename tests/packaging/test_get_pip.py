"""pip, where Python has no ensurepip: from whatever index pip would ask."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import venv
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Index:
    """A package index that has nothing but pip."""

    def __init__(self, directory: Path) -> None:
        pip = distribution("pip")
        self.name = f"pip-{pip.version}-py3-none-any.whl"
        self.page = directory / "simple" / "pip"
        self.page.mkdir(parents=True)
        with zipfile.ZipFile(self.page / self.name, "w") as wheel:
            for file in pip.files or ():
                if file.suffix != ".pyc" and ".." not in file.parts:
                    wheel.write(file.locate(), str(file))
        self.offer(hashlib.sha256((self.page / self.name).read_bytes()).hexdigest())
        handler = partial(SimpleHTTPRequestHandler, directory=str(directory))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def offer(self, sha256: str) -> None:
        needs = 'data-requires-python="&gt;=3.'
        (self.page / "index.html").write_text(
            f'<a href="pip-1.0.tar.gz#sha256={sha256}">source</a>'
            f'<a href="pip-0.1-py3-none-any.whl#sha256={sha256}">old</a>'
            f'<a {needs}9" href="../pip/{self.name}#sha256={sha256}">this</a>'
            f'<a {needs}99" href="pip-999.0-py3-none-any.whl#sha256={sha256}">for others</a>'
        )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    serving = threading.Thread(target=made.server.serve_forever)
    serving.start()
    yield made
    made.server.shutdown()
    serving.join()
    made.server.server_close()


@pytest.fixture
def python(tmp_path: Path) -> str:
    venv.create(tmp_path / "venv", with_pip=False)
    return str(tmp_path / "venv" / "bin" / "python")


def get_pip(python: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    others = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "XDG_"))}
    return subprocess.run(
        [python, str(ROOT / "tools" / "get_pip.py")],
        env=others | {"HOME": str(home)} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("how", ["variable", "file"])
def test_it_comes_from_the_index_that_pip_would_ask(
    index: Index, python: str, tmp_path: Path, how: str
) -> None:
    if how == "variable":
        done = get_pip(python, tmp_path, PIP_INDEX_URL=index.url)
    else:
        config = tmp_path / "pip.conf"
        config.write_text(f"[global]\nindex-url = {index.url}\n")
        done = get_pip(python, tmp_path, PIP_CONFIG_FILE=str(config))
    assert (done.returncode, done.stderr) == (0, "")
    version = [python, "-m", "pip", "--version"]
    said = subprocess.run(version, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith(f"pip {distribution('pip').version} ")


def test_what_its_hash_does_not_fit_is_not_run(index: Index, python: str, tmp_path: Path) -> None:
    index.offer("0" * 64)
    done = get_pip(python, tmp_path, PIP_INDEX_URL=index.url)
    assert done.returncode == 1
    assert "is not what its hash says" in done.stderr


def test_without_an_index_it_says_what_to_do(python: str, tmp_path: Path) -> None:
    done = get_pip(python, tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert done.stderr.endswith("apt-get install python3-venv\n")
    assert done.stderr.count("\n") == 1
