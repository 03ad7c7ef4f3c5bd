"""Deliveries through a proxy: the rules for addresses and TLS hold as without one (contract "The way out")."""

import ssl
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import trio

from daemon.egress.addresses import Address
from daemon.egress.deadlines import Deadlines
from daemon.egress.errors import BlockedAddress, DnsError, NotConnected, ProxyFailed, TlsError
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import Proxy, ProxyScheme
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules
from daemon.egress.way import Way
from tests.egress.conftest import MakeTransport
from tests.egress.posting import LOOPBACK, lookups_by, open_descriptors, post, resolving_to
from tests.egress.proxies import PASSWORD, Visit, open_real_proxy, open_scripted_proxy, relay_connect
from tests.support.receivers import open_receiver, respond
from tests.support.tls import TestAuthority

NAME = "hooks.example.com"
SCHEMES: tuple[ProxyScheme, ...] = ("http", "socks5")


def through(
    make_transport: MakeTransport, proxy: Proxy, addresses: Sequence[str] = ("127.0.0.1",)
) -> EndpointTransport:
    return make_transport(resolving_to(*addresses), proxy=OperatorProxy(replace(proxy, is_operators=True)))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_real_proxy_with_a_login_carries_deliveries_over_tls_and_the_connection_is_kept(
    make_transport: MakeTransport, authority: TestAuthority, tmp_path: Path, scheme: ProxyScheme
) -> None:
    context, names = authority.server_context(NAME), list[str | None]()
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with (
        open_real_proxy(scheme, tmp_path) as proxy,
        open_receiver(respond(200, b"ok"), tls=context, name=NAME) as receiver,
    ):
        transport = through(make_transport, proxy)
        for _ in range(3):
            assert await post(transport, receiver.url) == (200, b"ok")
        assert (receiver.connections, names) == (1, [NAME])
        assert receiver.requests[0].header("host") == f"{NAME}:{receiver.port}"
        with pytest.raises(ProxyFailed, match="login"):
            await post(through(make_transport, replace(proxy, password="wrong")), receiver.url)
        assert receiver.connections == 1


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_real_proxy_without_a_login_carries_plain_http_and_ipv6(
    make_transport: MakeTransport, tmp_path: Path, scheme: ProxyScheme
) -> None:
    async with open_real_proxy(scheme, tmp_path, login=False) as proxy, open_receiver(host="::1") as receiver:
        assert (await post(through(make_transport, proxy, ["::1"]), receiver.url))[0] == 200


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_receiver_that_the_proxy_cannot_reach_is_the_receivers_failure(
    make_transport: MakeTransport, tmp_path: Path, scheme: ProxyScheme
) -> None:
    async with open_receiver() as receiver:
        port = receiver.port
    async with open_real_proxy(scheme, tmp_path) as proxy:
        with pytest.raises(NotConnected) as failed:
            await post(through(make_transport, proxy), f"http://{NAME}:{port}/")
    assert str(failed.value).startswith(f"no connection to {NAME} port {port} through the proxy (the proxy answered")
    assert "127.0.0.1" not in str(failed.value)
    assert "127.0.0.1" in (failed.value.detail or "")


async def test_the_login_goes_to_the_proxy_and_never_to_a_receiver(
    make_transport: MakeTransport, authority: TestAuthority
) -> None:
    async with (
        open_scripted_proxy(relay_connect) as scripted,
        open_receiver(name=NAME) as plain,
        open_receiver(tls=authority.server_context(NAME), name=NAME) as encrypted,
    ):
        transport = through(make_transport, scripted.proxy(username="kakiyo", password=PASSWORD))
        for receiver in (plain, encrypted):
            assert (await post(transport, receiver.url))[0] == 200
            head = receiver.requests[0].head.lower()
            assert b"proxy-" not in head
            assert b"authorization" not in head
        assert [bytes(visit.received).count(b"Proxy-Authorization: Basic ") for visit in scripted.visits] == [1, 1]


async def test_the_proxy_is_given_the_address_that_was_checked_and_the_next_one_when_it_fails(
    make_transport: MakeTransport,
) -> None:
    async with open_scripted_proxy(relay_connect) as scripted, open_receiver(host="127.0.0.2", name=NAME) as receiver:
        transport = through(make_transport, scripted.proxy(), ["127.0.0.3", "127.0.0.2"])
        assert (await post(transport, receiver.url))[0] == 200
    asked = [bytes(visit.received).partition(b" HTTP")[0].decode() for visit in scripted.visits]
    assert asked == [f"CONNECT 127.0.0.3:{receiver.port}", f"CONNECT 127.0.0.2:{receiver.port}"]


