"""A receiver that answers 200 at once and notes when the first byte of each delivery was there.

`python -m tests.bench.stamping_receiver` prints its port and serves until its stdin is closed; then it prints a JSON
object: the event's number (`data.n`) to the time of its first byte in ns (CLOCK_MONOTONIC, the same in every process).
"""

import asyncio
import gc
import json
import re
import time

import httptools

from tests.bench.serving import serve_until_told

_NUMBER = re.compile(rb'"n":(\d+)')
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Stamping(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, stamps: dict[int, int]) -> None:
        self._stamps = stamps
        self._parser = httptools.HttpRequestParser(self)
        self._first_byte_at = 0
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._first_byte_at:
            self._first_byte_at = time.perf_counter_ns()
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)
        if (found := _NUMBER.search(self._body)) is not None:
            self._stamps.setdefault(int(found[1]), self._first_byte_at)
        self._first_byte_at, self._body = 0, b""


def main() -> None:
    """Serve, then print what was noted."""
    stamps: dict[int, int] = {}
    gc.disable()
    asyncio.run(serve_until_told(lambda: Stamping(stamps)))
    print(json.dumps(stamps), flush=True)


if __name__ == "__main__":
    main()
