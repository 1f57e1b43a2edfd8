"""A subcommand of ``headrace audit`` a module, imported when it is called."""
