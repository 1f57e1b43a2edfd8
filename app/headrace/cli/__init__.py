"""The ``headrace`` command: one command a file in :mod:`headrace.cli.commands`."""
