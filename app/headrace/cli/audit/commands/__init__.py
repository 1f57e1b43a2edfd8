"""The subcommands of ``headrace audit``, one a module."""
