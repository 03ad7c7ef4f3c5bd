"""The runs of the soak, by name: what is done, and to which cluster."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.cluster.chaos import actions, moments
from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.dump import dump
from tests.cluster.chaos.failover import fail_over
from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.run import Chaos


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done in a run. It needs so many nodes at least, besides `spares` that join later."""

    chaos: Chaos
    nodes: int = 1
    spares: int = 0
    pooler: bool = False
    enforced: bool = False
    clocks: bool = False

    def plan(self, plan: Plan) -> Plan:
        """Return the plan of its run."""
        return replace(plan, spares=self.spares, pooler=self.pooler, enforced=self.enforced, clocks=self.clocks)


def any_of(*choices: Chaos) -> Chaos:
    """Do one of these each time."""

    async def one(cluster: Cluster, chance: random.Random) -> None:
        await chance.choice(choices)(cluster, chance)

    return one


def all_of(*choices: Chaos) -> Chaos:
    """Do one after the other."""

    async def each(cluster: Cluster, chance: random.Random) -> None:
        for chaos in choices:
            await chaos(cluster, chance)

    return each


_kills = any_of(actions.kill_for_a_moment, actions.kill_for_long)
_moments = any_of(moments.freeze_before_its_commit, moments.kill_with_a_late_number)
_mixed = any_of(
    _kills, actions.freeze, _moments, actions.cut, actions.cut_one_connection, actions.restart_database, actions.roll,
    dump,
)  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {
    "kills": Scenario(_kills),
    "freezes": Scenario(actions.freeze),
    "freezes of two": Scenario(actions.freeze_two, nodes=3),
    "cuts": Scenario(actions.cut),
    "cut connections": Scenario(actions.cut_one_connection),
    "lost connections": Scenario(actions.lose_one_connection),
    "database": Scenario(actions.restart_database),
    "failover": Scenario(fail_over),
    "moments": Scenario(_moments, nodes=2),
    "rolling": Scenario(actions.roll),
    "upgrading": Scenario(all_of(actions.upgrade, actions.go_back), nodes=2),
    "joining": Scenario(actions.join_and_leave, nodes=2, spares=2),
    "pooler": Scenario(any_of(_kills, actions.freeze, actions.restart_database), pooler=True),
    "dump": Scenario(dump),
    "credits": Scenario(any_of(_kills, actions.freeze, actions.cut), enforced=True),
    "clocks": Scenario(any_of(actions.step_clock, _kills), clocks=True),
    "everything": Scenario(any_of(_mixed, _mixed, _mixed, actions.step_clock), nodes=3, clocks=True),
}
