"""Alerts to whoever must know: signed webhooks, an Alertmanager, anything that Apprise reaches.

Read :mod:`~headrace.sinks.notify.notifier` first; ``docs/receivers.md`` is for operators.
"""
