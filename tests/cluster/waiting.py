"""Waiting for what tells nobody when it is there: another node's doing."""

from collections.abc import Callable

import trio


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Wait until `condition` is true. Fails the test when it is not in time."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - it becomes true in another task's database
            await trio.sleep(0.02)
