"""Against requests that lead back inside: a receiver's name is resolved once and checked here."""

from __future__ import annotations

from headrace.sinks.notify.addresses import Address, Network, literal, plain, refusal
from headrace.sinks.notify.resolver import Resolver


class ForbiddenAddressError(Exception):
    """Every address of a host leads inside. The text says how to allow one."""


class Guard:
    """What one receiver may be reached at."""

    def __init__(self, allow: tuple[Network, ...], resolver: Resolver) -> None:
        self._allow = allow
        self._resolver = resolver

    async def addresses(self, host: str) -> list[Address]:
        """Return the addresses that may be connected to: these, and not the name again.

        Whoever owns a name may have it mean another address a moment later. Raises
        :class:`ForbiddenAddressError` if none is permitted, :class:`OSError` if there is none.
        """
        written = literal(host)
        found = await self._resolver.addresses(host) if written is None else [written]
        refused: list[tuple[Address, str]] = []
        permitted: list[Address] = []
        for address in found:
            why = refusal(address, self._allow)
            if why is None:
                permitted.append(address)
            else:
                refused.append((address, why))
        if permitted:
            return permitted
        if not refused:
            raise OSError("the name has no address")
        raise ForbiddenAddressError(advice(host, *refused[0]))

    def close(self) -> None:
        """Let go of the resolver."""
        self._resolver.close()


def advice(host: str, address: Address, why: str) -> str:
    """Return the sentence about a host whose address leads inside, with how to allow it."""
    # As a packet would reach it: that is what an entry of allow is compared with.
    reached = str(plain(address))
    is_it = f"{host} is {why}" if host == reached else f"{host} is {reached}, {why}"
    return f'{is_it}; if that is meant, let the receiver have allow = ["{reached}"]'
