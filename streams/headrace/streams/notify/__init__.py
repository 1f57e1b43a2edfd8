"""The processor ``notify``: from agent.alerts.log to the receivers.

Read :mod:`~headrace.streams.notify.duty` first.
"""
