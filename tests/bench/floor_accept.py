"""The floor of accepting: bare Trio streams and httptools, which read the same request and answer 202.

`python -m tests.bench.floor_accept` prints its port, and serves until its stdin is closed.
"""

import gc
import sys
from contextlib import suppress

import httptools
import trio

_BODY = b'{"id":"evt_01k0a3bq5t8v2x4z6c8e0g2j4m","deliveries":1}'
_ANSWER = b"HTTP/1.1 202 \r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_CHUNK = 16384


class Submission:
    """What llhttp calls: the body that has come, and whether it is all there."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


async def answer_each(stream: trio.SocketStream) -> None:
    """Answer the requests of one connection, one at a time, until it is closed."""
    submission = Submission()
    parser = httptools.HttpRequestParser(submission)
    while data := await stream.receive_some(_CHUNK):
        parser.feed_data(data)
        if submission.complete:
            await stream.send_all(_ANSWER)
            submission.body, submission.complete = b"", False


async def main() -> None:
    """Serve on an ephemeral port until stdin is closed."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, _until_gone, listeners)
        gc.freeze()  # as the daemon does
        print(f'{{"port": {listeners[0].socket.getsockname()[1]}}}', flush=True)
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        nursery.cancel_scope.cancel()


async def _until_gone(stream: trio.SocketStream) -> None:
    # wrk closes its connections at the end, whatever is under way.
    with suppress(trio.BrokenResourceError):
        await answer_each(stream)


if __name__ == "__main__":
    trio.run(main)
