"""The subcommands of ``headrace audit``: see :mod:`headrace.cli.commands.audit`."""
