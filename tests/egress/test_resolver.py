import os
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
from dns.message import Message, QueryMessage

from daemon.egress.name_server import NameServer
from daemon.egress.resolver import Resolver
from tests.egress.posting import open_descriptors
from tests.support.name_server import TTL_S, from_table, name_of, open_name_server, type_of

NAME = "hooks.example.com"
TABLE = {NAME: ("192.0.2.1", "192.0.2.2", "2001:db8::1")}


class Files:
    """An /etc of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.hosts, self.resolv_conf = directory / "hosts", directory / "resolv.conf"

    def resolver(self, *servers: NameServer) -> Resolver:
        return Resolver(servers, hosts=self.hosts, resolv_conf=self.resolv_conf)


@pytest.fixture
def etc(tmp_path: Path) -> Files:
    return Files(tmp_path)


def texts(addresses: object) -> list[str]:
    assert isinstance(addresses, tuple | list)
    return [str(address) for address in addresses]


@pytest.mark.parametrize(
    ("host", "address"), [("8.8.8.8", "8.8.8.8"), ("127.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::1")]
)
async def test_a_literal_is_its_own_address_and_is_never_asked_for(host: str, address: str, etc: Files) -> None:
    async with open_name_server() as server:
        assert await etc.resolver(server.address).resolve(host) == (ip_address(address),)
        assert not server.asked


async def test_both_families_are_asked_for_at_once_and_each_address_comes_once(etc: Files) -> None:
    async with open_name_server({NAME: ("192.0.2.1", "192.0.2.1", "2001:db8::1")}) as server:
        found = texts(await etc.resolver(server.address).resolve(NAME))
        assert sorted(found) == ["192.0.2.1", "2001:db8::1"]
        assert server.asked == {(NAME, "A"): 1, (NAME, "AAAA"): 1}


async def test_the_hosts_file_comes_first_and_is_read_again_when_it_changes(
    etc: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.egress.resolver_files._CHECK_EVERY_S", 0)
    etc.hosts.write_text(
        "# comment\n192.0.2.7 Hooks.Example.COM alias # more\nrubbish\n2001:db8::7 hooks.example.com\n"
    )
    async with open_name_server(TABLE) as server:
        resolver = etc.resolver(server.address)
        assert texts(await resolver.resolve(NAME)) == ["192.0.2.7", "2001:db8::7"]
        assert texts(await resolver.resolve("alias.")) == ["192.0.2.7"]
        assert not server.asked
        etc.hosts.write_text("192.0.2.8 hooks.example.com\n")
        os.utime(etc.hosts, (1, 1))
        assert texts(await resolver.resolve(NAME)) == ["192.0.2.8"]
        etc.hosts.unlink()
        assert len(await resolver.resolve(NAME)) == 3


async def test_the_servers_of_resolv_conf_are_asked_and_read_again_when_it_changes(
    etc: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.egress.resolver_files._CHECK_EVERY_S", 0)
    async with (
        open_name_server({NAME: ("192.0.2.1",)}, address="127.0.53.1", port=53),
        open_name_server({NAME: ("192.0.2.2",)}, address="127.0.53.2", port=53),
    ):
        resolver = etc.resolver()
        etc.resolv_conf.write_text("nameserver 127.0.53.1\n")
        assert texts(await resolver.resolve(NAME)) == ["192.0.2.1"]
        etc.resolv_conf.write_text("nameserver 127.0.53.2\n")
        os.utime(etc.resolv_conf, (1, 1))
        assert texts(await resolver.resolve(NAME)) == ["192.0.2.2"]


async def test_the_next_server_is_asked_when_one_refuses_fails_or_keeps_silent(etc: Files) -> None:
    def fail(query: QueryMessage) -> Message:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        return response

    etc.resolv_conf.write_text("options timeout:1 attempts:1\n")
    async with (
        open_name_server(answering=fail) as failing,
        open_name_server(answering=lambda _: None) as silent,
        open_name_server(TABLE) as good,
    ):
        nobody = NameServer("127.0.0.1", 1)
        found = await etc.resolver(nobody, failing.address, silent.address, good.address).resolve(NAME)
        assert len(found) == 3


@pytest.mark.parametrize(
    ("answering", "error"),
    [
        (from_table({}), socket.EAI_NONAME),
        (from_table({NAME: ()}), socket.EAI_NONAME),
        (lambda _: None, socket.EAI_AGAIN),
    ],
    ids=["no such name", "no address", "no answer"],
)
async def test_a_name_without_addresses_differs_from_one_that_cannot_be_resolved_now(
    etc: Files, answering: Callable[[QueryMessage], Message | None], error: int
) -> None:
    etc.resolv_conf.write_text("options timeout:1 attempts:1\n")
    async with open_name_server(answering=answering) as server:
        with pytest.raises(socket.gaierror) as failed:
            await etc.resolver(server.address).resolve(NAME)
    assert failed.value.errno == error


async def test_what_does_not_fit_a_datagram_is_asked_for_over_tcp(etc: Files) -> None:
    many = tuple(f"192.0.2.{number}" for number in range(100))
    async with open_name_server({NAME: many}) as server:
        assert len(await etc.resolver(server.address).resolve(NAME)) == 100
        assert server.over_tcp == 1


async def test_an_answer_that_would_hold_up_the_loop_is_not_read(etc: Files) -> None:
    many = tuple(f"10.{number // 256}.{number % 256}.1" for number in range(4000))
    etc.resolv_conf.write_text("options attempts:1\n")
    async with open_name_server({NAME: many}) as server:
        with pytest.raises(socket.gaierror):
            await etc.resolver(server.address).resolve(NAME)
        assert server.over_tcp


async def test_chains_of_names_are_followed_up_to_a_limit(etc: Files) -> None:
    def chain(length: int) -> Mapping[str, tuple[str, ...]]:
        return {f"n{n}.example": (f"-> n{n + 1}.example",) for n in range(length)} | {
            f"n{length}.example": ("192.0.2.9",)
        }

    etc.resolv_conf.write_text("options attempts:1\n")
    async with open_name_server(chain(5)) as server:
        assert texts(await etc.resolver(server.address).resolve("n0.example")) == ["192.0.2.9"]
    async with open_name_server(chain(20)) as server:
        with pytest.raises(socket.gaierror):
            await etc.resolver(server.address).resolve("n0.example")


async def test_one_familys_addresses_do_not_wait_for_the_others_for_long(etc: Files) -> None:
    def only_ipv4(query: QueryMessage) -> Message | None:
        return from_table(TABLE)(query) if type_of(query) == "A" else None

    async with open_name_server(answering=only_ipv4) as server:
        with trio.fail_after(3):
            assert sorted(texts(await etc.resolver(server.address).resolve(NAME))) == ["192.0.2.1", "192.0.2.2"]


async def test_the_search_list_counts_for_names_with_few_dots_only(etc: Files) -> None:
    etc.resolv_conf.write_text("search cluster.example corp.example\noptions ndots:2\n")
    table = {"api.shop.corp.example": ("192.0.2.3",), **TABLE}
    async with open_name_server(table) as server:
        resolver = etc.resolver(server.address)
        assert texts(await resolver.resolve("api.shop")) == ["192.0.2.3"]
        assert server.names_asked() == {"api.shop.cluster.example", "api.shop.corp.example"}
        server.asked.clear()
        assert len(await resolver.resolve(NAME)) == 3
        with pytest.raises(socket.gaierror):
            await resolver.resolve("api.shop.")
        assert server.names_asked() == {NAME, "api.shop"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.b.localhost"])
async def test_localhost_and_below_is_this_machine_and_never_asked_for(etc: Files, host: str) -> None:
    async with open_name_server() as server:
        assert set(texts(await etc.resolver(server.address).resolve(host))) == {"127.0.0.1", "::1"}
        assert not server.asked


@pytest.mark.parametrize("host", ["a.invalid", "abc.onion", "x.alt."])
async def test_names_that_dns_cannot_know_are_not_asked_for(etc: Files, host: str) -> None:
    async with open_name_server() as server:
        with pytest.raises(socket.gaierror) as failed:
            await etc.resolver(server.address).resolve(host)
        assert failed.value.errno == socket.EAI_NONAME
        assert not server.asked


async def test_what_is_no_answer_to_the_query_is_ignored(etc: Files) -> None:
    def mixed_up(query: QueryMessage) -> Message:
        other = dns.message.make_query("other.example.com", query.question[0].rdtype)
        other.id = query.id
        response = dns.message.make_response(other)
        response.answer.append(
            dns.rrset.from_text(
                "other.example.com.", TTL_S, "IN", type_of(query), "192.0.2.66" if type_of(query) == "A" else "::1"
            )
        )
        return response

    etc.resolv_conf.write_text("options timeout:1 attempts:1\n")
    async with open_name_server(answering=mixed_up) as server:
        with pytest.raises(socket.gaierror):
            await etc.resolver(server.address).resolve(NAME)


async def test_a_cancelled_lookup_returns_at_once_and_leaves_no_socket(etc: Files) -> None:
    def silent_over_tcp(query: QueryMessage) -> Message | None:
        return from_table({NAME: tuple(f"192.0.2.{n}" for n in range(100))})(query) if name_of(query) == NAME else None

    async with open_name_server(answering=silent_over_tcp) as server:
        before = open_descriptors()
        resolver = etc.resolver(server.address)
        for wait_s in (0, 0.001, 0.01, 0.1):
            started = trio.current_time()
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(resolver.resolve, f"{number}.silent.example")
                await trio.sleep(wait_s)
                nursery.cancel_scope.cancel()
            assert trio.current_time() - started < wait_s + 1
        assert open_descriptors() == before
