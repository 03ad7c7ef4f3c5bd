"""Connecting to the first of a name's addresses that takes the connection: "happy eyeballs" (RFC 8305, 5).

One task with an epoll instance, not a task for each address: so a cancel stays one Cancelled, in no group.
"""

import math
import os
import select
import socket
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from ipaddress import IPv6Address
from typing import Protocol

import trio

from daemon.egress.addresses import Address

# The next address is begun when the one before has not answered for so long ("Connection Attempt Delay").
_ATTEMPT_DELAY_S = 0.25
_MOST_AT_ONCE = 4
# The longest time for an address that does not answer, while others wait for its descriptor (two SYN are lost by then).
_LONGEST_TRY_S = 3.0


class MoreSockets(Protocol):
    """Where an attempt, which has one descriptor, gets further ones for a while."""

    def try_take_more(self) -> bool:
        """Take one more descriptor if it can be had now; return whether it was."""
        ...

    def give_back_more(self, count: int) -> None:
        """Give so many back: their sockets are closed."""
        ...


class NoMoreSockets:
    """There are none: one address is tried after the other."""

    def try_take_more(self) -> bool:
        """See MoreSockets."""
        return False

    def give_back_more(self, count: int) -> None:
        """See MoreSockets."""


class NoneConnected(Exception):
    """No address took the connection. `failures` says why, by address; None is one that did not answer in time."""

    def __init__(self, failures: Mapping[Address, OSError | None]) -> None:
        super().__init__("no address took the connection")
        self.failures = failures


async def connect_to_first(addresses: Sequence[Address], port: int, more: MoreSockets) -> socket.socket:
    """Return a socket connected to the first address that takes the connection; all others are closed by then.

    Addresses are begun in their order: the next one when one has failed, or has not answered for 250 ms. At most four
    are tried at once, with a descriptor of `more` for each beyond the first and one to watch them. While there is none,
    the first has to fail or gets 3 s, or an equal share of the time left, before the next one has its turn. Runs under
    the caller's deadline. Raises NoneConnected.
    """
    if len(addresses) == 1:
        return await _connect_to(addresses[0], port)
    with closing(_Race(addresses, port, more)) as race:
        return await race.run()


async def _connect_to(address: Address, port: int) -> socket.socket:
    try:
        connecting = _begin(address, port)
    except OSError as error:
        raise NoneConnected({address: error}) from None
    try:
        await trio.lowlevel.wait_writable(connecting)
        if (failure := _error_of(connecting)) is not None:
            raise NoneConnected({address: failure})
    except BaseException:
        connecting.close()
        raise
    return connecting


class _Race:
    """The addresses that wait for their turn, and the sockets that are being connected, oldest first."""

    def __init__(self, addresses: Iterable[Address], port: int, more: MoreSockets) -> None:
        self._waiting = deque(addresses)
        self._port = port
        self._more = more
        self._taken = 0
        self._poll: select.epoll | None = None
        self._open: dict[socket.socket, tuple[Address, float]] = {}
        self._failures: dict[Address, OSError | None] = {}

    async def run(self) -> socket.socket:
        while self._waiting or self._open:
            wait_s, has_room = math.inf, bool(self._waiting) and self._has_room()
            if self._waiting:
                if has_room and not self._begin(self._waiting.popleft()):
                    continue
                wait_s = _ATTEMPT_DELAY_S if has_room else self._patience_s()
            with trio.move_on_after(wait_s) as waiting:
                if (connected := await self._next_connected()) is not None:
                    return connected
            if waiting.cancelled_caught and not has_room:
                self._give_up_oldest()
        raise NoneConnected(self._failures)

    def close(self) -> None:
        for connecting in self._open:
            connecting.close()
        if self._poll is not None:
            self._poll.close()
        if self._taken:
            self._more.give_back_more(self._taken)

    def _has_room(self) -> bool:
        """Whether one more may be begun: beyond the first it needs a descriptor, as does the epoll instance."""
        if not self._open:
            return True
        if len(self._open) == _MOST_AT_ONCE:
            return False
        while self._taken <= len(self._open):
            if not self._more.try_take_more():
                return False
            self._taken += 1
        return self._watches_all()

    def _watches_all(self) -> bool:
        if self._poll is None:
            try:
                self._poll = select.epoll()
            except OSError:
                return False
            for connecting in self._open:
                self._poll.register(connecting, select.EPOLLOUT)
        return True

    def _begin(self, address: Address) -> bool:
        self._failures[address] = None
        try:
            connecting = _begin(address, self._port)
        except OSError as error:
            self._failures[address] = error
            return False
        self._open[connecting] = address, trio.current_time()
        if self._poll is not None:
            self._poll.register(connecting, select.EPOLLOUT)
        return True

    def _patience_s(self) -> float:
        """Return the seconds that the oldest one still has, while another waits for its descriptor."""
        now, (_, begun_at) = trio.current_time(), next(iter(self._open.values()))
        share_s = (trio.current_effective_deadline() - begun_at) / (len(self._waiting) + 1)
        return max(0.0, begun_at + max(_ATTEMPT_DELAY_S, min(_LONGEST_TRY_S, share_s)) - now)

    def _give_up_oldest(self) -> None:
        oldest = next(iter(self._open))
        del self._open[oldest]
        oldest.close()

    async def _next_connected(self) -> socket.socket | None:
        """Wait until something becomes of a socket; return it if it is connected, None if it failed."""
        for ready in await self._ready():
            address, _ = self._open.pop(ready)
            if (error := _error_of(ready)) is None:
                return ready
            self._failures[address] = error
            ready.close()
        return None

    async def _ready(self) -> Sequence[socket.socket]:
        if self._poll is None or len(self._open) == 1:
            (only,) = self._open
            await trio.lowlevel.wait_writable(only)
            return (only,)
        await trio.lowlevel.wait_readable(self._poll.fileno())
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        return [connecting for connecting in self._open if connecting.fileno() in ready]


def _begin(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):
            connecting.connect((str(address), port))
    except BaseException:
        connecting.close()
        raise
    return connecting


def _error_of(connecting: socket.socket) -> OSError | None:
    code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(code, os.strerror(code)) if code else None
