"""How the bench's own servers come and go: they print their port, and end when their stdin is closed."""

import asyncio
import sys
from collections.abc import Callable


async def serve_until_told(protocol: Callable[[], asyncio.BaseProtocol]) -> None:
    """Serve on an ephemeral port of the loopback address until stdin is closed."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=4096)
    print(f'{{"port": {server.sockets[0].getsockname()[1]}}}', flush=True)
    loop.add_reader(sys.stdin.fileno(), told.set)
    await told.wait()
    server.close()
