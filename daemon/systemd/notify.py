"""The service manager: readiness, status and the watchdog, after sd_notify(3). Without systemd, nothing is sent.

The unit sets Type=notify and WatchdogSec=.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import trio

from daemon.domain.errors import StoreUnavailable

# Systemd's queue drains within milliseconds; a READY that got lost would leave the unit starting for ever.
_SEND_DEADLINE_S = 2
# No command of ours works for so long: what does is caught in a circle.
LONGEST_WORK_S = 600
_START_EXTENDED_S = 60


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where to notify: `address` is the socket of the service manager, None without one.

    `watchdog_s` is how long the manager waits for a sign of life, None when it does not watch this process.
    """

    address: str | bytes | None = None
    watchdog_s: float | None = None

    async def ready(self, status: str = "") -> None:
        """Say READY=1: the start is over and requests are taken."""
        await self._send("READY=1", *_status(status))

    async def stopping(self, status: str = "") -> None:
        """Say STOPPING=1: the stop has begun."""
        await self._send("STOPPING=1", *_status(status))

    async def status(self, text: str) -> None:
        """Say STATUS=: one line for `systemctl status`."""
        await self._send(*_status(text))

    async def keep_alive(self) -> None:
        """Say WATCHDOG=1: the event loop turns, and the store answers or is at work."""
        await self._send("WATCHDOG=1")

    async def extend_timeout(self, seconds: int) -> None:
        """Say EXTEND_TIMEOUT_USEC=: the start, which is getting on, may take so much longer from now."""
        await self._send(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    async def _send(self, *lines: str) -> None:
        """Send one datagram. Never raises but Cancelled, and tries for at most 2 s: the daemon outlives its manager."""
        if self.address is None:
            return
        message = "\n".join(lines).encode()
        with (
            trio.move_on_after(_SEND_DEADLINE_S),
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.connect(self.address)  # connected, because only then does the kernel tell when its queue has room
            await _send_when_there_is_room(sender, message)


async def _send_when_there_is_room(sender: socket.socket, message: bytes) -> None:
    while True:
        try:
            sender.send(message)
            return
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sender)


def find_service_manager(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> ServiceManager:
    """Return the service manager that `environment` describes: NOTIFY_SOCKET (a path, or `@name` for an abstract one),
    and WATCHDOG_USEC unless WATCHDOG_PID names another process than `pid` (default: this one).

    What is missing or malformed is as if it were not there.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return ServiceManager()
    return ServiceManager(
        b"\0" + os.fsencode(address[1:]) if address.startswith("@") else address,
        _watchdog_s(environment, os.getpid() if pid is None else pid),
    )


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    watched = environment.get("WATCHDOG_PID") or str(pid)
    if not microseconds.isdecimal() or int(microseconds) == 0 or watched != str(pid):
        return None
    return int(microseconds) / 1_000_000


def _status(text: str) -> tuple[str, ...]:
    one_line = " ".join(text.split())
    return (f"STATUS={one_line}",) if one_line else ()


async def feed_watchdog(
    service_manager: ServiceManager,
    check_store: Callable[[], Awaitable[object]],
    work_done: Callable[[], int] = lambda: 0,
) -> None:
    """Send a sign of life every half of the watchdog's time until cancelled; returns at once if nobody watches.

    It runs as a task of the event loop that does the work, and asks the store first: if either hangs, no sign is sent,
    and systemd restarts the daemon. A store that answers with StoreUnavailable (a full disk, say) does not hang, and a
    restart would mend nothing. Nor does one that is at work: while `work_done()`, a count, goes on rising, signs are
    sent without its answer, for `LONGEST_WORK_S` at most.
    """
    if service_manager.watchdog_s is None:
        return
    while True:
        await _answer_or_work(
            service_manager, service_manager.watchdog_s / 4, check_store=check_store, work_done=work_done
        )
        await service_manager.keep_alive()
        await trio.sleep(service_manager.watchdog_s / 2)


async def _answer_or_work(
    service_manager: ServiceManager,
    look_each_s: float,
    check_store: Callable[[], Awaitable[object]],
    work_done: Callable[[], int],
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_alive_while_working, service_manager, look_each_s, LONGEST_WORK_S, work_done)
        with suppress(StoreUnavailable):
            await check_store()
        nursery.cancel_scope.cancel()


async def extend_start(service_manager: ServiceManager, work_done: Callable[[], int]) -> None:
    """Have the manager wait longer for READY=1 while `work_done()` goes on rising, until cancelled."""
    before = work_done()
    while True:
        await trio.sleep(_START_EXTENDED_S / 4)
        if (now := work_done()) != before:
            before = now
            await service_manager.extend_timeout(_START_EXTENDED_S)


async def _keep_alive_while_working(
    service_manager: ServiceManager, look_each_s: float, longest_s: float, work_done: Callable[[], int]
) -> None:
    before, give_up_at = work_done(), trio.current_time() + longest_s
    while trio.current_time() < give_up_at:
        await trio.sleep(look_each_s)
        if (now := work_done()) != before:
            before = now
            await service_manager.keep_alive()
