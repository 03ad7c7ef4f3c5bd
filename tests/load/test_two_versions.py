"""Nodes are upgraded one after the other under load, and with them the database (docs/cluster.md, "Upgrade")."""

import random
from pathlib import Path

import pytest

from daemon import __version__
from tests.cluster.chaos import actions
from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.repetitions import repetitions
from tests.cluster.chaos.run import run_chaos
from tests.e2e.deadline import ends_within
from tests.support.next_version import VERSION

_PLAN = Plan(seed=9, nodes=2, webhooks_per_team=3, rate=8)


async def versions(cluster: Cluster) -> set[str]:
    """Return the versions of the nodes that live."""
    answer = await cluster.clients.http(cluster.nodes[0].installation.url).get("/v1/nodes")
    return {node["version"] for node in answer.json()["items"] if node["state"] == "living"}


async def upgrade_all_and_put_one_back(cluster: Cluster, chance: random.Random) -> None:
    """Do that, and look who lives."""
    await actions.upgrade(cluster, chance)
    assert await versions(cluster) == {VERSION}
    await actions.go_back(cluster, chance)
    assert await versions(cluster) == {VERSION, __version__}


@pytest.mark.fault(
    "Nodes are upgraded one after the other under load; the first one changes the tables; then one goes back",
    "Nodes of both versions deliver side by side: nothing is lost, out of order, charged twice or sent twice",
)
@ends_within(110)
async def test_two_versions_work_side_by_side_while_the_database_is_upgraded(tmp_path: Path) -> None:
    run = await run_chaos(tmp_path, _PLAN, upgrade_all_and_put_one_back, seconds=0.1)
    print(run)
    assert run.violations == []
    assert run.acknowledged > 20
    assert list(repetitions(run.evidence.arrivals)) == []
