"""A backlog of hundreds of thousands is cancelled, and nobody else feels it."""

from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.security.mass_cancel_attack import Way, cancel_by_mass, check

COUNT = 100_000


@pytest.mark.fault(
    "A team disables or deletes a webhook with 100,000 pending deliveries (4,000,000 in `make soak`)",
    "Answered at once, nothing more is sent; a neighbour's p99 stays under 250 ms, the watchdog is fed, < 200 MB",
)
@pytest.mark.parametrize("way", ["disable", "delete"])
@ends_within(120)
async def test_a_mass_of_pending_deliveries_is_cancelled_and_no_neighbour_feels_it(way: Way, tmp_path: Path) -> None:
    check(await cancel_by_mass(tmp_path, COUNT, way), COUNT)
