"""A receiver that notes when the first byte of the first delivery arrives, and answers nothing."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

_QUEUE = 4096


@dataclass(slots=True)
class Arrival:
    """When the first byte came (`time.perf_counter()`); `seen` is set then."""

    at: float = 0
    seen: trio.Event = field(default_factory=trio.Event)


def reserve_port() -> socket.socket:
    """Return a socket that keeps a port of the loopback address for those that listen there from time to time."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


@asynccontextmanager
async def first_arrival(reserved: socket.socket) -> AsyncIterator[Arrival]:
    """Listen on the reserved port; connections after the first one are left to the kernel's queue."""
    arrival = Arrival()
    with trio.socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await listener.bind(reserved.getsockname())
        listener.listen(_QUEUE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_note, listener, arrival)
            yield arrival
            nursery.cancel_scope.cancel()


async def _note(listener: trio.socket.SocketType, arrival: Arrival) -> None:
    connection, _ = await listener.accept()
    with connection:
        await trio.lowlevel.wait_readable(connection)
        arrival.at = time.perf_counter()
        arrival.seen.set()
        await trio.sleep_forever()
