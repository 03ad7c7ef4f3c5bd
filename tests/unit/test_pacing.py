"""Unit tests of rests between pieces of work."""

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.pacing import rest_after


@pytest.mark.parametrize(
    ("worked_s", "share", "at_least_s", "rested_s"),
    [(2, 0.5, 0, 2), (1, 0.2, 0, 4), (0, 0.5, 0, 0), (0.01, 0.5, 0.25, 0.25), (1, 0.2, 3, 4)],
)
async def test_a_piece_of_work_gets_no_more_than_its_share_of_the_time(
    autojump_clock: MockClock, worked_s: float, share: float, at_least_s: float, rested_s: float
) -> None:
    began_at = trio.current_time()
    await trio.sleep(worked_s)
    await rest_after(began_at, share=share, at_least_s=at_least_s)
    assert trio.current_time() - began_at == pytest.approx(worked_s + rested_s)
