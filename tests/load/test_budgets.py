"""Whatever one team does, the others are served as ever (contract "Budgets of a team"); large in `make soak`.

Under each attack a neighbour's submissions are accepted within 250 ms and delivered within 1 s at p99, none of its
webhooks is blamed, the watchdog is fed, and the daemon stays below 200 MB.
"""

from pathlib import Path

import pytest

from tests.e2e.deadline import ends_within
from tests.faults.overload_run import percentile
from tests.security.fan_out_attack import FanOut, attack_with_fan_out
from tests.security.mass_cancel_attack import Way, cancel_by_mass
from tests.security.neighbour import check_neighbour, figures
from tests.security.slow_names_attack import attack_with_slow_names

# For a machine that does other things, too; `make soak` allows nothing.
SLACK = 2


@pytest.mark.fault(
    "A team with hundreds of webhooks whose names never resolve takes up every lookup",
    "Another team's attempts look up at once: none is late, fails or is counted",
)
@ends_within(110)
async def test_one_teams_names_that_hang_are_nobody_elses_trouble(tmp_path: Path) -> None:
    attacked = await attack_with_slow_names(tmp_path, webhooks=200, seconds=6)
    print(figures(attacked.seen))
    assert attacked.names_hung >= 20
    check_neighbour(attacked.seen, slack=SLACK)
    assert percentile(attacked.delivered_s, 0.99) < SLACK


@pytest.mark.fault(
    "A team submits batches that make tens of thousands of deliveries each",
    "What it may have waiting is bounded (503); a neighbour is served as ever, the watchdog is fed, memory stays flat",
)
@ends_within(110)
async def test_a_neighbour_is_served_while_a_team_submits_what_makes_very_many_deliveries(tmp_path: Path) -> None:
    attacked = await attack_with_fan_out(tmp_path, FanOut(webhooks=20, events=500, seconds=4))
    print(figures(attacked.seen))
    assert attacked.statuses[202] > 0
    assert set(attacked.statuses) <= {202, 503}
    check_neighbour(attacked.seen, slack=SLACK)


@pytest.mark.fault(
    "A team disables or deletes a webhook with 50,000 pending deliveries (5,000,000 in `make soak`)",
    "Answered at once, nothing more is sent; a neighbour is served as ever, the watchdog is fed, memory stays flat",
)
@pytest.mark.parametrize("way", ["disable", "delete"])
@ends_within(110)
async def test_a_mass_of_pending_deliveries_is_cancelled_and_no_neighbour_feels_it(way: Way, tmp_path: Path) -> None:
    cancelled = await cancel_by_mass(tmp_path, 50_000, way)
    print(figures(cancelled.seen))
    assert cancelled.answered_s < SLACK
    assert cancelled.sent == 1
    assert cancelled.statuses == {"cancelled": 50_000}
    check_neighbour(cancelled.seen, slack=SLACK)
