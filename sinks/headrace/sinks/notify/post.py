"""One HTTP POST to a receiver: guarded, bounded in time, and telling nobody its secrets."""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import httpx

from headrace.sinks.cause import cause_of
from headrace.sinks.notify.addresses import Address
from headrace.sinks.notify.clock import Clock
from headrace.sinks.notify.guard import ForbiddenAddressError, Guard
from headrace.sinks.notify.outcome import Outcome, of_status
from headrace.sinks.notify.retry_after import seconds_of

USER_AGENT: Final = "headrace"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    resolve: float = 5.0
    """A name server that takes longer answers nobody else either."""
    connect: float = 5.0
    """Two lost packets are forgiven (they are sent again after 1 and 3 s), TLS included."""
    total: float = 20.0
    """Standard Webhooks: 15 to 30. A receiver has to take note, not to finish its work."""


class Poster:
    """Posts to one URL's host. Every try resolves, checks, connects and lets go again.

    It uses httpx below its client: a client logs URLs, follows redirects if it is told to, and
    takes proxies and passwords from the environment.
    """

    def __init__(
        self,
        guard: Guard,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._timeouts = timeouts
        # Its debugging shows what a receiver answers, which may be what it was sent.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        # Nothing is kept alive: an idle connection outlives what its address was checked for, and
        # a receiver that closed it would cost the next alert a try.
        self._transport = httpx.AsyncHTTPTransport(
            verify=ssl_context or httpx.create_ssl_context(),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        )

    async def post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Post once, to the first of the host's permitted addresses that takes a connection.

        Bounded by the timeouts; never raises for what the network or the receiver does. Of the
        answer only the status line and headers are read.
        """
        try:
            # Not asyncio.wait_for, which until Python 3.12 swallows a cancellation now and then.
            with anyio.fail_after(self._timeouts.total):
                return await self._post(url, body, headers)
        except TimeoutError:
            return Outcome("retry", f"no answer within {self._timeouts.total:g} s")

    async def close(self) -> None:
        self._guard.close()
        await self._transport.aclose()

    async def _post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> Outcome:
        host = url.raw_host.decode("ascii")
        try:
            with anyio.fail_after(self._timeouts.resolve):
                addresses = await self._guard.addresses(host)
        except ForbiddenAddressError as error:
            return Outcome("give_up", f"not sent: {error}")
        except TimeoutError:
            return Outcome("retry", f"{host} was not resolved within {self._timeouts.resolve:g} s")
        except OSError as error:
            return Outcome("retry", f"{host} has no address: {error.strerror or error}")
        outcome = Outcome("retry", "nothing was tried")
        for address in addresses:
            place = host if host == str(address) else f"{host} at {address}"
            try:
                return await self._to(address, url, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                outcome = Outcome("retry", f"{place}: {_said(error)}")
            except httpx.TransportError as error:
                return Outcome("retry", f"{place}: {_said(error)}")
        return outcome

    async def _to(
        self, address: Address, url: httpx.URL, body: bytes, headers: Mapping[str, str]
    ) -> Outcome:
        total = self._timeouts.total
        request = httpx.Request(
            "POST",
            url.copy_with(host=str(address)),
            headers={
                "Host": url.netloc.decode("ascii"),
                "User-Agent": USER_AGENT,
                **_authorization(url),
                **headers,
            },
            content=body,
            extensions={
                "sni_hostname": url.raw_host.decode("ascii"),
                "timeout": {
                    "connect": self._timeouts.connect,
                    "read": total,
                    "write": total,
                    "pool": total,
                },
            },
        )
        response = await self._transport.handle_async_request(request)
        await response.aclose()
        return of_status(
            response.status_code,
            seconds_of(response.headers.get("retry-after"), self._clock.now()),
        )


def _authorization(url: httpx.URL) -> dict[str, str]:
    if not url.userinfo:
        return {}
    pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {pair}"}


def _said(error: httpx.TransportError) -> str:
    return cause_of(error) or _WORDS.get(type(error), "the connection failed")


_WORDS: Final[dict[type[httpx.TransportError], str]] = {
    httpx.ConnectError: "no connection",
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadError: "the connection broke before it answered",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteError: "the connection broke while it was told",
    httpx.RemoteProtocolError: "what it answered is not HTTP, or it closed the connection",
}
