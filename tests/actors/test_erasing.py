"""Erasing an event: nothing of it is sent or kept any more, whatever its deliveries are doing (contract "Erasing")."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.bulk_jobs import BulkAction
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.errors import EventErased
from daemon.domain.model import Attempt, CancelReason, DeliveryStatus, Event, Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from daemon.management import eraser, paged_work
from daemon.store.erasure_commands import EraseEvent
from daemon.store.reads import api_reads, erasure_reads
from tests.actors.receivers import A, slow
from tests.support.daemon import EPOCH_MS, FakeReceiver, RunningDaemon, running, statuses
from tests.support.mock_transport import Handler

SUCCEEDED, FAILED, PENDING, CANCELLED = "succeeded", "failed", "pending", "cancelled"
pytestmark = pytest.mark.usefixtures("each_engine")


async def erase(daemon: RunningDaemon, event_id: str) -> Event:
    """Erase an event, and wait until nothing is left to do."""
    event = await daemon.parts.store.reader.fetch(api_reads.get_event, event_id)
    assert event is not None
    erased = await daemon.parts.erasing.erase(event)
    await until_erased(daemon, event_id)
    return erased


async def until_erased(daemon: RunningDaemon, event_id: str) -> None:
    with trio.fail_after(600):
        while await daemon.parts.store.reader.fetch(erasure_reads.is_being_erased, event_id):  # noqa: ASYNC110 - virtual
            await trio.sleep(0.01)


async def reasons(daemon: RunningDaemon, webhook: Webhook) -> list[CancelReason | None]:
    return [one.cancel_reason for one in await daemon.deliveries(webhook)]


def answering(status: int, after_s: float = 0) -> Handler:
    async def answer(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(after_s)
        return httpx.Response(status, headers={"x-whose": "Ada"}, content=b"Ada Lovelace")

    return answer


def tells_nothing(attempt: Attempt) -> bool:
    return not attempt.outcome.headers and not attempt.outcome.body


async def test_the_body_and_the_answers_go_and_that_it_happened_stays(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = answering(500)
    first, second = await daemon.submit(team, 1, 2)
    await trio.sleep(30)
    [before, other] = await daemon.deliveries(webhook)
    kept = await daemon.attempts(before)
    assert kept[0].outcome.body == b"Ada Lovelace"
    erased = await erase(daemon, first)
    assert (erased.body, erased.type, erased.erased_at) == (b"", "linkedin.message.sent", EPOCH_MS + 30_000)
    assert await daemon.deliveries(webhook) == [before, other]
    attempts = await daemon.attempts(before)
    assert all(map(tells_nothing, attempts))
    told = [(one.number, one.started_at, one.outcome.status, one.outcome.error) for one in attempts]
    assert told == [(one.number, one.started_at, one.outcome.status, one.outcome.error) for one in kept]
    assert (await daemon.attempts(other))[0].outcome.body == b"Ada Lovelace"
    assert (await daemon.parts.store.reader.fetch(api_reads.get_event, second)).body  # type: ignore[union-attr]


async def test_what_waits_is_cancelled_and_the_others_go_on_in_order(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(2)
    events = await daemon.submit(team, *range(5))
    await trio.sleep(1)
    for event_id in events[1:4]:
        await erase(daemon, event_id)
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == [SUCCEEDED, CANCELLED, CANCELLED, CANCELLED, SUCCEEDED]
    assert await reasons(daemon, webhook) == [None, *[CancelReason.ERASED] * 3, None]
    assert [arrival.number for arrival in receiver.arrivals] == [0, 4]
    assert await daemon.balance(team) == -4


@pytest.mark.parametrize(("status", "ends"), [(200, SUCCEEDED), (500, CANCELLED)])
async def test_an_attempt_in_flight_finishes_without_a_retry_and_nothing_of_its_answer_is_kept(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    status: int,
    ends: str,
    autojump_clock: MockClock,
) -> None:
    receiver.answers[A] = answering(status, after_s=5)
    first, _ = await daemon.submit(team, 1, 2)
    await trio.sleep(1)
    await erase(daemon, first)
    assert (await daemon.statuses(webhook))[0] == PENDING
    await trio.sleep(5)
    [delivery, _] = await daemon.deliveries(webhook)
    assert delivery.status == ends
    [attempt] = await daemon.attempts(delivery)
    assert (attempt.outcome.status, tells_nothing(attempt)) == (status, True)
    assert (await daemon.current(webhook)).consecutive_failures == 0
    await trio.sleep(60)
    assert len([one for one in receiver.arrivals if one.delivery_id == delivery.id]) == 1


async def test_of_several_attempts_in_flight_only_the_erased_ones_keep_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, options=WebhookOptions(concurrency=4), changed_options=("concurrency",))
    receiver.answers[A] = answering(500, after_s=5)
    events = await daemon.submit(team, *range(3))
    await trio.sleep(1)
    for event_id in events[:2]:
        await erase(daemon, event_id)
    await trio.sleep(5)
    deliveries = await daemon.deliveries(webhook)
    assert [one.status for one in deliveries] == [CANCELLED, CANCELLED, PENDING]
    assert [tells_nothing((await daemon.attempts(one))[0]) for one in deliveries] == [True, True, False]


async def test_a_deleted_webhooks_attempt_in_flight_keeps_nothing_of_its_answer(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = answering(200, after_s=5)
    [event_id] = await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.parts.webhooks.delete(webhook.id)
    await erase(daemon, event_id)
    await trio.sleep(10)
    [delivery] = await daemon.deliveries(webhook)
    assert list(map(tells_nothing, await daemon.attempts(delivery))) == [True]


async def test_one_that_waits_for_its_retry_is_cancelled_at_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(500, 200)
    first, _ = await daemon.submit(team, 1, 2)
    await trio.sleep(0.5)
    await erase(daemon, first)
    await trio.sleep(5)
    assert await daemon.statuses(webhook) == [CANCELLED, SUCCEEDED]
    assert [arrival.number for arrival in receiver.arrivals] == [1, 2]


async def test_of_a_paused_webhook_it_is_cancelled_without_being_resumed(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    first, _ = await daemon.submit(team, 1, 2)
    await erase(daemon, first)
    assert await daemon.statuses(webhook) == [CANCELLED, PENDING]
    await daemon.change(webhook, paused=False)
    await trio.sleep(5)
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [2]


@pytest.mark.parametrize("size", [0, 10_000])
async def test_whoever_reads_an_empty_body_sends_nothing_even_if_nobody_has_told_it(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock, size: int
) -> None:
    await daemon.change(webhook, paused=True)
    first, _ = await daemon.submit(team, 1, 2, size=size)
    await daemon.parts.store.writer.execute(EraseEvent(first, team.id, daemon.clock()))  # and no word to the eraser
    await daemon.change(webhook, paused=False)
    await trio.sleep(5)
    assert await daemon.statuses(webhook) == [CANCELLED, SUCCEEDED]
    assert [arrival.number for arrival in daemon.receiver.arrivals] == [2]


async def test_a_large_body_that_is_erased_before_it_is_read_is_not_sent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(2)
    await daemon.submit(team, 1)
    [large] = await daemon.submit(team, 2, size=10_000)
    await daemon.parts.store.writer.execute(EraseEvent(large, team.id, daemon.clock()))
    await trio.sleep(10)
    assert await daemon.statuses(webhook) == [SUCCEEDED, CANCELLED]
    assert [arrival.number for arrival in receiver.arrivals] == [1]


async def test_nothing_of_it_is_queued_again_by_resending_recovering_or_a_bulk_job(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(*[500] * 4, 200)
    first, _ = await daemon.submit(team, 1, 2)
    await trio.sleep(30)
    await erase(daemon, first)
    [failed, _] = await daemon.deliveries(webhook)
    with pytest.raises(EventErased, match=f"the event {first} was erased"):
        await daemon.parts.replays.resend(failed.id)
    assert await daemon.parts.replays.recover(webhook.id, 0) == 0
    jobs = daemon.parts.bulk_jobs
    choice = await jobs.choose(team.id, BulkAction.RESEND, DeliveryFilter(team.id), None)
    await jobs.create(choice, await jobs.count(choice))
    await trio.sleep(30)
    assert [one.event_id for one in await daemon.deliveries(webhook)].count(first) == 1
    assert all(arrival.body for arrival in receiver.arrivals)


async def test_deliveries_that_a_large_submission_still_has_to_make_are_cancelled_when_they_are_made(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], slow_pieces: None, autojump_clock: MockClock
) -> None:
    first, *_ = await daemon.submit(team, *range(3))
    await erase(daemon, first)
    await trio.sleep(120)
    ended = [one for webhook in webhooks for one in await daemon.deliveries(webhook)]
    of_first = {one.status for one in ended if one.event_id == first and one.created_at}
    assert DeliveryStatus.PENDING not in {one.status for one in ended}
    assert DeliveryStatus.CANCELLED in of_first
    assert {arrival.number for arrival in daemon.receiver.arrivals} >= {1, 2}
    assert all(arrival.body for arrival in daemon.receiver.arrivals)


async def test_erasing_twice_changes_nothing(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    [event_id] = await daemon.submit(team, 1)
    first = await erase(daemon, event_id)
    await trio.sleep(60)
    assert await erase(daemon, event_id) == first
    assert len(daemon.log_lines("event_erased")) == len(daemon.log_lines("event_erasure_finished")) == 1


async def test_an_erasure_goes_on_over_crashes_until_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(eraser, "_AT_ONCE", 2)
    monkeypatch.setattr(paged_work, "_SHORTEST_REST_S", 1.0)
    receiver = FakeReceiver({A: answering(200)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        [event_id] = await daemon.submit(team, 1)
        await trio.sleep(5)
        [first] = await daemon.deliveries(webhook)
        for _ in range(6):
            await daemon.parts.replays.resend(first.id)
        await trio.sleep(5)
        event = await daemon.parts.store.reader.fetch(api_reads.get_event, event_id)
        assert event is not None
        await daemon.parts.erasing.erase(event)
    for _ in range(3):  # each life has time for one page
        async with running(tmp_path, receiver) as daemon:
            await trio.sleep(0.5)
            assert await daemon.parts.store.reader.fetch(erasure_reads.is_being_erased, event_id)
    async with running(tmp_path, receiver) as daemon:
        await until_erased(daemon, event_id)
        deliveries = await daemon.deliveries(webhook)
        kept = [one for delivery in deliveries for one in await daemon.attempts(delivery)]
        assert len(kept) == 7
        assert all(map(tells_nothing, kept))


async def test_a_webhook_whose_actor_cannot_be_told_holds_up_no_other_erasure(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    [event_id] = await daemon.submit(team, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.delivery.webhook_changes.WebhookChanges.apply_all", _crash)
        await erase(daemon, event_id)
    await daemon.change(webhook, paused=False)
    await trio.sleep(600)
    assert await daemon.statuses(webhook) == [CANCELLED]
    assert receiver.at(A) == []


async def _crash(_self: object) -> None:
    await trio.lowlevel.checkpoint()
    raise RuntimeError("planted")
