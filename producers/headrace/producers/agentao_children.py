"""What sub-agents do that agentao does not tell their parent's listeners.

Of a sub-agent in the foreground those are its permission decisions and its tools' results, of one
in the background its tools altogether.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from headrace.producers.agentao_taps import listen, tap

HostEvent = Callable[[Any], None]
ChildEvent = Callable[[str, Any], None]
"""Called with the sub-agent's session and an event of its transport."""


def follow_children(
    agent: Any, on_host_event: HostEvent, on_child_event: ChildEvent, failed: HostEvent
) -> Callable[[], None]:
    """Hear every sub-agent that starts from now on; call what is returned to end that.

    The listeners must not raise; ``failed`` gets what kept one sub-agent from being heard. Raises
    ``AttributeError`` where agentao has no such place. Any thread.
    """

    def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        relayed = call(*args, **kwargs)
        try:
            child, child_session = args
            if relayed is None:  # Else the parent's own observers hear it.
                child.add_host_event_observer(on_host_event)
            listen(child.transport, functools.partial(on_child_event, child_session))
        except Exception as error:
            failed(error)
        return relayed

    return tap(agent._subagent_relay, "attach", around)  # noqa: SLF001 - the only place
