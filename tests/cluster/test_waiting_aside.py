"""Deliveries that wait aside where several nodes share the webhooks (contract "Options of a webhook")."""

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.retries import WhileRetrying
from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon, statuses

URL = "https://receiver.example/hook"
NAMES = ("while_retrying", "retry_schedule")


def stepping_aside(after_s: float) -> WebhookOptions:
    return WebhookOptions(while_retrying=WhileRetrying.STEP_ASIDE, retry_schedule=(after_s,))


async def test_they_step_aside_as_was_chosen_at_whichever_node(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    for number, webhook in enumerate(webhooks):
        await second.change(webhook, options=stepping_aside(1), changed_options=NAMES)
        cluster.receiver.answers[f"{URL}/{number}"] = statuses(503, 200)
    await first.submit(team, 1)
    await second.submit(team, 2)
    await until(lambda: len(cluster.receiver.arrivals) == 24)
    for number in range(8):
        assert [arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")] == [1, 2, 1]


async def test_what_is_for_later_is_delivered_at_its_time_by_whoever_owns_the_webhook(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    due_at = first.clock() + 1_500
    await first.submit_on(team, DeliveryTerms(deliver_at=due_at), 1)
    await second.submit(team, 2)
    await until(lambda: len(cluster.receiver.arrivals) == 8)
    assert {arrival.number for arrival in cluster.receiver.arrivals} == {2}
    await until(lambda: len(cluster.receiver.arrivals) == 16)
    assert first.clock() >= due_at
    assert len({arrival.delivery_id for arrival in cluster.receiver.arrivals}) == 16


async def test_what_waits_aside_survives_a_takeover(cluster: Cluster) -> None:
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(8)]
            assert {owns(victim, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
            for number, webhook in enumerate(webhooks):
                await victim.change(webhook, options=stepping_aside(2), changed_options=NAMES)
                cluster.receiver.answers[f"{URL}/{number}"] = statuses(503, 200)
            await victim.submit(team, 1)
            await until(lambda: len(cluster.receiver.arrivals) == 8)
        await until(lambda: len(cluster.receiver.arrivals) == 16)
        for number in range(8):
            assert [arrival.attempt for arrival in cluster.receiver.at(f"{URL}/{number}")] == [1, 2]


async def test_what_expires_is_cancelled_by_whoever_owns_the_webhook(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    for webhook in webhooks:
        await first.change(webhook, paused=True)
    await second.submit_on(team, DeliveryTerms(expires_at=second.clock() + 1_000), 1)

    def expired() -> int:
        return sum(len(daemon.log_lines("delivery_cancelled")) for daemon in pair)

    await until(lambda: expired() == 8)
    for webhook in webhooks:
        assert await first.statuses(webhook) == ["cancelled"]
    assert cluster.receiver.arrivals == []


async def test_what_is_of_low_priority_goes_behind_the_others_whichever_nodes_took_them(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    for webhook in webhooks:
        await first.change(webhook, paused=True)
    await first.submit_on(team, DeliveryTerms(low=True), 1)
    await second.submit_on(team, DeliveryTerms(low=True), 2)
    await second.submit(team, 3)
    await first.submit(team, 4)
    for webhook in webhooks:
        await second.change(webhook, paused=False)
    await until(lambda: len(cluster.receiver.arrivals) == 32)
    for number in range(8):
        assert [arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")] == [3, 4, 1, 2]


async def test_one_of_low_priority_is_delivered_at_once_where_nothing_else_waits(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, _ = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    await first.submit_on(team, DeliveryTerms(low=True), 1)
    await until(lambda: len(cluster.receiver.arrivals) == 8)
