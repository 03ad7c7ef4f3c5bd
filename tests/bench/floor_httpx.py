"""Another floor of delivering: httpx with its own transport, one client per webhook, only the POSTs.

`python -m tests.bench.floor_httpx URL CLIENTS SECONDS REQUEST_FILE` prints `{"requests": …, "seconds": …}`.
"""

import gc
import json
import ssl
import sys
import time
from pathlib import Path

import httpx
import trio

from tests.bench.floor_loop import Count

Headers = list[tuple[str, str]]


def parse(request: bytes) -> tuple[Headers, bytes]:
    """Return the header fields and the body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)], body


async def post_for_ever(url: str, tls: ssl.SSLContext, headers: Headers, body: bytes, count: Count) -> None:
    """POST with one client, one request at a time."""
    async with httpx.AsyncClient(verify=tls, trust_env=False) as client:
        while True:
            (await client.post(url, headers=headers, content=body)).raise_for_status()
            count.requests += 1


async def main(url: str, clients: int, seconds: float, request: bytes) -> None:
    """POST with all clients until the time is over, and print what came of it."""
    headers, body = parse(request)
    tls = ssl.create_default_context()  # shared: each costs 22 ms
    count, started = Count(), time.perf_counter()
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(post_for_ever, url, tls, headers, body, count)
    print(json.dumps({"requests": count.requests, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    gc.freeze()  # as the daemon does
    trio.run(main, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]).read_bytes())