async def test_an_address_that_is_not_allowed_is_not_asked_of_a_proxy(make_transport: MakeTransport) -> None:
    async with open_scripted_proxy(relay_connect) as scripted:
        operator = OperatorProxy(scripted.proxy(is_operators=True))
        for addresses in (["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "10.0.0.1"], ["127.0.0.1"]):
            transport = make_transport(resolving_to(*addresses), EgressRules(allow_http=True), proxy=operator)
            with pytest.raises(BlockedAddress):
                await post(transport, f"http://{NAME}/")
        assert scripted.visits == []


async def test_a_proxy_that_resolves_gets_the_name_and_nothing_is_looked_up_here(make_transport: MakeTransport) -> None:
    async def never(host: str, _port: int) -> Sequence[Address]:
        raise AssertionError(host)

    async def refuse(visit: Visit) -> None:
        await visit.until(b"\r\n\r\n")
        await visit.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with open_scripted_proxy(refuse) as scripted:
        operator = OperatorProxy(scripted.proxy(resolves=True, is_operators=True))
        strict = EgressRules(allow_http=True)
        transport = make_transport(never, strict, proxy=operator)
        await transport.prepare(f"http://{NAME}/", "team_1")
        with pytest.raises(NotConnected, match="the proxy answered 403"):
            await post(transport, f"http://{NAME}/")
        assert bytes(scripted.visits[0].received).startswith(f"CONNECT {NAME}:80 HTTP/1.1\r\n".encode())
        for url in (
            "http://10.0.0.1/",
            "http://127.1/",
            "http://localhost/",
            "http://db.internal/",
            "http://intranet/",
        ):
            with pytest.raises(BlockedAddress):
                await post(transport, url)
        assert len(scripted.visits) == 1


async def test_the_operators_proxy_may_be_anywhere_and_a_webhooks_own_only_where_a_receiver_may(
    make_transport: MakeTransport,
) -> None:
    rules = EgressRules(allow_http=True, allow_networks=(ip_network("127.0.0.2/32"),))
    async with open_scripted_proxy(relay_connect) as scripted, open_receiver(host="127.0.0.2", name=NAME) as receiver:
        operators = make_transport(
            resolving_to("127.0.0.2"), rules, proxy=OperatorProxy(scripted.proxy(is_operators=True))
        )
        assert (await post(operators, receiver.url))[0] == 200
        own = make_transport(resolving_to("127.0.0.2"), rules)
        own.go_by(Way(proxy=scripted.proxy()))
        with pytest.raises(BlockedAddress, match="loopback"):
            await post(own, receiver.url)
        assert len(scripted.visits) == 1


async def test_a_webhook_that_may_have_no_proxy_does_not_go_by_one(client_tls: ssl.SSLContext) -> None:
    async with open_scripted_proxy(relay_connect) as scripted, open_receiver(name=NAME) as receiver:
        lookups = lookups_by(resolving_to("127.0.0.1"))
        transport = EndpointTransport(LOOPBACK, lookups, client_tls, deadlines=Deadlines(), webhook_proxies=False)
        transport.go_by(Way(proxy=scripted.proxy()))
        with pytest.raises(BlockedAddress, match="remove the webhook's own"):
            await post(transport, receiver.url)
        assert (scripted.visits, receiver.connections) == ([], 0)


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "127.1", "proxy.internal", "localhost", "[::1]"])
async def test_a_webhooks_own_proxy_leads_into_no_network_of_ours(make_transport: MakeTransport, host: str) -> None:
    transport = make_transport(resolving_to("93.184.216.34"), EgressRules())
    transport.go_by(Way(proxy=Proxy("http", host.strip("[]"), 3128)))
    with pytest.raises(BlockedAddress):
        await post(transport, f"https://{NAME}/")


