"""Pauses where several nodes share the webhooks (contract "Pause", "Several nodes")."""

import pytest
import trio

from daemon.domain.errors import WebhookInactive
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

URL = "https://receiver.example/hook"


async def test_a_webhook_is_paused_and_resumed_at_whichever_node(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(12)]
    for webhook in webhooks:
        paused = await first.change(webhook, paused=True)
        assert paused is not None
        assert paused.paused_at is not None
    await second.submit(team, 1)
    await second.submit(team, 2)
    await trio.sleep(1.5)  # a sweep later
    assert cluster.receiver.arrivals == []
    for webhook in webhooks:
        await second.change(webhook, paused=False)
    await until(lambda: len(cluster.receiver.arrivals) == 24)
    for number in range(12):
        assert [arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")] == [1, 2]


async def test_a_disabled_webhook_is_not_paused_at_whichever_node(pair: tuple[RunningDaemon, RunningDaemon]) -> None:
    team = await pair[0].team()
    webhook = await pair[0].webhook(team, URL)
    await pair[0].change(webhook, active=False)
    for daemon in pair:
        with pytest.raises(WebhookInactive):
            await daemon.change(webhook, paused=True)


async def test_pauses_survive_a_takeover_and_their_times_are_kept_by_the_new_owner(cluster: Cluster) -> None:
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(8)]
            assert {owns(victim, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
            timed, held = webhooks[::2], webhooks[1::2]
            for webhook in timed:
                await survivor.change(webhook, paused=True, resumes_at=survivor.clock() + 1_500)
            for webhook in held:
                await survivor.change(webhook, paused=True)
            await survivor.submit(team, 1)
            await survivor.submit(team, 2)
        await until(lambda: len(cluster.receiver.arrivals) == 8)  # half of them when the lease of the victim is over
        await until(lambda: all(owns(survivor, webhook) for webhook in webhooks))
        await trio.sleep(0.5)
        for place in range(8):
            arrived = [arrival.number for arrival in cluster.receiver.at(f"{URL}/{place}")]
            assert arrived == ([1, 2] if webhooks[place] in timed else [])
