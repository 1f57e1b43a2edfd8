"""The process in which Apprise runs: one order on its input, one answer on its output.

An audit hook sees every connection that Python code makes, whatever library makes it, with the
address that is about to be connected to: nothing is left between the check and the use.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from ipaddress import ip_network
from typing import Any, Final

from headrace.sinks.notify.addresses import Network, literal, refusal
from headrace.sinks.notify.guard import advice

_CONNECTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class Watch:
    """Refuses connections to where the receiver may not lead, and remembers the first."""

    def __init__(self, allow: tuple[Network, ...]) -> None:
        self._allow = allow
        self.refused: str | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Judge one audit event. Raises :class:`PermissionError`, as a firewall would."""
        if event in _CONNECTS:
            why = self._reason(arguments[-1])
        elif event in _PROGRAMS:
            why = "its plugin wants to run a program"
        else:
            return
        if why is not None:
            self.refused = self.refused or why
            raise PermissionError(why)

    def _reason(self, target: object) -> str | None:
        if target is None:  # a datagram on a socket that is connected, which was judged
            return None
        host = target[0] if isinstance(target, tuple) and target else None
        address = literal(host) if isinstance(host, str) else None
        if address is None:
            return "its plugin wants to connect to what is not an IP address"
        why = refusal(address, self._allow)
        return None if why is None else advice(str(host), address, why)


class Statuses(logging.Handler):
    """Finds the last HTTP status among what plugins log; keeps nothing else of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        found = _STATUS.search(record.getMessage())
        if found:
            self.last = int(found.group(1))


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Notify every URL; the answer holds no secret."""
    watch = Watch(tuple(ip_network(network) for network in order["allow"]))
    sys.addaudithook(watch)
    import apprise  # noqa: PLC0415 - an extra, and loaded under the watch

    asset = apprise.AppriseAsset(
        async_mode=False,  # one after another, in this thread
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode="memory",
    )
    statuses = Statuses()
    logging.getLogger("apprise").addHandler(statuses)
    everyone = apprise.Apprise(asset=asset)
    for number, url in enumerate(order["urls"], 1):
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            return {"misunderstood": number}
        service.redirects = False  # also where the URL asks for them
        everyone.add(service)
    kind = apprise.NotifyType(order["type"])
    delivered = bool(everyone.notify(order["body"], title=order["title"], notify_type=kind))
    return {"delivered": delivered, "refused": watch.refused, "status": statuses.last}


def main() -> None:
    """Read, carry out, answer."""
    order = json.loads(sys.stdin.buffer.read())
    answer, sys.stdout = sys.stdout, sys.stderr  # plugins may print
    json.dump(carry_out(order), answer)


if __name__ == "__main__":
    main()