async def test_a_name_of_a_proxy_that_changes_is_judged_at_each_connection(make_transport: MakeTransport) -> None:
    answers = {NAME: ["127.0.0.1"], "proxy.example.com": ["127.0.0.1", "10.0.0.1"]}

    async def rebinding(host: str, _port: int) -> Sequence[Address]:
        await trio.lowlevel.checkpoint()
        given = answers[host]
        return [ip_address(given[0] if len(given) == 1 else given.pop(0))]

    async with open_scripted_proxy(relay_connect) as scripted, open_receiver(name=NAME) as receiver:
        transport = make_transport(rebinding)
        transport.go_by(Way(proxy=replace(scripted.proxy(), host="proxy.example.com")))
        assert (await post(transport, receiver.url))[0] == 200
        receiver.disconnect()
        await receiver.disconnected()
        with pytest.raises(BlockedAddress) as blocked:
            await post(transport, receiver.url)
        assert blocked.value.detail == "proxy.example.com is 10.0.0.1"
        assert len(scripted.visits) == 1


async def test_a_proxy_cannot_stand_in_for_a_receiver_with_tls(
    make_transport: MakeTransport, authority: TestAuthority
) -> None:
    async with open_receiver(tls=authority.server_context("proxy.example.com")) as receiver:

        async def elsewhere(visit: Visit) -> None:
            visit.received[:] = (await visit.until(b"\r\n\r\n")).replace(b"127.0.0.9", b"127.0.0.1")
            await relay_connect(visit)

        async with open_scripted_proxy(elsewhere) as scripted:
            with pytest.raises(TlsError, match=f"not valid for {NAME}"):
                await post(through(make_transport, scripted.proxy(), ["127.0.0.9"]), f"https://{NAME}:{receiver.port}/")
        assert receiver.requests == []


async def test_a_changed_way_closes_the_connection_that_came_another_way(make_transport: MakeTransport) -> None:
    async with open_scripted_proxy(relay_connect) as scripted, open_receiver(name=NAME) as receiver:
        transport = make_transport()
        await post(transport, receiver.url)
        transport.go_by(Way(proxy=scripted.proxy()))
        assert not transport.keeps_connection
        await post(transport, receiver.url)
        transport.go_by(Way(proxy=scripted.proxy()))
        await post(transport, receiver.url)
        assert (receiver.connections, len(scripted.visits)) == (2, 1)
        transport.go_by(Way())
        await post(transport, receiver.url)
        assert (receiver.connections, len(scripted.visits)) == (3, 1)


async def test_a_proxy_that_cannot_be_reached_is_its_own_fault(make_transport: MakeTransport) -> None:
    async with open_scripted_proxy(relay_connect) as scripted:
        proxy = scripted.proxy()
    for is_operators in (True, False):
        transport = make_transport(proxy=OperatorProxy(replace(proxy, is_operators=True)) if is_operators else None)
        transport.go_by(Way() if is_operators else Way(proxy=proxy))
        with pytest.raises(ProxyFailed, match=r"^the proxy cannot be reached \(connection refused\)$") as failed:
            await post(transport, f"http://{NAME}/")
        assert failed.value.is_operators is is_operators


async def test_one_family_only(make_transport: MakeTransport) -> None:
    async with open_receiver(host="::1", name=NAME) as receiver:
        transport = make_transport(resolving_to("127.0.0.1", "::1"))
        transport.go_by(Way(ip_version=6))
        assert (await post(transport, receiver.url))[0] == 200
        transport = make_transport(resolving_to("::1"))
        transport.go_by(Way(ip_version=4))
        with pytest.raises(DnsError) as failed:
            await post(transport, receiver.url)
        assert str(failed.value) == f"{NAME} has no IPv4 address, and this webhook uses IPv4 only"
        assert receiver.connections == 1
        for version, addresses in ((6, ("::1", "10.0.0.1")), (4, ("127.0.0.1", "fd00::1"))):
            blocked = make_transport(resolving_to(*addresses))
            blocked.go_by(Way(ip_version=version))
            with pytest.raises(BlockedAddress):  # one address that is not allowed is enough, whatever its family
                await post(blocked, receiver.url)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_no_cancel_on_the_way_through_a_proxy_leaves_a_descriptor(
    make_transport: MakeTransport, scheme: ProxyScheme
) -> None:
    async def never_answers(visit: Visit) -> None:
        await visit.some()
        if scheme == "socks5":
            await visit.send(b"\x05\x00")
        await trio.sleep_forever()

    async with open_scripted_proxy(never_answers) as scripted:
        before = open_descriptors()
        for after in range(5):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(post, through(make_transport, scripted.proxy(scheme)), f"http://{NAME}/")
                    for _ in range(after * 3):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        for visit in scripted.visits:
            await visit.stream.aclose()
        assert open_descriptors() == before
