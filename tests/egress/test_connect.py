import errno
import os
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from socket import EAI_AGAIN, EAI_NONAME, gaierror

import httpx
import pytest
import trio

from daemon.egress.addresses import Address
from daemon.egress.errors import BlockedAddress, DnsError, NotConnected
from daemon.egress.urls import EgressRules
from tests.egress.conftest import MakeTransport
from tests.egress.posting import LOOPBACK, post, resolving_to
from tests.support.receivers import open_receiver


async def test_the_judged_address_is_the_one_connected_to_however_the_name_resolves_later(
    make_transport: MakeTransport,
) -> None:
    lookups = []

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        await trio.lowlevel.checkpoint()
        lookups.append(host)
        return [ip_address("127.0.0.1" if len(lookups) == 1 else "10.0.0.1")]

    async with open_receiver(name="hooks.example.com") as receiver:
        transport = make_transport(rebinding)
        assert (await post(transport, receiver.url))[0] == 200
        assert lookups == ["hooks.example.com"]
        assert receiver.requests[0].header("host") == f"hooks.example.com:{receiver.port}"
        receiver.disconnect()
        await receiver.disconnected()
        with pytest.raises(BlockedAddress) as blocked:
            await post(transport, receiver.url)
        assert blocked.value.detail == "hooks.example.com is 10.0.0.1"
        assert "10.0.0.1" not in str(blocked.value)
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "::ffff:10.0.0.1")]
)
async def test_one_bad_address_blocks_the_whole_name(make_transport: MakeTransport, addresses: tuple[str, ...]) -> None:
    async with open_receiver(name="hooks.example.com") as receiver:
        with pytest.raises(BlockedAddress, match="address that is not public"):
            await post(make_transport(resolving_to(*addresses)), receiver.url)
        assert receiver.connections == 0


async def test_an_address_that_is_not_allowed_is_not_connected_to(make_transport: MakeTransport) -> None:
    async with open_receiver() as receiver:
        strict = EgressRules(allow_http=True)
        with pytest.raises(BlockedAddress, match="loopback"):
            await post(make_transport(rules=strict), receiver.url)
        assert receiver.connections == 0


async def test_http_is_blocked_at_the_connect_too(make_transport: MakeTransport) -> None:
    async with open_receiver() as receiver:
        only_https = EgressRules(allow_networks=(ip_network("127.0.0.0/8"),))
        with pytest.raises(BlockedAddress, match="use https"):
            await post(make_transport(rules=only_https), receiver.url)
        assert receiver.connections == 0


async def test_the_next_address_is_tried_when_one_refuses(make_transport: MakeTransport) -> None:
    async with open_receiver(host="127.0.0.2", name="hooks.example.com") as receiver:
        transport = make_transport(resolving_to("::1", "127.0.0.1", "127.0.0.2"))
        assert (await post(transport, receiver.url))[0] == 200


async def test_when_no_address_takes_the_connection_the_error_says_why_and_only_the_operator_learns_of_the_addresses(
    make_transport: MakeTransport,
) -> None:
    async with open_receiver() as receiver:
        port = receiver.port
    with pytest.raises(httpx.ConnectError) as failed:
        await post(
            make_transport(resolving_to("127.0.0.1", "127.0.0.2")), f"http://hooks.example.com:{port}/secret-path"
        )
    assert str(failed.value) == f"no connection to hooks.example.com port {port} (connection refused)"
    assert isinstance(failed.value, NotConnected)
    assert failed.value.detail == "127.0.0.1: connection refused, 127.0.0.2: connection refused"


async def test_a_fault_of_our_own_network_is_for_the_operator_only(
    make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_route(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr("daemon.egress.racing._begin", no_route)
    with pytest.raises(NotConnected) as failed:
        await post(make_transport(resolving_to("127.0.0.1")), "http://hooks.example.com/")
    assert str(failed.value) == "no connection to hooks.example.com port 80 (no answer)"
    assert failed.value.detail == "127.0.0.1: network is unreachable"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (EAI_NONAME, "the name hooks.example.com does not exist or has no address"),
        (EAI_AGAIN, "the name hooks.example.com could not be resolved"),
    ],
)
async def test_a_name_that_does_not_resolve_is_a_dns_error(
    make_transport: MakeTransport, code: int, sentence: str
) -> None:
    async def failing(host: str, port: int) -> Sequence[Address]:
        raise gaierror(code, "Temporary failure in name resolution")

    with pytest.raises(DnsError) as failed:
        await post(make_transport(failing), "https://hooks.example.com/")
    assert str(failed.value) == sentence


async def test_a_name_without_addresses_is_a_dns_error(make_transport: MakeTransport) -> None:
    with pytest.raises(DnsError):
        await post(make_transport(resolving_to()), "https://hooks.example.com/")


async def test_ipv6_literals_are_connected_to(make_transport: MakeTransport) -> None:
    async with open_receiver(host="::1") as receiver:
        assert (await post(make_transport(resolving_to("::1"), LOOPBACK), receiver.url))[0] == 200
        assert receiver.requests[0].header("host") == f"[::1]:{receiver.port}"


async def test_of_hundreds_of_addresses_all_are_checked_and_16_are_tried(make_transport: MakeTransport) -> None:
    async with open_receiver() as receiver:
        port = receiver.port
    many = [f"127.1.{number // 100}.{1 + number % 100}" for number in range(300)]
    with pytest.raises(NotConnected) as failed:
        await post(make_transport(resolving_to(*many)), f"http://hooks.example.com:{port}/")
    assert [one.partition(":")[0] for one in (failed.value.detail or "").split(", ")] == many[:16]
    with pytest.raises(BlockedAddress):
        await post(make_transport(resolving_to(*many, "10.0.0.1")), f"http://hooks.example.com:{port}/")
