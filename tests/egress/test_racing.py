"""Which of a name's addresses gets the connection, and when each is tried (contract "An attempt"; RFC 8305)."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.delivery.attempt_slots import AttemptSlots
from daemon.egress.addresses import Address
from daemon.egress.racing import NoMoreSockets, NoneConnected, connect_to_first
from tests.egress.conftest import MakeTransport
from tests.egress.posting import open_descriptors, post, resolving_to
from tests.support.receivers import open_receiver

SIX = tuple(ip_address(f"192.0.2.{last}") for last in range(1, 7))


@dataclass
class Lender:
    """Lends descriptors, and knows how many were out at most."""

    limit: int = 100
    out: int = 0
    most: int = 0

    def try_take_more(self) -> bool:
        if self.out == self.limit:
            return False
        self.out += 1
        self.most = max(self.most, self.out)
        return True

    def give_back_more(self, count: int) -> None:
        self.out -= count


@dataclass
class Network:
    """A network in virtual time: addresses answer after so many seconds, or never; all that is begun is kept here."""

    nursery: trio.Nursery
    answers_after: dict[Address, float] = field(default_factory=dict)
    refuse: tuple[Address, ...] = ()
    begun: list[tuple[Address, float]] = field(default_factory=list)
    ours: dict[Address, socket.socket] = field(default_factory=dict)
    theirs: list[socket.socket] = field(default_factory=list)

    def begin(self, address: Address, _port: int) -> socket.socket:
        self.begun.append((address, round(trio.current_time(), 3)))
        if address in self.refuse:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        self.ours[address], theirs = socket.socketpair()
        self.theirs.append(theirs)
        self.ours[address].setblocking(False)
        try:
            while True:
                self.ours[address].send(b"x" * 100_000)
        except BlockingIOError:
            pass  # it is not writable, as one that is being connected
        if address in self.answers_after:
            self.nursery.start_soon(self._answer, theirs, self.answers_after[address])
        return self.ours[address]

    async def _answer(self, theirs: socket.socket, after_s: float) -> None:
        await trio.sleep(after_s)
        theirs.setblocking(False)
        try:
            while theirs.recv(1_000_000):
                pass
        except BlockingIOError:
            pass

    def open_ones(self) -> list[Address]:
        return [address for address, one in self.ours.items() if one.fileno() != -1]


@pytest.fixture
def network(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    made = Network(nursery)
    monkeypatch.setattr("daemon.egress.racing._begin", made.begin)
    yield made
    for one in (*made.ours.values(), *made.theirs):
        one.close()


async def test_the_next_address_is_begun_250_ms_after_one_that_does_not_answer_and_the_losers_are_closed(
    network: Network, autojump_clock: MockClock
) -> None:
    network.answers_after, more = {SIX[2]: 0.1}, Lender()
    zero = trio.current_time()
    assert await connect_to_first(SIX, 443, more) is network.ours[SIX[2]]
    assert network.begun == [(SIX[0], zero), (SIX[1], zero + 0.25), (SIX[2], zero + 0.5)]
    assert network.open_ones() == [SIX[2]]
    assert (more.out, more.most) == (0, 3)  # two further sockets, and what watches all


async def test_an_earlier_address_may_still_win_after_a_later_one_was_begun(
    network: Network, autojump_clock: MockClock
) -> None:
    network.answers_after = {SIX[0]: 0.6}
    assert await connect_to_first(SIX[:2], 443, Lender()) is network.ours[SIX[0]]
    assert network.open_ones() == [SIX[0]]


async def test_the_next_address_is_begun_at_once_when_one_fails(network: Network, autojump_clock: MockClock) -> None:
    network.refuse, network.answers_after = SIX[:4], {SIX[5]: 0}
    zero, more = trio.current_time(), Lender()
    await connect_to_first(SIX, 443, more)
    assert network.begun == [*((address, zero) for address in SIX[:5]), (SIX[5], zero + 0.25)]


async def test_at_most_four_are_tried_at_once_and_the_oldest_makes_room(
    network: Network, autojump_clock: MockClock
) -> None:
    zero, more = trio.current_time(), Lender()
    with trio.move_on_after(10):
        await connect_to_first(SIX, 443, more)
    assert [at - zero for _, at in network.begun] == pytest.approx([0, 0.25, 0.5, 0.75, 3, 3.25])
    assert network.open_ones() == []
    assert (more.out, more.most) == (0, 4)


async def test_without_descriptors_to_spare_each_address_gets_its_share_of_the_time(
    network: Network, autojump_clock: MockClock
) -> None:
    zero = trio.current_time()
    with trio.move_on_after(10):
        await connect_to_first(SIX[:3], 443, NoMoreSockets())
    assert [at - zero for _, at in network.begun] == pytest.approx([0, 3, 6])
    with trio.move_on_after(1):
        await connect_to_first(SIX, 443, Lender(limit=1))  # one alone is no use: sockets have to be watched
    assert len(network.begun) == 3 + 4


async def test_one_address_has_the_whole_time_and_asks_for_nothing(network: Network, autojump_clock: MockClock) -> None:
    more = Lender()
    with trio.move_on_after(10) as whole:
        await connect_to_first(SIX[:1], 443, more)
    assert whole.cancelled_caught
    assert (len(network.begun), network.open_ones(), more.most) == (1, [], 0)


async def test_when_none_connects_each_address_has_its_reason(network: Network, autojump_clock: MockClock) -> None:
    network.refuse = (SIX[0], SIX[2])
    with pytest.raises(NoneConnected) as failed:
        await connect_to_first((SIX[0], SIX[2]), 443, Lender())
    assert [error and error.errno for error in failed.value.failures.values()] == [errno.ECONNREFUSED] * 2


def test_further_sockets_of_an_attempt_count_as_its_teams_and_only_while_nobody_waits() -> None:
    slots = AttemptSlots(10, lambda _: None)
    slot = slots.slot(lambda: None)
    assert not slot.try_take_more()  # it has none itself
    assert slot.try_take("a", failing=False)
    taken = 0
    while slot.try_take_more():
        taken += 1
    assert (taken, slots.in_flight, slots.more) == (7, 1, 7)  # three quarters: others have room
    assert slots.slot(lambda: None).try_take("b", failing=False)
    slot.give_back_more(7)
    slot.give_back()
    assert (slots.in_flight, slots.more) == (1, 0)


async def test_whoever_waits_for_a_slot_comes_before_further_sockets() -> None:
    slots = AttemptSlots(2, lambda _: None)
    racing, waiting = slots.slot(lambda: None), slots.slot(lambda: None)
    assert racing.try_take("a", failing=False)
    assert racing.try_take_more()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.take, "b", False)
        await wait_all_tasks_blocked()
        assert slots.waiting == 1
        assert not racing.try_take_more()
        racing.give_back_more(1)
    assert (slots.in_flight, slots.more) == (2, 0)


def test_idle_connections_make_room_for_further_sockets() -> None:
    slots, closed = AttemptSlots(3, lambda _: None), list[str]()
    idle, racing = slots.slot(lambda: closed.append("idle")), slots.slot(lambda: None)
    assert idle.try_take("a", failing=False)
    idle.give_back(keeps_connection=True)
    assert racing.try_take("b", failing=False)
    assert racing.try_take_more()
    assert closed == []
    assert racing.try_take_more()
    assert closed == ["idle"]


# -- with real sockets


@contextmanager
def silent_listener(port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """Make this address drop whatever wants to connect to the port: its backlog is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex((host, port))
        yield


