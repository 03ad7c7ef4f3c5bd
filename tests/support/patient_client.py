"""A client for a daemon that may be killed in the middle of a request."""

from collections.abc import AsyncIterator

import httpx


def make_patient_client(url: str, key: str, timeout_s: float) -> httpx.AsyncClient:
    """Return a client whose requests can be cut off anywhere and leave nothing behind."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        verify=False,
        timeout=timeout_s,
        event_hooks={"request": [_replace_body]},
    )


async def _replace_body(request: httpx.Request) -> None:
    request.stream = _Body(request.content)


class _Body(httpx.AsyncByteStream):
    """httpx's own is an asynchronous generator: one that a broken connection left unfinished is a ResourceWarning, in
    whichever test the garbage collector finds it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    def __init__(self, content: bytes) -> None:
        self._idle = [content]

    async def __anext__(self) -> bytes:
        if not self._idle:
            raise StopAsyncIteration
        return self._idle.pop()
