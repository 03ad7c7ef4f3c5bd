"""Three nodes, under load, to which the worst is done (contract "A delivery")."""

from pathlib import Path

import pytest

from tests.cluster.chaos import actions, moments
from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.run import run_chaos
from tests.cluster.chaos.scenarios import all_of
from tests.cluster.chaos.takeover import takeovers
from tests.e2e.deadline import ends_within

_PLAN = Plan(seed=7, rate=15)
_TAKEOVER_S = 6


@pytest.mark.fault(
    "Of three nodes one is killed, one is frozen between its send and its commit until others have its work, "
    "one is cut off from the database",
    "The others take over within seconds; nothing is lost, out of order, charged twice or recorded by the wrong node",
)
@ends_within(110)
async def test_three_nodes_keep_the_promises_of_one(tmp_path: Path) -> None:
    each = all_of(moments.kill_with_a_late_number, moments.freeze_before_its_commit, actions.cut_silently)
    run = await run_chaos(tmp_path, _PLAN, each, seconds=1)
    print(run)
    assert run.violations == []
    assert run.acknowledged > 100
    assert max(takeovers(run.evidence)) < _TAKEOVER_S
