"""While the operator's proxy is down, deliveries wait and one at a time tries it (contract "The way out")."""

import trio
from trio.testing import MockClock

from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import Proxy


def make_proxy() -> tuple[OperatorProxy, list[str | None]]:
    proxy, told = OperatorProxy(Proxy("http", "127.0.0.1", 3128, is_operators=True)), list[str | None]()
    proxy.on_change = told.append
    return proxy, told


async def test_a_proxy_that_works_keeps_nobody_waiting(autojump_clock: MockClock) -> None:
    proxy, told = make_proxy()
    zero = trio.current_time()
    for _ in range(3):
        await proxy.wait()
        proxy.works()
    assert (trio.current_time(), told, proxy.is_down) == (zero, [], False)


async def test_one_at_a_time_tries_a_proxy_that_is_down_after_1_2_4_8_and_then_each_10_seconds(
    autojump_clock: MockClock,
) -> None:
    proxy, told = make_proxy()
    zero, tries = trio.current_time(), list[float]()

    async def deliver() -> None:
        while True:
            await proxy.wait()
            tries.append(trio.current_time() - zero)
            proxy.has_failed("the proxy cannot be reached")
            await trio.sleep(1)

    proxy.has_failed("the proxy cannot be reached")
    with trio.move_on_after(36):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(deliver)
    assert tries == [1, 2, 4, 8, 16, 26]
    assert told == ["the proxy cannot be reached"]
    assert proxy.faults == 1 + len(tries)


async def test_all_go_on_at_once_when_it_works_again(autojump_clock: MockClock) -> None:
    proxy, told = make_proxy()
    went: list[float] = []
    zero = trio.current_time()

    async def deliver() -> None:
        await proxy.wait()
        went.append(trio.current_time() - zero)

    proxy.has_failed("the proxy answered 407")
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(deliver)
        await trio.sleep(1.5)
        proxy.works()
    assert went == [1, *[1.5] * 49]
    assert told == ["the proxy answered 407", None]
    proxy.has_failed("again")
    await proxy.wait()
    assert trio.current_time() - zero == 2.5


async def test_a_wait_that_is_ended_passes_the_turn_on(autojump_clock: MockClock) -> None:
    proxy, _ = make_proxy()
    proxy.has_failed("down")
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.5):
            await proxy.wait()
        nursery.start_soon(proxy.wait)
