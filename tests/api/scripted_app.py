"""An application whose answers take as long as a test wants, and requests for it."""

from typing import Any

import trio

from api.http.auth import KEY_PRESENTED
from tests.support.api_server import Served, exchange

HELLO = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n"
KNOWN = b"GET /known HTTP/1.1\r\nhost: x\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n"


class ScriptedApp:
    """/hello answers at once, /large more than any socket buffer holds, /held when `release` is set, /broken raises.

    /known shows a key, and answers at once.
    """

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.release = trio.Event()
        self.cancelled = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, receive, nursery)
            if scope["path"] == "/known":
                scope[KEY_PRESENTED]()
            await self._answer(scope["path"], send)
            nursery.cancel_scope.cancel()

    async def _watch(self, receive: Any, nursery: trio.Nursery) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        nursery.cancel_scope.cancel()

    async def _answer(self, path: str, send: Any) -> None:
        if path == "/broken":
            raise RuntimeError("a bug")
        if path == "/held":
            await self._hold()
        body = bytes(64 * 1024 * 1024) if path == "/large" else b"hello"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self.arrived.set()
        await send({"type": "http.response.body", "body": body})

    async def _hold(self) -> None:
        self.arrived.set()
        try:
            await self.release.wait()
        except trio.Cancelled:
            self.cancelled.set()
            raise


async def say_hello(served: Served) -> tuple[int, bytes]:
    async with await served.connect() as stream:
        return await exchange(stream, HELLO)
