"""The order in which a name's addresses are tried (RFC 6724, RFC 8305, 4)."""

from collections.abc import Callable
from ipaddress import ip_address

from daemon.egress.address_order import in_order
from daemon.egress.addresses import Address

V6 = ("2606:4700::1", "2606:4700::2", "2606:4700::3")
V4 = ("8.8.8.8", "8.8.4.4")


def from_sources(v4: str | None, v6: str | None) -> Callable[[Address], Address | None]:
    def source_of(address: Address) -> Address | None:
        source = v4 if address.version == 4 else v6
        return None if source is None else ip_address(source)

    return source_of


def order(addresses: tuple[str, ...], v4: str | None = "93.184.216.34", v6: str | None = "2606:4700::9") -> list[str]:
    return [str(one) for one in in_order([ip_address(one) for one in addresses], from_sources(v4, v6))]


def test_the_families_take_turns_and_ipv6_begins() -> None:
    assert order((*V4, *V6)) == [V6[0], V4[0], V6[1], V4[1], V6[2]]


def test_a_family_without_a_route_comes_last() -> None:
    assert order((*V6, *V4), v6=None) == [*V4, *V6]


def test_ipv4_begins_where_ipv6_has_a_private_source_only() -> None:
    assert order((*V6[:2], *V4), v6="fd00::9") == [V4[0], V6[0], V4[1], V6[1]]


def test_an_address_that_is_given_twice_is_tried_once() -> None:
    assert order((V4[0], V6[0], V4[0])) == [V6[0], V4[0]]
