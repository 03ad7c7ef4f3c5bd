"""What a receiver may do with a connection, for the table of receivers from hell."""

import socket

import trio

from tests.faults.hell_server import Conduct, Connection

PAUSE_S = 0.03


async def say_nothing(_connection: Connection) -> None:
    """Read on, and never answer: the healthy receiver behind it answers whole requests only."""


async def stop_reading(connection: Connection) -> None:
    """Neither read nor answer."""
    await connection.victim_is_gone.wait()


def sends(*pieces: bytes) -> Conduct:
    """Send these pieces, each by itself, and keep the connection open."""

    async def conduct(connection: Connection) -> None:
        for piece in pieces:
            await connection.send(piece)

    return conduct


def sends_and_closes(*pieces: bytes) -> Conduct:
    """Send these pieces and close, under TLS without a goodbye (RFC 9112, 9.8)."""

    async def conduct(connection: Connection) -> None:
        await sends(*pieces)(connection)
        await connection.close()

    return conduct


def sends_and_says_goodbye(*pieces: bytes) -> Conduct:
    """Send these pieces and close; under TLS with close_notify."""

    async def conduct(connection: Connection) -> None:
        await sends(*pieces)(connection)
        if isinstance(connection.stream, trio.SSLStream):
            await connection.stream.unwrap()  # its aclose() says nothing when it is made for HTTPS
        await connection.raw.aclose()

    return conduct


def sends_and_resets(*pieces: bytes) -> Conduct:
    """Send these pieces and then RST."""

    async def conduct(connection: Connection) -> None:
        await sends(*pieces)(connection)
        await connection.reset()

    return conduct


def sends_and_shuts_its_side(*pieces: bytes) -> Conduct:
    """Send these pieces and FIN, and go on reading."""

    async def conduct(connection: Connection) -> None:
        await sends(*pieces)(connection)
        connection.raw.socket.shutdown(socket.SHUT_WR)

    return conduct


def sends_and_waits(first: bytes, then: bytes) -> Conduct:
    """Send `first`, and `then` if the client uses the connection again."""

    async def conduct(connection: Connection) -> None:
        await connection.send(first)
        if await connection.stream.receive_some():
            await connection.send(then)

    return conduct


def floods(start: bytes, piece: bytes) -> Conduct:
    """Send `start`, and then `piece` as fast as the client takes it, until it leaves."""

    async def conduct(connection: Connection) -> None:
        await connection.send(start)
        while True:
            await connection.send(piece)

    return conduct


def drips(start: bytes, rest: bytes, pause_s: float = PAUSE_S) -> Conduct:
    """Send `start`, and then `rest` again and again, a byte at a time, until the client leaves."""

    async def conduct(connection: Connection) -> None:
        await connection.send(start)
        while True:
            for number in range(len(rest)):
                await trio.sleep(pause_s)
                await connection.send(rest[number : number + 1])

    return conduct


def sends_below_tls(first: bytes, raw: bytes) -> Conduct:
    """Send `first` as it should be, and then `raw` past TLS, right on the socket."""

    async def conduct(connection: Connection) -> None:
        await connection.send(first)
        await connection.raw.send_all(raw)

    return conduct


def echoes() -> Conduct:
    """Send the request back."""

    async def conduct(connection: Connection) -> None:
        await connection.send(b"POST /hook HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Length: 2\r\n\r\n{}")

    return conduct


def sends_urgent_data(before: bytes, after: bytes) -> Conduct:
    """Send a byte of TCP's urgent data in the middle of a response."""

    async def conduct(connection: Connection) -> None:
        await connection.send(before)
        await connection.raw.socket.send(b"!", socket.MSG_OOB)
        await connection.send(after)

    return conduct
