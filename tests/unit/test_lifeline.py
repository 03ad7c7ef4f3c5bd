import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import StoreUnavailable
from daemon.systemd.notify import LONGEST_WORK_S, ServiceManager, extend_start, feed_watchdog, find_service_manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        yield receiver


def line_to(receiver: socket.socket, **more: str) -> ServiceManager:
    return find_service_manager({"NOTIFY_SOCKET": receiver.getsockname(), **more}, pid=4711)


async def test_ready_stopping_and_status_reach_the_manager(manager: socket.socket) -> None:
    service_manager = line_to(manager)
    await service_manager.ready("listening on 127.0.0.1:8480")
    await service_manager.status("3 webhooks\nREADY=0")
    await service_manager.stopping()
    received = [manager.recv(1000) for _ in range(3)]
    assert received == [
        b"READY=1\nSTATUS=listening on 127.0.0.1:8480",
        b"STATUS=3 webhooks READY=0",
        b"STOPPING=1",
    ]


async def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # the kernel picks a free abstract name
        name = receiver.getsockname().decode().replace("\0", "@", 1)
        await find_service_manager({"NOTIFY_SOCKET": name}).ready()
        assert receiver.recv(1000) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
async def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    service_manager = find_service_manager({**environment, "WATCHDOG_USEC": "1000"})
    assert service_manager == ServiceManager()
    await service_manager.ready()
    await feed_watchdog(service_manager, trio.sleep_forever)


async def test_a_manager_that_went_away_does_not_harm(tmp_path: Path) -> None:
    await find_service_manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


async def test_a_full_queue_is_waited_for(manager: socket.socket) -> None:
    service_manager = line_to(manager)
    _fill_queue_of(manager)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service_manager.ready)
        await trio.testing.wait_all_tasks_blocked()
        received = [manager.recv(1000)]
    manager.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            received.append(manager.recv(1000))
    assert received[-1] == b"READY=1"


async def test_a_manager_that_hangs_delays_the_daemon_by_two_seconds_at_most(
    manager: socket.socket, autojump_clock: MockClock
) -> None:
    service_manager = line_to(manager)
    _fill_queue_of(manager)
    await service_manager.ready()
    assert trio.current_time() == 2


def _fill_queue_of(receiver: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.connect(receiver.getsockname())
        filler.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                filler.send(b"X=1")


async def test_the_watchdog_is_fed_at_half_its_time(manager: socket.socket, autojump_clock: MockClock) -> None:
    service_manager = line_to(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID="4711")
    assert service_manager.watchdog_s == 30
    with trio.move_on_after(46):
        await feed_watchdog(service_manager, trio.lowlevel.checkpoint)
    manager.setblocking(False)
    assert [manager.recv(1000) for _ in range(4)] == [b"WATCHDOG=1"] * 4
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


async def test_a_store_that_hangs_starves_the_watchdog(manager: socket.socket, autojump_clock: MockClock) -> None:
    with trio.move_on_after(100):
        await feed_watchdog(line_to(manager, WATCHDOG_USEC="30000000"), trio.sleep_forever)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


async def test_a_store_that_is_at_work_for_long_does_not_starve_it(
    manager: socket.socket, autojump_clock: MockClock
) -> None:
    service_manager, work = line_to(manager, WATCHDOG_USEC="30000000"), itertools.count()
    with trio.move_on_after(70):
        await feed_watchdog(service_manager, trio.sleep_forever, lambda: next(work))
    manager.setblocking(False)
    assert [manager.recv(1000) for _ in range(9)] == [b"WATCHDOG=1"] * 9


async def test_a_store_that_stops_working_without_an_answer_starves_it(
    manager: socket.socket, autojump_clock: MockClock
) -> None:
    service_manager, work = line_to(manager, WATCHDOG_USEC="30000000"), iter([*range(4), *[4] * 100])
    with trio.move_on_after(200):
        await feed_watchdog(service_manager, trio.sleep_forever, lambda: next(work))
    manager.setblocking(False)
    assert [manager.recv(1000) for _ in range(4)] == [b"WATCHDOG=1"] * 4
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


async def test_work_without_an_end_starves_it_after_ten_minutes(
    manager: socket.socket, autojump_clock: MockClock
) -> None:
    service_manager, work, beats = line_to(manager, WATCHDOG_USEC="600000000"), itertools.count(), []
    with trio.move_on_after(LONGEST_WORK_S * 3):
        await feed_watchdog(service_manager, trio.sleep_forever, lambda: next(work))
    manager.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            beats.append(manager.recv(1000))
    assert beats == [b"WATCHDOG=1"] * 4


async def test_a_start_that_is_getting_on_is_given_more_time(manager: socket.socket, autojump_clock: MockClock) -> None:
    work = iter([0, 1, 2, *[3] * 10])
    with trio.move_on_after(100):
        await extend_start(line_to(manager), lambda: next(work))
    manager.setblocking(False)
    assert [manager.recv(1000) for _ in range(3)] == [b"EXTEND_TIMEOUT_USEC=60000000"] * 3
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


async def test_a_store_that_fails_does_not_starve_it(manager: socket.socket, autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise StoreUnavailable("the disk is full")

    with trio.move_on_after(20):
        await feed_watchdog(line_to(manager, WATCHDOG_USEC="30000000"), fail)
    assert [manager.recv(1000) for _ in range(2)] == [b"WATCHDOG=1"] * 2


@pytest.mark.parametrize(
    "environment",
    [{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {}],
)
def test_a_watchdog_for_another_process_or_none_is_not_fed(environment: dict[str, str]) -> None:
    assert find_service_manager({"NOTIFY_SOCKET": "/run/notify", **environment}, pid=4711).watchdog_s is None


def test_a_watchdog_without_a_pid_is_for_this_process() -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "500000"}
    assert find_service_manager(environment).watchdog_s == 0.5
    assert find_service_manager({**environment, "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 0.5
