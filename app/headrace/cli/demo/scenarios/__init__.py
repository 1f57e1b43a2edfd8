"""What happens in the demo: four tenants, fifteen sessions, each with its own trouble."""

from __future__ import annotations

from typing import Final

from headrace.cli.demo.scenarios.acme import ACME
from headrace.cli.demo.scenarios.globex import GLOBEX
from headrace.cli.demo.scenarios.hooli import HOOLI
from headrace.cli.demo.scenarios.initech import INITECH
from headrace.cli.demo.scenarios.scenario import Scenario, Turn

__all__ = ["SCENARIOS", "Scenario", "Turn"]

SCENARIOS: Final = ACME + GLOBEX + INITECH + HOOLI
