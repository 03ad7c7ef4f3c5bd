"""Only errors are healed: what is no Exception gets through. (The rest is in tests/actors/test_supervision.py.)"""

from collections.abc import Awaitable, Callable
from io import BytesIO

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.supervisor import Budget, Child, supervise
from daemon.config.settings import LogSettings
from daemon.telemetry.log import make_logger


async def supervised(run: Callable[[], Awaitable[None]], budget: Budget, log: BytesIO) -> bool:
    logger = make_logger(LogSettings(format="json"), log, strict=True)
    return await supervise(Child("endpoint", run, budget, "wh_1"), logger, lambda: None)


async def test_a_child_that_runs_is_left_alone_until_cancelled(autojump_clock: MockClock) -> None:
    log = BytesIO()
    with trio.move_on_after(1000) as scope:
        await supervised(trio.sleep_forever, Budget(), log)
    assert scope.cancelled_caught
    assert log.getvalue() == b""


async def test_an_interrupt_from_the_keyboard_gets_through() -> None:
    async def run() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await supervised(run, Budget(), BytesIO())


async def test_a_budget_of_no_restarts_gives_up_at_the_first_crash(autojump_clock: MockClock) -> None:
    async def run() -> None:
        raise ValueError

    assert not await supervised(run, Budget(restarts=0), BytesIO())


async def test_the_innermost_error_is_what_the_log_names(autojump_clock: MockClock) -> None:
    async def run() -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("the cause")])])

    log = BytesIO()
    await supervised(run, Budget(restarts=0), log)
    assert b'"error":"ValueError: the cause"' in log.getvalue()
