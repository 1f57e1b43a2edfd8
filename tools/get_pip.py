"""Bring pip into the environment that runs this, where Python lacks ensurepip (Debian's python3).

pip's wheel is a program, too: it is taken from pip's own index (``PIP_INDEX_URL``, else pip's
configuration, else PyPI), checked by its hash, and installs itself. On the standard library alone.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

PYPI = "https://pypi.org/simple"
SECONDS = 60
"""An index answers in seconds; a mirror that fetches first takes longer."""
NAME = re.compile(r"/(pip-([\d.]+)-py3-none-any\.whl)#sha256=([0-9a-f]{64})$")


class Wheels(HTMLParser):
    """The wheels of an index page that this Python can run: ``(version, url)``."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self.found: list[tuple[tuple[int, ...], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs)
        url = urllib.parse.urljoin(self._page, link.get("href") or "")
        named = NAME.search(url)
        needs = re.match(r">=\s*3\.(\d+)", link.get("data-requires-python") or "")
        if named and (needs is None or sys.version_info >= (3, int(needs[1]))):
            self.found.append((tuple(map(int, named[2].split("."))), url))


def index() -> str:
    """Return the index that pip would ask."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = configparser.RawConfigParser(strict=False)
    files.read(
        [
            *("/etc/xdg/pip/pip.conf", "/etc/pip.conf", home / ".pip/pip.conf"),
            *(config / "pip/pip.conf", os.environ.get("PIP_CONFIG_FILE") or os.devnull),
        ]
    )
    kept: str = files.get("global", "index-url", fallback=PYPI)
    kept = files.get("install", "index-url", fallback=kept)
    return os.environ.get("PIP_INDEX_URL") or kept


def fetch(url: str) -> bytes:
    trusted = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    request = urllib.request.Request(url, headers={"Accept": "text/html"})  # noqa: S310 - pip's own
    with urllib.request.urlopen(request, timeout=SECONDS, context=trusted) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def main() -> None:
    page = index().rstrip("/") + "/pip/"
    wheels = Wheels(page)
    wheels.feed(fetch(page).decode())
    if not wheels.found:
        sys.exit(f"{page} has no pip for this Python: apt-get install python3-venv")
    url = max(wheels.found)[1]
    named = NAME.search(url)
    content = fetch(url)
    if named is None or hashlib.sha256(content).hexdigest() != named[3]:
        sys.exit(f"{url} is not what its hash says")
    with tempfile.TemporaryDirectory() as directory:
        wheel = Path(directory) / named[1]
        wheel.write_bytes(content)
        pip = [sys.executable, f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)]
        subprocess.run(pip, check=True)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"pip cannot be fetched ({error}): apt-get install python3-venv")
