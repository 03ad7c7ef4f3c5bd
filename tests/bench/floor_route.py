"""The floor of accepting: a Quart-Trio route that reads the body and answers 202, on the daemon's own server.

`python -m tests.bench.floor_route` prints its port, and serves until its stdin is closed.
"""

import gc
import sys
from functools import partial

import trio
from quart import Response, request
from quart_trio import QuartTrio

from api.server.listeners import open_listeners
from api.server.serve import serve_api
from daemon.config.settings import LogSettings
from daemon.telemetry.log import make_logger

_ANSWER = b'{"id":"evt_01k0a3bq5t8v2x4z6c8e0g2j4m","deliveries":1}'


def create_floor() -> QuartTrio:
    """Return the least that an application can do with a submission."""
    app = QuartTrio("floor", static_folder=None)

    @app.post("/v1/events")
    async def take() -> Response:
        await request.get_data()
        return Response(_ANSWER, 202, content_type="application/json")

    return app


async def main() -> None:
    """Serve on an ephemeral port until stdin is closed."""
    listeners, stop = await open_listeners("127.0.0.1:0"), trio.Event()
    log = make_logger(LogSettings(format="json"), sys.stderr.buffer)
    serve = partial(serve_api, create_floor(), listeners, stop=stop, grace_s=1, max_connections=1000, log=log)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        gc.freeze()  # as the daemon does
        print(f'{{"port": {listeners[0].socket.getsockname()[1]}}}', flush=True)
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        stop.set()


if __name__ == "__main__":
    trio.run(main)
