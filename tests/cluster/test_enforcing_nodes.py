"""Whole nodes that enforce credits together (contract "Credits", `credits.enforce`)."""

from pathlib import Path

import trio

from daemon.store.postgresql.address import Address
from tests.cluster.real_nodes import Cluster, until_owned
from tests.cluster.waiting import until

URL = "https://receiver.example/hook"


async def test_two_nodes_spend_no_credit_twice_and_a_grant_lets_all_of_them_go_on(
    address: Address, tmp_path: Path
) -> None:
    cluster = Cluster(address, tmp_path, {"credits": {"enforce": True}})
    async with cluster.node("a") as first, cluster.node("b") as second:
        await until_owned(first, second)
        team = await first.team()
        webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(6)]
        await second.grant(team, 21)
        await first.submit(team, *range(5))
        await until(lambda: len(cluster.receiver.arrivals) == 10)
        await trio.sleep(1)
        assert (len(cluster.receiver.arrivals), await first.balance(team)) == (10, 1)
        await second.grant(team, 39)
        await until(lambda: len(cluster.receiver.arrivals) == 30)
        for webhook in webhooks:
            arrived = cluster.receiver.at(webhook.url)
            assert [arrival.number for arrival in arrived] == list(range(5))
        await trio.sleep(0.5)  # what is delivered last is charged soon after
        assert (await first.balance(team), len(await second.ledger(team))) == (0, 32)


async def test_what_a_node_held_that_dies_is_spent_by_the_other(address: Address, tmp_path: Path) -> None:
    cluster = Cluster(address, tmp_path, {"credits": {"enforce": True}})
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_owned(survivor, victim)
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
