"""Two receivers, and how they answer in virtual time."""

from collections.abc import Awaitable, Callable

import httpx
import trio

A, B = "https://a.example/hook", "https://b.example/hook"


async def hang(_request: httpx.Request) -> httpx.Response:
    """Never answer."""
    await trio.sleep_forever()
    raise AssertionError


def slow(seconds: float, status: int = 200) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Answer with this status after so many seconds."""

    async def answer(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(seconds)
        return httpx.Response(status)

    return answer