async def test_a_silent_first_address_costs_a_quarter_of_a_second_and_leaves_no_descriptor(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    statuses, more = [], Lender()
    transport = make_transport(resolving_to("127.0.0.1", "127.0.0.3", "127.0.0.2"))
    transport.take_more_from(more)

    async def deliver() -> None:
        statuses.append((await post(transport, f"http://hooks.example.com:{receiver.port}/"))[0])

    async with open_receiver(host="127.0.0.2") as receiver, trio.open_nursery() as nursery:
        with silent_listener(receiver.port), silent_listener(receiver.port, "127.0.0.3"):
            before = open_descriptors()
            nursery.start_soon(deliver)
            for _ in range(2):
                await wait_all_tasks_blocked()
                assert receiver.connections == 0
                mock_clock.jump(0.25)
            await receiver.received(1)
            await wait_all_tasks_blocked()
            assert (statuses, more.out) == ([200], 0)
            transport.close()
            await receiver.disconnected()
            assert open_descriptors() == before


async def test_a_family_that_is_down_costs_a_quarter_of_a_second(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    transport = make_transport(resolving_to("127.0.0.1", "::1"))
    transport.take_more_from(Lender())
    async with open_receiver(host="::1") as receiver, trio.open_nursery() as nursery:
        with silent_listener(receiver.port):
            nursery.start_soon(post, transport, f"http://hooks.example.com:{receiver.port}/")
            await wait_all_tasks_blocked()
            mock_clock.jump(0.25)
            await receiver.received(1)


async def test_a_single_silent_address_may_take_the_whole_deadline(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    async with open_receiver(host="127.0.0.2") as receiver, trio.open_nursery() as nursery:
        with silent_listener(receiver.port):
            transport = make_transport(resolving_to("127.0.0.1"))
            nursery.start_soon(post, transport, f"http://hooks.example.com:{receiver.port}/")
            await wait_all_tasks_blocked()
            mock_clock.jump(9.9)
            await wait_all_tasks_blocked()
            assert nursery.child_tasks
            nursery.cancel_scope.cancel()
