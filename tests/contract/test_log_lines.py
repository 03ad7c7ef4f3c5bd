"""A line for each attempt, each final state, each disabling and each restart of an actor, with its ids."""

from pathlib import Path

import httpx
import trio
from trio.testing import MockClock

from daemon.domain.model import DeliveryStatus
from tests.support.daemon import FakeReceiver, running, statuses

GOOD, BAD, CRASHING, SLOW = (f"https://{name}.example.com/" for name in ("good", "bad", "crashing", "slow"))


async def crash(_request: httpx.Request) -> httpx.Response:
    raise RuntimeError("a mistake of ours")


async def fail_slowly(_request: httpx.Request) -> httpx.Response:
    await trio.sleep(5)
    return httpx.Response(500)


async def test_each_attempt_and_each_final_state_has_a_line_with_its_ids(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({BAD: statuses(500), SLOW: fail_slowly})) as daemon:
        team = await daemon.team()
        good, bad, slow = [await daemon.webhook(team, url) for url in (GOOD, BAD, SLOW)]
        [event_id] = await daemon.submit(team, 1)
        await trio.sleep(1)
        await daemon.change(slow, active=False)
        await trio.sleep(30)
        for webhook, attempts, final in (
            (good, 1, "delivery_succeeded"),
            (bad, 4, "delivery_failed"),
            (slow, 1, "delivery_cancelled"),
        ):
            [delivery] = await daemon.deliveries(webhook)
            ids = {"eventId": event_id, "deliveryId": delivery.id, "webhookId": webhook.id, "teamId": team.id}
            lines = [line for line in daemon.log_lines("attempt_ended", final) if line.items() >= ids.items()]
            assert [line["event"] for line in lines] == ["attempt_ended"] * (attempts - 1) + [final]
            assert [line["attempt"] for line in lines] == list(range(1, attempts + 1))
            assert all({"outcome", "status", "durationMs"} <= line.keys() for line in lines)


async def test_each_delivery_that_is_cancelled_unsent_has_a_line_with_its_ids(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({BAD: statuses(500)})) as daemon:
        team = await daemon.team()
        by_failures, by_hand = await daemon.webhook(team, BAD), await daemon.webhook(team, BAD)
        await daemon.submit(team, *range(1_500))
        await daemon.change(by_hand, active=False)
        await trio.sleep(60)
        for webhook in (by_failures, by_hand):
            told = [line for line in daemon.log_lines("delivery_cancelled") if line["webhookId"] == webhook.id]
            by_an_attempt = {line["deliveryId"] for line in told if "outcome" in line}
            deliveries = [one for one in await daemon.deliveries(webhook) if one.status is DeliveryStatus.CANCELLED]
            cancelled = [one for one in deliveries if one.id not in by_an_attempt]
            pairs = [(line["deliveryId"], line["eventId"]) for line in told if "outcome" not in line]
            summaries = [line for line in daemon.log_lines("deliveries_cancelled") if line["webhookId"] == webhook.id]
            counts = [line["count"] for line in summaries]
            assert sum(counts) == len(cancelled) > 1_400
            # What is cancelled as it is made, behind the commit that accepted it, has a sum of its own.
            assert len(counts) == (2 if webhook is by_hand else 1)
            sums = [sum(counts[:place]) for place in range(len(counts))]
            with_a_line = [
                one for begin, count in zip(sums, counts, strict=True) for one in cancelled[begin:][:count][:1_000]
            ]
            assert pairs == [(one.id, one.event_id) for one in with_a_line]


async def test_each_disabling_has_a_line_with_its_reason(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, FakeReceiver({BAD: statuses(500)})) as daemon:
        team = await daemon.team()
        bad, good = await daemon.webhook(team, BAD), await daemon.webhook(team, GOOD)
        await daemon.submit(team, 1, 2, 3, 4, 5)
        await trio.sleep(60)
        await daemon.change(good, active=False)
        lines = {(line["webhookId"], line["teamId"], line["reason"]) for line in daemon.log_lines("webhook_disabled")}
    assert lines == {(bad.id, team.id, "consecutive_failures"), (good.id, team.id, "manual")}


async def test_each_restart_of_a_webhooks_actor_has_a_line_that_names_the_webhook(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path, FakeReceiver({CRASHING: crash})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, CRASHING)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        lines = daemon.log_lines("actor_restarted")
    assert lines
    assert {(line["actor"], line["webhookId"]) for line in lines} == {("endpoint", webhook.id)}
    assert [line["restarts"] for line in lines] == list(range(1, len(lines) + 1))
