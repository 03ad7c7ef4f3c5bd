"""Going on by itself when the database works again, in virtual time."""

from io import BytesIO

import orjson
import pytest
import trio
from trio.testing import MockClock

from daemon.config.settings import LogSettings
from daemon.domain.errors import StoreUnavailable
from daemon.store.retry import retry_until_available
from daemon.telemetry.log import make_logger


async def test_a_failing_step_is_repeated_after_waits_that_double_up_to_5_seconds(autojump_clock: MockClock) -> None:
    file, tries = BytesIO(), list[float]()

    async def step() -> str:
        tries.append(trio.current_time())
        if len(tries) < 10:
            raise StoreUnavailable("the database failed")
        return "done"

    zero = trio.current_time()
    assert await retry_until_available(step, make_logger(LogSettings(format="json"), file, strict=True)) == "done"
    expected = [0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3, 21.3]
    assert [at - zero for at in tries] == pytest.approx(expected)
    lines = [orjson.loads(line) for line in file.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["store_unavailable"] * 9 + ["store_recovered"]
    assert [line["retryInMs"] for line in lines[:3]] == [100, 200, 400]
    assert lines[-1]["durationMs"] == 21_300


async def test_any_other_error_comes_out_at_once(autojump_clock: MockClock) -> None:
    async def step() -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        await retry_until_available(step, make_logger(LogSettings(format="json"), BytesIO()))


async def test_patience_can_be_cancelled(autojump_clock: MockClock) -> None:
    async def step() -> None:
        raise StoreUnavailable("the database failed")

    with trio.move_on_after(60) as scope:
        await retry_until_available(step, make_logger(LogSettings(format="json"), BytesIO()))
    assert scope.cancelled_caught
