import socket
import threading
from ipaddress import ip_address

import pytest
import trio

from daemon.egress.resolver import system_resolver


async def test_the_systems_resolver_is_asked_for_names() -> None:
    addresses = await system_resolver()("localhost", 80)
    assert addresses
    assert set(addresses) <= {ip_address("127.0.0.1"), ip_address("::1")}


@pytest.mark.parametrize(
    ("host", "address"), [("8.8.8.8", "8.8.8.8"), ("127.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::1")]
)
async def test_a_literal_is_its_own_address_and_needs_no_lookup(
    host: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert await system_resolver()(host, 80) == (ip_address(address),)


async def test_each_address_comes_once_in_the_systems_order_with_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [("fe80::1%lo", 80, 0, 1), ("192.0.2.1", 80), ("192.0.2.1", 80)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 1, 6, "", sockaddr) for sockaddr in found])
    addresses = await system_resolver()("hooks.example.com", 80)
    assert [str(address) for address in addresses] == ["fe80::1%lo", "192.0.2.1"]


async def test_a_hanging_lookup_can_be_cancelled_and_takes_no_thread_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging, release, finished = threading.Semaphore(0), threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        hanging.release()
        release.wait(10)
        finished.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolve = system_resolver(max_lookups=2)
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(resolve, "hooks.example.com", 80)
            await trio.to_thread.run_sync(lambda: [hanging.acquire(timeout=10) for _ in range(2)])
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert not hanging.acquire(blocking=False), "more lookups than allowed at a time"
            nursery.cancel_scope.cancel()
        assert not finished.is_set(), "the cancel waited for the lookup"
    finally:
        release.set()
