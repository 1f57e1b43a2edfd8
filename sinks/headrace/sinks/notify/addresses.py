"""Which addresses are the internet, and which lead back inside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = "IPv4Address | IPv6Address"
Network: TypeAlias = "IPv4Network | IPv6Network"

# A list of our own: ipaddress.is_global differs between the Pythons that we run on.
_INSIDE: Final[dict[str, tuple[str, ...]]] = {
    "an address of this host": ("0.0.0.0/8", "::/128"),
    "a loopback address": ("127.0.0.0/8", "::1/128"),
    "a private address": (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("fc00::/7", "fec0::/10"),
    ),
    "a carrier's inside address": ("100.64.0.0/10",),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a cloud's metadata address": ("168.63.129.16/32", "fd00:ec2::254/128", "192.0.0.192/32"),
    "a multicast or broadcast address": ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
    "a reserved address": (
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    ),
}
_RANGES: Final = tuple(
    (ip_network(network), what) for what, networks in _INSIDE.items() for network in networks
)
_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def plain(address: Address) -> Address:
    """Return the address that a packet would reach: IPv4 out of its IPv6 wrappings, no zone."""
    if isinstance(address, IPv4Address):
        return address
    number = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    unzoned = IPv6Address(number)
    # An IPv6-only network reaches every IPv4 server so; what counts is the server.
    return IPv4Address(number & 0xFFFFFFFF) if unzoned in _NAT64 else unzoned


def refusal(address: Address, allow: tuple[Network, ...] = ()) -> str | None:
    """Return what is wrong with an address as a receiver's ("a private address"), or None."""
    reached = plain(address)
    if any(_within(reached, network) for network in allow):
        return None
    for network, what in _RANGES:
        if _within(reached, network):
            return what
    if isinstance(reached, IPv6Address) and reached not in _UNICAST:
        return "a reserved address"
    return None


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
