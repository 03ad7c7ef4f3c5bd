"""Whole nodes that enforce credits together (contract "Credits", `credits.enforce`)."""

from pathlib import Path

import trio

from daemon.domain.shards import SHARDS
from tests.actors.receivers import slow
from tests.cluster.real_nodes import Cluster, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon
from tests.support.reused_databases import Lent

URL = "https://receiver.example/hook"


def owned_by(node: RunningDaemon) -> int:
    assert node.parts.node is not None
    return len(node.parts.node.membership.shards)


async def test_two_nodes_spend_no_credit_twice_and_a_grant_lets_all_of_them_go_on(lent: Lent, tmp_path: Path) -> None:
    cluster = Cluster(lent, tmp_path, {"credits": {"enforce": True}})
    async with cluster.node("a") as first, cluster.node("b") as second:
        await until(lambda: owned_by(first) == owned_by(second) == SHARDS // 2, within_s=15)
        team = await first.team()
        webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(12)]
        for webhook in webhooks:  # so that all of them are in flight at once
            cluster.receiver.answers[webhook.url] = slow(0.3)
        await second.grant(team, 7)
        await first.submit(team, *range(3))
        await until(lambda: len(cluster.receiver.arrivals) == 3)
        await trio.sleep(1.5)
        assert (len(cluster.receiver.arrivals), await first.balance(team)) == (3, 1)
        await second.grant(team, 65)
        await until(lambda: len(cluster.receiver.arrivals) == 36)
        for webhook in webhooks:
            arrived = cluster.receiver.at(webhook.url)
            assert [arrival.number for arrival in arrived] == list(range(3))
        await trio.sleep(1)  # what arrived last is charged soon after
        assert (await first.balance(team), len(await second.ledger(team))) == (0, 38)


async def test_what_a_node_held_that_dies_is_spent_by_the_other(lent: Lent, tmp_path: Path) -> None:
    cluster = Cluster(lent, tmp_path, {"credits": {"enforce": True}})
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            for number in range(6):
                await victim.webhook(team, f"{URL}/{number}")
            await victim.grant(team, 24)
            await victim.submit(team, 1)
            await until(lambda: len(cluster.receiver.arrivals) == 6)
        before = len(cluster.receiver.arrivals)
        await survivor.submit(team, 2)
        await until(lambda: len({(a.url, a.number) for a in cluster.receiver.arrivals}) == 12, within_s=20)
        await trio.sleep(0.5)
        assert len(cluster.receiver.arrivals) >= before + 6
        assert await survivor.balance(team) == 0
