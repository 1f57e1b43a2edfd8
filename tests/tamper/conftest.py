"""One lab for all tests: it is copied, never changed."""

from __future__ import annotations

import pytest

from tests.tamper.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab")).make()
