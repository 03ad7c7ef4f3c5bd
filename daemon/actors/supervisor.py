"""One-for-one supervision: a crashed child is logged and started again, until its own budget is spent."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from structlog.typing import FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Budget:
    """How many restarts within `window_s` a child may have, and the back-off before each (doubling up to the last)."""

    restarts: int = 5
    window_s: float = 60
    first_backoff_s: float = 0.1
    last_backoff_s: float = 5


@dataclass(frozen=True, slots=True)
class Child:
    """Someone to supervise: `run` is called for each start and returns when its work is done.

    `webhook_id` says whose it is, for an endpoint actor.
    """

    kind: str
    run: Callable[[], Awaitable[None]]
    budget: Budget = Budget()
    webhook_id: str | None = None


class ActorFailed(Exception):
    """A vital actor has used up its budget: systemd should restart the process."""


async def supervise(child: Child, log: FilteringBoundLogger, count_restart: Callable[[], object]) -> bool:
    """Run the child, start it again after each crash; return True when it ended, False when its budget is spent.

    Only what is not an Exception propagates: Cancelled, KeyboardInterrupt.
    """
    crashes: deque[float] = deque()
    while True:
        crash = await _crash_of(child.run)
        if crash is None:
            return True
        crashes.append(trio.current_time())
        while crashes[0] < crashes[-1] - child.budget.window_s:
            crashes.popleft()
        line = _bound(log, child).bind(restarts=len(crashes), error=innermost(crash), exc_info=crash)
        if len(crashes) > child.budget.restarts:
            line.error("actor_restarts_exhausted")
            return False
        line.error("actor_restarted")
        count_restart()
        backoff_s = child.budget.first_backoff_s * 2 ** (len(crashes) - 1)
        await trio.sleep(min(backoff_s, child.budget.last_backoff_s))


async def supervise_vital(child: Child, log: FilteringBoundLogger, count_restart: Callable[[], object]) -> None:
    """Supervise a child that is vital to the process. Raises ActorFailed when its budget is spent."""
    if not await supervise(child, log, count_restart):
        crashes = child.budget.restarts + 1
        often = "" if crashes == 1 else f" {crashes} times in {child.budget.window_s:g} s"
        raise ActorFailed(f"the {child.kind} crashed{often}: the process exits, to be restarted")


def _bound(log: FilteringBoundLogger, child: Child) -> FilteringBoundLogger:
    log = log.bind(actor=child.kind)
    return log if child.webhook_id is None else log.bind(webhookId=child.webhook_id)


async def _crash_of(run: Callable[[], Awaitable[None]]) -> BaseExceptionGroup[Exception] | None:
    crash: BaseExceptionGroup[Exception] | None = None
    # `except Exception` would miss a group that holds a Cancelled beside the error.
    try:
        await run()
    except* Exception as group:
        crash = group
    return crash


def innermost(crash: BaseException) -> str:
    """Return what went wrong first, in one line: a group says nothing by itself."""
    while isinstance(crash, BaseExceptionGroup):
        crash = crash.exceptions[0]
    return f"{type(crash).__name__}: {crash}"
