"""One node on PostgreSQL, under load, to which the worst is done (contract "A delivery")."""

from pathlib import Path

import pytest

from tests.cluster.chaos import actions
from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.run import run_chaos
from tests.cluster.chaos.scenarios import all_of
from tests.e2e.deadline import ends_within

_PLAN = Plan(seed=8, nodes=1, rate=15)


@pytest.mark.fault(
    "On PostgreSQL, with one node: SIGKILL, the database stopped at once, and the way to it cut, under load",
    "Every acknowledged event is delivered in order, charged once and counted once; one mail for each disabling",
)
@ends_within(110)
async def test_one_node_keeps_its_promises_whatever_happens_to_it_and_to_its_database(tmp_path: Path) -> None:
    each = all_of(actions.kill_for_a_moment, actions.crash_database, actions.cut_silently)
    run = await run_chaos(tmp_path, _PLAN, each, seconds=1)
    print(run)
    assert run.violations == []
    assert run.acknowledged > 50
    assert run.evidence.stored.mails, "a webhook was disabled"
