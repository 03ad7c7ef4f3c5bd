"""Waiting for what tells nobody when it happens: another program's state; and programs that run to their end."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float, every_s: float = 0.1) -> None:
    """Ask again and again until it is so. Raises trio.TooSlowError."""
    with trio.fail_after(within_s):
        while not await condition():  # noqa: ASYNC110 - nobody would set an event
            await trio.sleep(every_s)


async def run_to_end(*command: str | Path) -> None:
    """Run a program. Raises AssertionError with all that it said if it fails."""
    done = await trio.run_process(
        list(map(str, command)), capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd="/"
    )
    assert done.returncode == 0, (command, done.stdout.decode())
