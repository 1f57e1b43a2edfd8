"""No receiver leads back inside, however its host is written or named."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sinks.notify.addresses import plain, refusal
from headrace.sinks.notify.clock import SystemClock
from headrace.sinks.notify.guard import ForbiddenAddressError, Guard
from headrace.sinks.notify.post import Poster
from headrace.sinks.notify.resolver import SystemResolver
from tests.notify.endpoint import endpoint
from tests.notify.things import Names

INSIDE = {
    "0.0.0.0": "an address of this host",
    "0.1.2.3": "an address of this host",
    "10.0.0.1": "a private address",
    "100.64.0.1": "a carrier's inside address",
    "100.100.100.200": "a carrier's inside address",
    "127.0.0.1": "a loopback address",
    "127.255.255.254": "a loopback address",
    "168.63.129.16": "a cloud's metadata address",
    "169.254.169.254": "a link-local address",
    "172.16.0.1": "a private address",
    "172.31.255.255": "a private address",
    "192.0.0.192": "a cloud's metadata address",
    "192.0.2.1": "a reserved address",
    "192.168.1.1": "a private address",
    "198.18.0.1": "a reserved address",
    "224.0.0.1": "a multicast or broadcast address",
    "240.0.0.1": "a reserved address",
    "255.255.255.255": "a multicast or broadcast address",
    "::": "an address of this host",
    "::1": "a loopback address",
    "::127.0.0.1": "a reserved address",
    "::ffff:127.0.0.1": "a loopback address",
    "::ffff:7f00:1": "a loopback address",
    "::ffff:169.254.169.254": "a link-local address",
    "64:ff9b::10.0.0.1": "a private address",
    "64:ff9b:1::1": "a reserved address",
    "100::1": "a reserved address",
    "2001::1": "a reserved address",
    "2001:db8::1": "a reserved address",
    "2002:7f00:1::": "a reserved address",
    "fc00::1": "a private address",
    "fd00:ec2::254": "a private address",
    "fe80::1": "a link-local address",
    "fe80::1%2": "a link-local address",
    "fec0::1": "a private address",
    "ff02::1": "a multicast or broadcast address",
}
OUTSIDE = [
    *("1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"),
    *("9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.1", "168.63.129.15"),
    *("223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"),
]


@pytest.mark.parametrize(("address", "why"), INSIDE.items())
def test_inside(address: str, why: str) -> None:
    assert refusal(ip_address(address)) == why


@pytest.mark.parametrize("address", OUTSIDE)
def test_outside(address: str) -> None:
    assert refusal(ip_address(address)) is None


@given(st.ip_addresses().map(plain))
def test_what_python_holds_for_inside_is_refused(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert refusal(address) is not None


@pytest.mark.parametrize("address", INSIDE)
def test_it_is_allowed_by_name_and_no_wider(address: str) -> None:
    found = ip_address(address)
    others = (ip_network("203.0.113.77/32"), ip_network("2001:db8:9::/48"))
    assert refusal(found, others) is not None
    assert refusal(found, (*others, ip_network(plain(found)))) is None


WRITTEN = [
    *(
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "127.0.1",
        "0x7f.1",
    ),
    *("0x7f.0x0.0x0.0x1", "0", "0x0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "localhost", "127.0.0.1", "2852039166", "3232235777"),
    *("[fe80::1]", "[64:ff9b::127.0.0.1]", "[::]", "0xa9fea9fe"),
]
QUADS = ["0177.0.0.1", "0251.0376.0251.0376", "127.000.000.001"]  # httpx takes none of them


@pytest.mark.parametrize("host", WRITTEN)
async def test_hosts_written_to_deceive_are_not_connected_to(host: str) -> None:
    """Through the system's own resolver, which reads all these forms."""
    async with endpoint() as there:
        poster = Poster(Guard((), SystemResolver()), SystemClock())
        outcome = await poster.post(httpx.URL(f"http://{host}:{there.port}/"), b"{}", {})
        await poster.close()
    assert outcome.verdict == "give_up", outcome
    assert "let the receiver have allow = [" in outcome.reason
    assert there.got == []


@pytest.mark.parametrize("host", [*WRITTEN, *QUADS])
async def test_hosts_written_to_deceive_are_seen_through(host: str) -> None:
    resolver = SystemResolver()
    with pytest.raises(ForbiddenAddressError, match=r"let the receiver have allow = \["):
        await Guard((), resolver).addresses(host.strip("[]"))
    resolver.close()


async def test_a_host_that_no_name_service_takes_is_one_without_address() -> None:
    resolver = SystemResolver()
    with pytest.raises(OSError, match="not a host's name"):
        await Guard((), resolver).addresses("a" * 64 + ".example")
    resolver.close()


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.5"], ["::1", "127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.5"], ["fd00::1"]],
)
async def test_names_that_lead_inside(addresses: list[str]) -> None:
    names = Names(evil_example=[[ip_address(one) for one in addresses]])
    with pytest.raises(ForbiddenAddressError) as refused:
        await Guard((), names).addresses("evil.example")
    reached = addresses[0].removeprefix("::ffff:")
    assert str(refused.value).startswith(f"evil.example is {reached}, a ")
    assert f'allow = ["{reached}"]' in str(refused.value)
    allowed = Guard((ip_network(reached),), names)
    assert await allowed.addresses("evil.example") == [ip_address(addresses[0])]


async def test_of_a_names_addresses_only_permitted_ones_are_used() -> None:
    names = Names(both_example=[[ip_address("10.0.0.5"), ip_address("1.1.1.1")]])
    assert await Guard((), names).addresses("both.example") == [ip_address("1.1.1.1")]


async def test_a_name_that_changes_its_mind_is_asked_once_a_try() -> None:
    """DNS rebinding: permitted when it is checked, something else when it is connected to."""
    async with endpoint() as there:
        here, elsewhere = [ip_address("127.0.0.1")], [ip_address("10.9.9.9")]
        names = Names(rebind_example=[here, elsewhere, elsewhere])
        guard = Guard((ip_network("127.0.0.1"),), names)
        poster = Poster(guard, SystemClock())
        url = httpx.URL(there.url("rebind.example"))
        first = await poster.post(url, b"{}", {})
        assert (first.verdict, names.asked) == ("delivered", ["rebind.example"])
        assert there.got[0].headers["Host"] == f"rebind.example:{there.port}"
        second = await poster.post(url, b"{}", {})
        await poster.close()
    assert second.verdict == "give_up"
    assert len(there.got) == 1


async def test_an_address_that_takes_no_connection_gives_way_to_the_next() -> None:
    async with endpoint() as there:
        names = Names(two_example=[[ip_address("127.0.0.2"), ip_address("127.0.0.1")]])
        poster = Poster(Guard((ip_network("127.0.0.0/8"),), names), SystemClock())
        outcome = await poster.post(httpx.URL(there.url("two.example")), b"{}", {})
        await poster.close()
    assert outcome.verdict == "delivered", outcome
    assert len(there.got) == 1
