"""Listening to a method of a foreign object, without a trace afterwards.

However many listen to one method, it is wrapped once; the last to leave puts back what was there,
in whatever order they leave.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

Around = Callable[..., Any]
"""Called as ``around(call, *args, **kwargs)`` in place of the method ``call``."""

_LOCK = threading.Lock()


class _Tapped:
    """What stands in place of the method."""

    def __init__(self, owner: Any, name: str, finish: Around | None) -> None:
        self.owner = owner
        self.name = name
        self.finish = finish
        self.original: Callable[..., Any] = getattr(owner, name)
        self.was_own = name in vars(owner)
        self.layers: tuple[Around, ...] = ()
        functools.update_wrapper(self, self.original)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self.original
        layers = self.layers
        for layer in layers:
            call = functools.partial(layer, call)
        if self.finish is not None and layers:
            call = functools.partial(self.finish, call)
        return call(*args, **kwargs)

    def restore(self) -> None:
        if vars(self.owner).get(self.name) is not self:
            return  # Somebody wrapped us: without layers we only pass on.
        if self.was_own:
            setattr(self.owner, self.name, self.original)
        else:
            delattr(self.owner, self.name)


def tap(
    owner: Any, name: str, around: Around, *, finish: Around | None = None
) -> Callable[[], None]:
    """Let ``around`` stand around ``owner.name``; call what is returned to end that.

    ``finish`` stands around all layers; the first to tap decides it. Raises ``AttributeError`` or
    ``TypeError`` where the object has no such method or takes no attributes. Thread-safe.
    """
    with _LOCK:
        tapped = vars(owner).get(name)
        if not isinstance(tapped, _Tapped):
            tapped = _Tapped(owner, name, finish)
            setattr(owner, name, tapped)
        # Not the bare callable: two equal layers must be told apart when one leaves.
        layer = functools.partial(around)
        tapped.layers = (*tapped.layers, layer)

    def untap() -> None:
        with _LOCK:
            tapped.layers = tuple(other for other in tapped.layers if other is not layer)
            if not tapped.layers:
                tapped.restore()

    return untap


def untapped(owner: Any, name: str) -> Any:
    """Return the owner's method as it is without those who listen. Raises ``AttributeError``."""
    method = getattr(owner, name)
    return method.original if isinstance(method, _Tapped) else method


def innermost(transport: Any) -> Any:
    """Return the transport that others (agentao's replay) were put in front of.

    Replay replaces ``agent.transport`` while it records and puts it back; tool threads talk to the
    innermost one all the time. Whatever happens in between, all events pass here.
    """
    for _ in range(16):
        inner = getattr(transport, "inner", None)
        if inner is None or not callable(getattr(inner, "emit", None)):
            break
        transport = inner
    return transport


def listen(transport: Any, listener: Callable[[Any], None]) -> Callable[[], None]:
    """Have ``listener`` see every event that ``transport`` is given; call the result to end that.

    ``subscribe`` is optional for a transport, and one that inherits the protocol's own does
    nothing: then ``emit`` is tapped.
    """
    subscribe = getattr(transport, "subscribe", None)
    if callable(subscribe):
        unsubscribe = subscribe(listener)
        if callable(unsubscribe):
            return unsubscribe  # type: ignore[no-any-return]

    def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        listener(args[0] if args else kwargs["event"])
        return call(*args, **kwargs)

    return tap(transport, "emit", around)
