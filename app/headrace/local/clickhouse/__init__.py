"""The local ClickHouse: chDB behind ClickHouse's HTTP interface, one process, loopback only.

Run it with ``python -m headrace.local.clickhouse``. See :mod:`.server` for what it speaks and
:mod:`.guard` for what it refuses.
"""
