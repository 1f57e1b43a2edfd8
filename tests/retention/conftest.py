"""Commands are run in this process."""

from tests.cli.conftest import _no_settings_of_the_host, cli

__all__ = ["_no_settings_of_the_host", "cli"]
