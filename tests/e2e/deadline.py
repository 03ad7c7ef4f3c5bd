"""The time limit of every test here: a daemon that hangs fails its test instead of hanging the suite."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

import trio

P = ParamSpec("P")


def ends_within(seconds: float) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Make a test fail with trio.TooSlowError when it takes longer."""

    def limit(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @wraps(test)
        async def limited(*args: P.args, **kwargs: P.kwargs) -> None:
            with trio.fail_after(seconds):
                await test(*args, **kwargs)

        return limited

    return limit
