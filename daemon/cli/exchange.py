"""One request and its answer, of which neither the length nor the time is the server's to choose."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

TIMEOUT_S = 30
_LONGEST_ANSWER = 64 * 1024 * 1024


class AnswerTooLong(Exception):
    """No answer of the daemon is as long as this one."""


class AnswerTooSlow(Exception):
    """The answer came on and on, but did not end in time."""


def exchange(http: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    """Send a request and return its answer with the whole body. Raises httpx's errors, AnswerTooLong, AnswerTooSlow."""
    with _within(TIMEOUT_S), http.stream(method, path, **arguments) as response:
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > _LONGEST_ANSWER:
                raise AnswerTooLong
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=bytes(content), extensions=response.extensions)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Bound all of it: httpx bounds each wait alone, and one byte a second would never end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_slow(_number: int, _frame: object) -> None:
    raise AnswerTooSlow
