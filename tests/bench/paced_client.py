"""A client that submits events at a fixed rate, whatever the answers, and notes when each 202 was there.

`python -m tests.bench.paced_client PORT KEY_FILE RATE EVENTS CONNECTIONS` prints a JSON object at the end: the event's
number (`data.n`) to two times in ns (CLOCK_MONOTONIC, the same in every process): when it was sent, and when its 202
could be read. With the rate `inf` each connection sends its next event as soon as the last one is answered.
"""

import asyncio
import gc
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import httptools

from tests.bench.events import event

_LAST_ANSWER_S = 10
_SLOWEST = 20  # events a second, when each waits for its turn


@dataclass(slots=True)
class Run:
    """What is sent and answered. A number waits when every connection has a request in flight."""

    key: str
    total: int
    answered: dict[int, tuple[int, int]] = field(default_factory=dict)
    idle: deque["Connection"] = field(default_factory=deque)
    waiting: deque[int] = field(default_factory=deque)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, number: int) -> None:
        """Send an event now, or as soon as a connection is idle."""
        self.waiting.append(number)
        self.send_waiting()

    def send_waiting(self) -> None:
        """Send what waits over what is idle."""
        while self.waiting and self.idle:
            self.idle.popleft().send(self.waiting.popleft())

    def request(self, number: int) -> bytes:
        """Return the bytes that submit an event."""
        body = json.dumps(event(number), separators=(",", ":")).encode()
        return (
            f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


class Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._number = 0
        self._sent_at = 0
        self._readable_at = 0
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._run.idle.append(self)

    def send(self, number: int) -> None:
        """Submit the event with this number."""
        request = self._run.request(number)
        self._number, self._sent_at = number, time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._readable_at = time.perf_counter_ns()
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        run, status = self._run, self._parser.get_status_code()
        assert status == 202, f"the daemon answered {status}"
        run.answered[self._number] = self._sent_at, self._readable_at
        run.idle.append(self)
        run.send_waiting()
        if len(run.answered) == run.total:
            run.done.set()


async def main(port: int, key: str, *, rate: float, events: int, connections: int) -> None:
    """Submit events at a fixed rate and print what was answered."""
    loop, run = asyncio.get_running_loop(), Run(key, events)
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)
    started = loop.time()
    for number in range(run.total):
        if (early_s := started + number / rate - loop.time()) > 0:
            await asyncio.sleep(early_s)
        run.submit(number)
    async with asyncio.timeout(_LAST_ANSWER_S + events / _SLOWEST):
        await run.done.wait()
    print(json.dumps(run.answered))


if __name__ == "__main__":
    gc.disable()
    key = Path(sys.argv[2]).read_text("ascii").strip()
    rate, events, connections = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    asyncio.run(main(int(sys.argv[1]), key, rate=rate, events=events, connections=connections))
