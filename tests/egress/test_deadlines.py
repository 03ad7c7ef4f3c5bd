"""One task enforces all deadlines (contract "An attempt")."""

import socket
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from daemon.egress.deadlines import Deadlines
from daemon.egress.errors import DeadlinePassed
from daemon.egress.transport import EndpointTransport
from daemon.egress.wire import Wire
from tests.egress.posting import post
from tests.support.receivers import Exchange, open_receiver


@dataclass(eq=False)
class FakeExchange:
    """Remembers when it was hung up on."""

    ended_at: float | None = None

    def hang_up(self) -> None:
        self.ended_at = trio.current_time()


async def ends_at(deadlines: Deadlines, *times: float) -> list[float | None]:
    """Begin an exchange for each deadline, all now; return when each was ended."""
    exchanges = [FakeExchange() for _ in times]
    for exchange, deadline in zip(exchanges, times, strict=True):
        deadlines.begin(exchange, deadline)
    await trio.sleep(100)
    return [exchange.ended_at for exchange in exchanges]


async def test_each_exchange_ends_at_its_deadline_whichever_began_first(autojump_clock: MockClock) -> None:
    zero = trio.current_time()
    deadlines = Deadlines()
    assert await ends_at(deadlines, zero + 10, zero + 5, zero + 7) == [zero + 10, zero + 5, zero + 7]


async def test_a_deadline_that_is_given_during_the_wait_for_a_later_one_is_kept(autojump_clock: MockClock) -> None:
    zero = trio.current_time()
    deadlines, late, soon = Deadlines(), FakeExchange(), FakeExchange()
    deadlines.begin(late, zero + 50)
    await trio.sleep(1)
    deadlines.end(late)
    deadlines.begin(soon, zero + 2)
    await trio.sleep(10)
    assert (late.ended_at, soon.ended_at) == (None, zero + 2)


async def test_exchanges_with_nearly_the_same_deadline_end_within_a_hundredth_of_a_second(
    autojump_clock: MockClock,
) -> None:
    zero = trio.current_time()
    times = [zero + 1 + number / 10_000 for number in range(100)]
    ended = await ends_at(Deadlines(), *times)
    assert all(at is not None and time <= at <= time + 0.0101 for at, time in zip(ended, times, strict=True))
    assert len(set(ended)) == 2


async def test_an_exchange_that_has_ended_is_left_alone(autojump_clock: MockClock) -> None:
    zero = trio.current_time()
    deadlines, exchange = Deadlines(), FakeExchange()
    deadlines.begin(exchange, zero + 1)
    deadlines.end(exchange)
    deadlines.end(exchange)
    await trio.sleep(10)
    assert exchange.ended_at is None


async def test_its_task_is_there_only_while_there_is_a_deadline_to_wait_for(autojump_clock: MockClock) -> None:
    zero = trio.current_time()
    deadlines = Deadlines()
    before = trio.lowlevel.current_statistics().tasks_living
    for start in (0, 100):
        deadlines.begin(FakeExchange(), zero + start + 1)
        await trio.sleep(0.5)
        assert trio.lowlevel.current_statistics().tasks_living == before + 1
        await trio.sleep(99.5)
        assert trio.lowlevel.current_statistics().tasks_living == before


async def receive(wire: Wire, arrived: list[bytes]) -> None:
    arrived.append(await wire.receive())


async def test_an_answer_that_has_arrived_when_its_deadline_passes_is_still_read() -> None:
    for _ in range(20):  # whether it is read before or after that, in the same turn of the loop, is random
        ours, theirs = socket.socketpair()
        wire = Wire(ours)
        arrived: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, wire, arrived)
            await trio.testing.wait_all_tasks_blocked()
            theirs.send(b"ok")
            await trio.lowlevel.checkpoint()
            wire.hang_up()
        wire.close()
        theirs.close()
        assert arrived == [b"ok"]


async def test_a_receiver_that_drips_gets_no_more_time(transport: EndpointTransport, mock_clock: MockClock) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(20):
            await exchange.send(b"x")
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked(0.005)

    async with open_receiver(drip) as receiver:
        started = trio.current_time()
        with pytest.raises(DeadlinePassed):
            await post(transport, receiver.url)
        assert trio.current_time() - started == pytest.approx(10, abs=1.01)
