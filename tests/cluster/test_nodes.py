"""Nodes on one database, in one process: who delivers, in which order, and what each knows of the others' changes."""

import orjson
import pytest
import trio

from daemon.domain.errors import KeyRevoked
from daemon.domain.model import Event, TeamEdit
from daemon.domain.submission import MatchedEvent
from daemon.store.commands import AcceptEvents
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon, in_order, statuses

URL = "https://receiver.example/hook"


async def until_arrived(cluster: Cluster, count: int, within_s: float = 10) -> list[int]:
    """Wait for so many arrivals; return the numbers of their events."""
    await until(lambda: len(cluster.receiver.arrivals) >= count, within_s)
    return [arrival.number for arrival in cluster.receiver.arrivals]


async def until_told(cluster: Cluster, count: int) -> None:
    """Wait until so many mails are sent, for far less than a minute: so often a node looks by itself."""
    await until(lambda: len(cluster.outbox.mails) == count, within_s=10)


async def test_what_is_registered_at_one_node_gets_what_is_submitted_to_another(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhook = await first.webhook(team, URL)
    await second.submit(team, 1)
    assert await until_arrived(cluster, 1) == [1]
    assert await second.statuses(webhook) in (["pending"], ["succeeded"])


async def test_events_submitted_to_nodes_in_turn_arrive_in_that_order(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    await first.webhook(team, URL)
    for number in range(0, 60, 2):
        await first.submit(team, number)
        await second.submit(team, number + 1)
    assert await until_arrived(cluster, 60) == list(range(60))


async def test_the_webhooks_of_a_node_that_dies_are_delivered_to_by_the_other(cluster: Cluster) -> None:
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(16)]
            assert {owns(victim, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
            await survivor.submit(team, 1)
            await until_arrived(cluster, 16)
        await survivor.submit(team, 2)
        await until_arrived(cluster, 32)
    for number in range(16):
        assert in_order([arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")])


async def test_a_node_that_stops_hands_its_webhooks_over_and_loses_nothing(cluster: Cluster) -> None:
    async with cluster.node("b") as staying, cluster.node("a") as leaving:
        await until_shared(staying, leaving)
        team = await leaving.team()
        for number in range(8):
            await leaving.webhook(team, f"{URL}/{number}")
        await leaving.submit(team, *range(20))
        leaving.stop.set()
        await leaving.stopped.wait()
        await staying.submit(team, 20)
        await until_arrived(cluster, 8 * 21)
    for number in range(8):
        assert [arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")] == list(range(21))


async def test_a_webhook_is_changed_at_whichever_node_and_both_act_by_it(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(6)]
    for number, webhook in enumerate(webhooks):
        changed = await (first, second)[number % 2].change(webhook, name=f"Renamed {number}")
        assert changed is not None
        assert changed.name == f"Renamed {number}"
    await second.change(webhooks[0], active=False)
    await first.submit(team, 1)
    assert await until_arrived(cluster, 5) == [1] * 5
    assert not cluster.receiver.at(f"{URL}/0")


async def test_a_team_and_its_key_are_known_at_the_other_node_at_once(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team = await first.team()
    made = await second.parts.teams.create_key(team.id, "key")
    assert made is not None
    assert first.parts.node is not None
    await first.parts.node.feed.catch_up()
    assert first.parts.api_keys.find(made[1]) is not None


async def test_a_key_that_was_revoked_at_one_node_submits_nothing_at_another(
    pair: tuple[RunningDaemon, RunningDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    team = await first.team()
    made = await first.parts.teams.create_key(team.id, "key")
    assert made is not None
    monkeypatch.setattr("daemon.cluster.feed._LOOK_EVERY_S", 1_000)
    assert second.parts.node is not None
    second.parts.node.feed.wake()
    await second.parts.node.feed.catch_up()
    await second.parts.router.submit(second.submission(team, 1, key_id=made[0].id))
    await trio.sleep(0.1)
    monkeypatch.setattr(second.parts.node.feed, "wake", lambda: None)  # from now on it is told of nothing
    await first.parts.teams.revoke_key(made[0].id)
    with pytest.raises(KeyRevoked):
        await second.parts.router.submit(second.submission(team, 2, key_id=made[0].id))
    await second.submit(team, 3)


async def test_a_webhook_disabled_by_failures_sends_one_mail_whichever_node_sends_mails(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, _second = pair
    cluster.receiver.answers[URL] = statuses(500)
    team = await first.team()
    webhook = await first.webhook(team, URL)
    await first.submit(team, *range(4))
    await until_arrived(cluster, 4 * 4)
    await until(lambda: len(cluster.outbox.mails) == 1, within_s=10)
    assert await first.statuses(webhook) == ["failed"] * 4


async def test_low_credits_are_told_at_once_whichever_node_takes_them_and_whichever_sends_mails(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    teams = [await first.team() for _ in range(6)]
    for team in teams:
        await first.parts.teams.change(team.id, TeamEdit(low_credits=9))
        await first.grant(team, 10)
    for team in teams[2:]:  # their webhooks are owned by either of the nodes
        await first.webhook(team, f"{URL}/{team.id}")
    for daemon in pair:
        assert daemon.parts.node is not None
        await daemon.parts.node.feed.catch_up()
    await first.grant(teams[0], -5)
    await second.grant(teams[1], -5)
    await until_told(cluster, 2)
    for count, team in enumerate(teams[2:], start=3):
        await first.submit(team, 1)
        await until_told(cluster, count)


async def test_operational_webhooks_are_told_at_once_whichever_node_delivers_and_whichever_submits(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team, ops = await first.team(), "https://ops.example/hook"
    await first.operational_webhook(team, ops, "webhook.failing")
    webhooks = [await second.webhook(team, f"{URL}/{number}") for number in range(6)]
    assert {owns(first, webhook) for webhook in webhooks} == {True, False}, "each node delivers for some"
    cluster.receiver.answers |= {webhook.url: statuses(500) for webhook in webhooks}
    await first.submit(team, 1, 2)
    # In far less than a minute: so often the node that submits looks by itself.
    await until(lambda: len(cluster.receiver.at(ops)) == len(webhooks), within_s=10)
    told = [orjson.loads(arrival.body)["data"]["webhook"]["id"] for arrival in cluster.receiver.at(ops)]
    assert sorted(told) == sorted(webhook.id for webhook in webhooks)


async def test_a_large_submission_is_delivered_in_order_with_what_another_node_takes_meanwhile(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    for number in range(6):
        await first.webhook(team, f"{URL}/{number}")
    await first.submit(team, *range(200))
    await second.submit(team, 200)
    await first.submit(team, 201)
    await until_arrived(cluster, 6 * 202, within_s=30)
    for number in range(6):
        assert [arrival.number for arrival in cluster.receiver.at(f"{URL}/{number}")] == list(range(202))


async def test_what_was_accepted_while_its_webhook_was_being_disabled_is_cancelled(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(4)]
    for webhook in webhooks:
        await second.change(webhook, active=False)
    # As if it had been matched before: no version is asked for.
    event = MatchedEvent(
        Event("evt_late", team.id, "a.b", 1, b"{}", 1), tuple((f"dlv_{one.id}", one.id) for one in webhooks)
    )
    await first.parts.store.writer.execute(AcceptEvents((event,), None, 1))
    with trio.fail_after(10):
        for webhook in webhooks:
            while await first.statuses(webhook) != ["cancelled"]:  # noqa: ASYNC110 - a sweep finds it
                await trio.sleep(0.1)
    assert not cluster.receiver.arrivals
