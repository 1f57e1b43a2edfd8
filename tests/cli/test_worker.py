from __future__ import annotations

import re

from headrace.streams.processors import FACTORIES
from tests.cli.conftest import Cli


def test_help_names_every_processor(cli: Cli) -> None:
    (named,) = re.findall(r"There are (.*)\.\n", cli("worker", "--help").out)
    assert set(FACTORIES) <= set(re.split(r", | and ", named))
