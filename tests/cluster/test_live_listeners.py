"""Live listeners where several nodes share the webhooks (contract "Live listeners", "Several nodes")."""

from collections.abc import Sequence

import orjson
import pytest
import trio

from daemon.domain.errors import AttemptOver
from daemon.domain.live_answers import LiveAnswer
from daemon.domain.model import Webhook
from daemon.live.listener import EndReason, LiveRequest
from daemon.management.listeners import Listening
from daemon.store.reads import actor_reads, api_reads
from tests.cluster.chaos.waiting import until as until_so
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon


async def answer(node: RunningDaemon, listening: Listening, request: LiveRequest, status: int = 200) -> None:
    given = LiveAnswer(request.attempt_id, status, headers=((b"x", b"y"),), body=b"ok\x00")
    await node.parts.live_listeners.answer(listening.webhook.id, given)


async def until_gone(node: RunningDaemon, *webhooks: Webhook) -> None:
    async def are_gone() -> bool:
        return not await live_webhooks(node)

    await until_so(are_gone, within_s=15)
    for webhook in webhooks:
        assert await node.parts.store.reader.fetch(api_reads.get_webhook, webhook.id) is None


async def until_all_are(node: RunningDaemon, webhook: Webhook, *, status: str) -> None:
    async def are_all() -> bool:
        return set(await node.statuses(webhook)) == {status}

    await until_so(are_all, within_s=10)


async def live_webhooks(node: RunningDaemon) -> Sequence[str]:
    found, _ = await node.parts.store.reader.fetch(actor_reads.live_webhooks, "", 100)
    return found


async def test_a_listener_at_either_node_gets_what_the_other_accepts_in_order_and_is_answered_at_either(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team = await first.team()
    for node, other in ((first, second), (second, first)):
        async with node.parts.live_listeners.listen(team.id, ("*",)) as listening:
            assert owns(node, listening.webhook)
            for number in range(4):
                await other.submit(team, number)
            for number, answering in enumerate((node, other, node, other)):
                request = await listening.listener.next()
                assert request is not None
                assert orjson.loads(request.body)["data"]["n"] == number
                await answer(answering, listening, request)
                with pytest.raises(AttemptOver):
                    await answer(other, listening, request)
            await until_all_are(node, listening.webhook, status="succeeded")
        await until_gone(other, listening.webhook)
        assert node.log_lines("attempt_ended") == []


async def test_deleting_the_webhook_at_the_other_node_ends_the_stream(
    pair: tuple[RunningDaemon, RunningDaemon],
) -> None:
    first, second = pair
    team = await first.team()
    async with first.parts.live_listeners.listen(team.id, ("*",)) as listening:
        assert await second.parts.webhooks.delete(listening.webhook.id)
        with trio.fail_after(5):
            assert await listening.listener.next() is None
        assert listening.listener.end_reason is EndReason.WEBHOOK_DELETED


@pytest.mark.fault(
    "a node dies while somebody listens live there",
    "the node that takes its shards deletes the listener's webhook and cancels what was pending",
)
async def test_a_node_that_dies_leaves_no_live_webhook_behind(cluster: Cluster) -> None:
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            async with victim.parts.live_listeners.listen(team.id, ("*",)) as listening:
                await survivor.submit(team, 1, 2)
                assert await listening.listener.next() is not None
            # killed: leaving the blocks gives nobody the time to delete anything
        await until_gone(survivor, listening.webhook)
        await until_all_are(survivor, listening.webhook, status="cancelled")


async def test_a_stream_ends_when_its_webhook_moves_to_another_node(cluster: Cluster) -> None:
    async with cluster.node("a") as first:
        await until_shared(first)
        team = await first.team()
        async with first.parts.live_listeners.listen(team.id, ("*",)) as listening, cluster.node("b") as second:
            await first.parts.nodes.drain("a")
            await until(lambda: listening.listener.end_reason is EndReason.MOVED)
            assert await listening.listener.next() is None
            await until(lambda: owns(second, listening.webhook), within_s=15)
            await until_gone(second, listening.webhook)
