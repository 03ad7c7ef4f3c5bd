"""The floor of delivering: bare Trio streams and httptools, which POST the same bytes for so long.

`python -m tests.bench.floor_loop PORT CONNECTIONS SECONDS REQUEST_FILE` prints `{"requests": …, "seconds": …}`.
"""

import gc
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httptools
import trio


@dataclass(slots=True)
class Count:
    """Answers so far."""

    requests: int = 0


class Answer:
    """What llhttp calls: is the answer complete?"""

    def __init__(self) -> None:
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True


async def post_for_ever(port: int, request: bytes, count: Count) -> None:
    """POST over one connection, one request at a time."""
    stream, answer = await trio.open_tcp_stream("127.0.0.1", port), Answer()
    parser = httptools.HttpResponseParser(answer)
    while True:
        await stream.send_all(request)
        while not answer.complete:
            parser.feed_data(await stream.receive_some(16384))
        assert parser.get_status_code() == 200
        answer.complete = False
        count.requests += 1


async def main(port: int, connections: int, seconds: float, request: bytes) -> None:
    """POST over all connections until the time is over, and print what came of it."""
    count, started = Count(), time.perf_counter()
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for _ in range(connections):
                nursery.start_soon(post_for_ever, port, request, count)
    print(json.dumps({"requests": count.requests, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    gc.freeze()  # as the daemon does
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]).read_bytes())
