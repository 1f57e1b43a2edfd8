"""The stack that the blocks of the documentation run against."""

from tests.cli.conftest import _no_settings_of_the_host, cli, on_stack, stack

__all__ = ["_no_settings_of_the_host", "cli", "on_stack", "stack"]
