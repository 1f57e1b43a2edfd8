"""``headrace demo``: real agents end to end."""

from __future__ import annotations

from headrace.cli import options


@options.command("headrace demo", "headrace demo --json")
@options.as_json
def demo(as_json: bool) -> int:
    """Run real agents end to end and show what was recorded.

    Starts a local stack in a temporary directory, runs scripted agents through the hook, archives
    their events, queries them, replays a session and accounts for every event. Leaves nothing
    running.
    """
    from headrace.cli.demo.run import run  # noqa: PLC0415 - agentao is slow to import

    return run(as_json=as_json)
