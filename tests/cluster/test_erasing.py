"""Erasing events where several nodes share the webhooks (contract "Erasing", "Several nodes")."""

import pytest
import trio

from daemon.domain.model import DeliveryStatus
from daemon.management import eraser, paged_work
from daemon.store.reads import api_reads, erasure_reads
from tests.cluster.real_nodes import Cluster
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

URL = "https://receiver.example/hook"
WEBHOOKS = 6


async def erase(daemon: RunningDaemon, event_id: str) -> None:
    event = await daemon.parts.store.reader.fetch(api_reads.get_event, event_id)
    assert event is not None
    await daemon.parts.erasing.erase(event)


async def until_erased(daemon: RunningDaemon, event_id: str) -> None:
    with trio.fail_after(20):
        while await daemon.parts.store.reader.fetch(erasure_reads.is_being_erased, event_id):  # noqa: ASYNC110 - another node's
            await trio.sleep(0.02)


async def test_what_waits_is_cancelled_by_the_nodes_that_own_it_whichever_was_asked(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    team = await pair[0].team()
    webhooks = [await pair[0].webhook(team, f"{URL}/{number}") for number in range(WEBHOOKS)]
    for webhook in webhooks:
        await pair[0].change(webhook, paused=True)
    events = [(await pair[number].submit(team, number))[0] for number in range(2)]
    for asked, event_id in zip(reversed(pair), events, strict=True):
        await erase(asked, event_id)
        await until_erased(asked, event_id)
    for webhook in webhooks:
        assert set(await pair[0].statuses(webhook)) == {DeliveryStatus.CANCELLED}
        await pair[1].change(webhook, paused=False)
    await trio.sleep(1.2)  # a sweep later
    assert cluster.receiver.arrivals == []


async def test_a_node_that_takes_over_goes_on_with_an_erasure(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eraser, "_AT_ONCE", 1)
    monkeypatch.setattr(paged_work, "_SHORTEST_REST_S", 0.3)
    async with cluster.node("a") as victim:
        team = await victim.team()
        webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(WEBHOOKS)]
        [event_id] = await victim.submit(team, 1)
        await until(lambda: len(cluster.receiver.arrivals) == WEBHOOKS)
        await erase(victim, event_id)
    async with cluster.node("b") as survivor:  # when the lease of the victim is over
        assert await survivor.parts.store.reader.fetch(erasure_reads.is_being_erased, event_id)
        await until_erased(survivor, event_id)
        kept = [
            attempt.outcome
            for webhook in webhooks
            for delivery in await survivor.deliveries(webhook)
            for attempt in await survivor.attempts(delivery)
        ]
    assert not any(outcome.headers or outcome.body for outcome in kept)
