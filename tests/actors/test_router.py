"""Accepting events and queueing old ones again: what is acknowledged is kept, in order (contract "HTTP API")."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.inbox import InboxLimits
from daemon.delivery.open_outcomes import MOST_OPEN
from daemon.delivery.resuming import resume
from daemon.delivery.router import Router
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.errors import (
    IdempotencyConflict,
    Overloaded,
    Stopping,
    StoreUnavailable,
    SubmissionTooLarge,
    UnknownTeam,
    WebhookInactive,
)
from daemon.domain.model import Delivery, DeliveryStatus, Team, Webhook, Work
from daemon.domain.submission import Receipt, Submission
from daemon.store.reads import actor_reads, api_reads
from tests.actors.disk import disk_of
from tests.actors.receivers import A, B, hang
from tests.actors.submissions import submission
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, running, skip_ahead, statuses

DAY_S = 24 * 3600


async def submit(daemon: RunningDaemon, what: Submission) -> tuple[Receipt, ...]:
    return await daemon.parts.router.submit(what)


def numbers(daemon: RunningDaemon) -> list[int]:
    return [arrival.number for arrival in daemon.receiver.arrivals]


async def events_kept(daemon: RunningDaemon) -> int:
    with daemon.database.reading.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one())


# -- accepting


async def test_one_commit_takes_all_waiting_submissions(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.answer_s = 1
    disk = disk_of(daemon)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.submit, team, 0)
        await trio.sleep(0.5)
        for number in range(1, 101):
            nursery.start_soon(daemon.submit, team, number)
    assert disk.commits == 2
    assert await events_kept(daemon) == 101


async def test_the_log_of_a_large_submission_does_not_hold_up_the_next_one(
    daemon: RunningDaemon, autojump_clock: MockClock
) -> None:
    team, other = await daemon.team(), await daemon.team()
    large = await submit(daemon, submission(team, *range(1_000)))
    [receipt] = await submit(daemon, submission(other, 1))
    assert len(daemon.log_lines("event_accepted")) < 1_000
    await trio.sleep(1)
    logged = [line["eventId"] for line in daemon.log_lines("event_accepted")]
    assert logged == [one.event_id for one in (*large, receipt)]


async def test_the_receipts_come_after_the_commit_in_the_order_of_the_events(
    daemon: RunningDaemon, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    team, other = await daemon.team(), await daemon.team()
    await daemon.webhook(team, A)
    await daemon.webhook(team, B)
    events = (*submission(team, 1).events, *submission(other, 2).events)
    run_write.begin_s = 5
    started = daemon.now
    receipts = await submit(daemon, Submission(events))
    assert daemon.now - started == 5
    assert [receipt.deliveries for receipt in receipts] == [2, 0]
    for receipt, sent in zip(receipts, events, strict=True):
        kept = await daemon.parts.store.reader.fetch(api_reads.get_event, receipt.event_id)
        assert kept is not None
        assert (kept.team_id, kept.body) == (sent.team_id, sent.body)


@pytest.mark.settings(api={"max_waiting_events": 20})
async def test_a_submission_beyond_the_limit_of_waiting_events_is_refused_and_none_of_it_is_kept(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(submit, daemon, submission(team, *range(7)))
        await trio.sleep(0.5)
        with pytest.raises(Overloaded):
            await submit(daemon, submission(team, *range(4)))
        nursery.start_soon(submit, daemon, submission(team, *range(3)))
    assert await events_kept(daemon) == 10
    await submit(daemon, submission(team, *range(10)))
    assert daemon.parts.router.waiting_events == 0


@pytest.mark.settings(api={"max_waiting_bytes": 20_000})
async def test_a_submission_beyond_the_limit_of_waiting_bytes_is_refused(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    with pytest.raises(SubmissionTooLarge):
        await daemon.submit(team, 1, size=10_000)
    await daemon.submit(team, 2, size=5_000)
    await daemon.submit(team, 3, size=5_000)
    assert await events_kept(daemon) == 2


async def test_an_unknown_team_refuses_the_whole_submission_and_names_the_events_index(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    stranger = replace(team, id="team_nobody")
    events = (*submission(team, 1, 2).events, *submission(stranger, 3).events)
    with pytest.raises(UnknownTeam) as refusal:
        await submit(daemon, Submission(events))
    assert (refusal.value.team_id, refusal.value.indexes) == ("team_nobody", [2])
    assert await events_kept(daemon) == 0


async def test_a_closed_router_refuses_new_submissions_and_keeps_waiting_ones(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(submit, daemon, submission(team, 1))
        await trio.sleep(0.1)
        nursery.start_soon(submit, daemon, submission(team, 2))
        await trio.sleep(0.1)
        daemon.parts.router.close()
        with pytest.raises(Stopping):
            await submit(daemon, submission(team, 3))
    assert await events_kept(daemon) == 2


async def test_a_submission_whose_caller_left_is_delivered(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 1
    with trio.move_on_after(0.5):
        await daemon.submit(team, 1)
    await trio.sleep(60)
    assert numbers(daemon) == [1]


async def test_a_webhook_whose_creator_left_gets_events_like_any_other(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 1
    with trio.move_on_after(0.5):
        await daemon.webhook(team, A)
    run_write.begin_s = 0
    await trio.sleep(10)
    await daemon.submit(team, 1)
    await trio.sleep(1)
    assert numbers(daemon) == [1]


async def test_a_key_is_revoked_at_once_even_if_the_caller_left(
    daemon: RunningDaemon, team: Team, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    made = await daemon.parts.teams.create_key(team.id, "CI")
    assert made is not None
    key, secret = made
    run_write.answer_s = 1
    with trio.move_on_after(0.5):
        await daemon.parts.teams.revoke_key(key.id)
    await trio.sleep(10)
    assert daemon.parts.api_keys.find(secret) is None


async def test_a_wildcard_matches_every_event_type_and_future_ones_once_each(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    await daemon.webhook(team, A, "*")
    await daemon.webhook(team, B, "*", "linkedin.message.sent", "linkedin.message.sent")
    await daemon.submit(team, 1, event="linkedin.message.sent")
    await daemon.submit(team, 2, event="made.up.tomorrow")
    await trio.sleep(1)
    assert [arrival.number for arrival in daemon.receiver.at(A)] == [1, 2]
    assert [arrival.number for arrival in daemon.receiver.at(B)] == [1, 2]


async def test_an_event_reaches_the_subscribers_of_its_own_team_only(
    daemon: RunningDaemon, autojump_clock: MockClock
) -> None:
    team, other = await daemon.team(), await daemon.team()
    await daemon.webhook(team, A, "linkedin.message.sent")
    await daemon.webhook(other, B)
    await daemon.submit(team, 1, event="linkedin.message.received")
    await daemon.submit(team, 2, event="linkedin.message.sent")
    await trio.sleep(1)
    assert [(arrival.url, arrival.number) for arrival in daemon.receiver.arrivals] == [(A, 2)]


# -- idempotency


async def test_a_repeated_key_gets_the_first_receipts_and_delivers_nothing_again(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    first = await submit(daemon, submission(team, 1, 2, key="k"))
    await daemon.webhook(team, B)
    again = await submit(daemon, submission(team, 1, 2, key="k"))
    await trio.sleep(1)
    assert again == first
    assert numbers(daemon) == [1, 2]
    assert await events_kept(daemon) == 2


async def test_the_same_key_with_another_body_is_refused_and_keeps_nothing(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    await submit(daemon, submission(team, 1, key="k", body="one"))
    with pytest.raises(IdempotencyConflict):
        await submit(daemon, submission(team, 2, key="k", body="two"))
    assert await events_kept(daemon) == 1


async def test_two_submissions_with_one_key_in_one_commit_count_as_one(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    run_write.begin_s = 1
    receipts: list[tuple[Receipt, ...]] = []

    async def repeat() -> None:
        receipts.append(await submit(daemon, submission(team, 1, key="k")))

    disk = disk_of(daemon)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.submit, team, 0)
        await trio.sleep(0.5)
        nursery.start_soon(repeat)
        nursery.start_soon(repeat)
    await trio.sleep(0.5)
    assert disk.commits == 2
    await trio.sleep(60)
    assert receipts[0] == receipts[1]
    assert numbers(daemon) == [0, 1]


async def test_an_idempotency_key_is_remembered_for_24_hours(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    first = await submit(daemon, submission(team, 1, key="k"))
    await skip_ahead(DAY_S - 1)
    within = await submit(daemon, submission(team, 1, key="k"))
    await trio.sleep(2 * 3600)
    after = await submit(daemon, submission(team, 2, key="k", body="another"))
    assert within == first
    assert after != first
    assert await events_kept(daemon) == 2


async def test_old_idempotency_keys_are_deleted(daemon: RunningDaemon, team: Team, autojump_clock: MockClock) -> None:
    await submit(daemon, submission(team, 1, key="k"))
    await skip_ahead(DAY_S)
    await trio.sleep(2 * 3600)
    with daemon.database.reading.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM idempotency_keys").scalar_one() == 0


async def test_two_callers_may_use_the_same_idempotency_key(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    one = await submit(daemon, submission(team, 1, key="k", scope="operator"))
    two = await submit(daemon, submission(team, 2, key="k", scope=team.id, body="other"))
    assert one != two
    assert await events_kept(daemon) == 2


async def test_an_idempotency_key_is_remembered_after_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        first = await submit(daemon, submission(team, 1, key="k"))
    async with running(tmp_path, daemon.receiver, daemon.clock) as daemon:
        assert await submit(daemon, submission(team, 1, key="k")) == first


# -- resend


async def only(daemon: RunningDaemon, webhook: Webhook) -> Delivery:
    (delivery,) = await daemon.deliveries(webhook)
    return delivery


async def test_a_resend_of_a_succeeded_delivery_sends_the_same_bytes_as_a_new_delivery(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    old = await only(daemon, webhook)
    new = await daemon.parts.replays.resend(old.id)
    assert new is not None
    await trio.sleep(1)
    first, second = daemon.receiver.arrivals
    assert (first.delivery_id, second.delivery_id) == (old.id, new.id)
    assert first.body == second.body
    assert second.attempt == 1
    assert await daemon.balance(team) == -4


async def test_a_failed_delivery_can_be_resent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = statuses(500, 500, 500, 500, 200)
    await daemon.submit(team, 1)
    await trio.sleep(10)
    await daemon.parts.replays.resend((await only(daemon, webhook)).id)
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["failed", "succeeded"]


async def test_a_resent_test_delivery_is_still_a_test_delivery(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit_test(team)
    await trio.sleep(1)
    await daemon.parts.replays.resend((await only(daemon, webhook)).id)
    await trio.sleep(1)
    assert [arrival.headers.get("x-kakiyo-test") for arrival in daemon.receiver.arrivals] == ["true", "true"]


async def test_an_unknown_delivery_or_one_of_a_disabled_webhook_cannot_be_resent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    await daemon.change(webhook, active=False)
    assert await daemon.parts.replays.resend("dlv_unknown") is None
    with pytest.raises(WebhookInactive):
        await daemon.parts.replays.resend((await only(daemon, webhook)).id)
    with pytest.raises(WebhookInactive):
        await daemon.parts.replays.recover(webhook.id, 0)
    assert await daemon.parts.replays.recover("wh_unknown", 0) is None


async def test_resends_among_submissions_lose_nothing_and_keep_the_order_of_their_commits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, -1)
    await trio.sleep(1)
    old = await only(daemon, webhook)
    run_write.begin_s, run_write.answer_s = 0.001, 0.001
    async with trio.open_nursery() as nursery:
        for number in range(150):
            nursery.start_soon(daemon.submit, team, number)
            nursery.start_soon(daemon.parts.replays.resend, old.id)
            await trio.sleep(0.001 * (number % 4))
    await trio.sleep(60)
    deliveries = await daemon.deliveries(webhook)
    assert len(deliveries) == 301
    assert {delivery.status for delivery in deliveries} == {DeliveryStatus.SUCCEEDED}
    assert [arrival.delivery_id for arrival in daemon.receiver.arrivals] == [delivery.id for delivery in deliveries]


async def test_a_resend_whose_caller_left_is_delivered(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_write: FakeThread, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    run_write.begin_s = 1
    with trio.move_on_after(0.5):
        await daemon.parts.replays.resend((await only(daemon, webhook)).id)
    await trio.sleep(60)
    assert numbers(daemon) == [1, 1]


# -- recover


@pytest.mark.settings(delivery={"retry_delays_s": []})
async def test_recover_queues_only_what_was_missed_and_in_order(
    daemon: RunningDaemon, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(200, 500, 200)
    team, other = await daemon.team(), await daemon.team()
    webhook = await daemon.webhook(team, A, "linkedin.message.sent")
    await daemon.submit(team, 1)  # delivered
    await daemon.submit(team, 2)  # fails
    await trio.sleep(1)
    await daemon.change(webhook, active=False)
    await daemon.submit(team, 3, 4)  # not delivered: disabled
    await daemon.submit(team, 5, event="linkedin.message.received")  # not subscribed to
    await daemon.submit(other, 6)
    await daemon.submit_test(team, 7)
    await daemon.change(webhook, active=True)
    receiver.arrivals.clear()
    assert await daemon.parts.replays.recover(webhook.id, 0) == 3
    await trio.sleep(1)
    assert numbers(daemon) == [2, 3, 4]
    assert await daemon.parts.replays.recover(webhook.id, 0) == 0


async def test_recover_queues_cancelled_deliveries_again_but_not_pending_ones(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = hang
    await daemon.submit(team, 1, 2)
    await trio.sleep(10.5)
    await daemon.change(webhook, active=False)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 3)
    assert await daemon.statuses(webhook) == ["cancelled", "cancelled", "pending"]
    assert await daemon.parts.replays.recover(webhook.id, 0) == 2
    daemon.receiver.answers.clear()
    await trio.sleep(60)
    assert numbers(daemon) == [1, 3, 3, 1, 2]


async def test_recover_looks_back_no_further_than_asked(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(10)
    since = daemon.clock()
    await daemon.submit(team, 2)
    await trio.sleep(10)
    await daemon.submit(team, 3)
    webhook = await daemon.webhook(team, A)
    assert await daemon.parts.replays.recover(webhook.id, since) == 2
    await trio.sleep(1)
    assert numbers(daemon) == [2, 3]


async def test_recover_continues_beyond_its_page_of_1000(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock
) -> None:
    daemon.receiver.answers[A] = hang
    event_ids = [event_id for _ in range(3) for event_id in await daemon.submit(team, *range(700))]
    webhook = await daemon.webhook(team, A)
    assert await daemon.parts.replays.recover(webhook.id, 0) == 2100
    assert await daemon.parts.replays.recover(webhook.id, 0) == 0
    assert [delivery.event_id for delivery in await daemon.deliveries(webhook)] == event_ids


# -- a failing disk


async def test_a_submission_that_the_disk_cannot_take_is_refused_and_none_of_it_is_kept(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 1)
    await trio.sleep(1)
    disk = disk_of(daemon)
    disk.full = True
    with pytest.raises(StoreUnavailable):
        await submit(daemon, submission(team, 2, key="k"))
    disk.full = False
    await submit(daemon, submission(team, 3, key="k"))
    await trio.sleep(1)
    assert numbers(daemon) == [1, 3]
    assert await events_kept(daemon) == 2
    assert daemon.log_lines("actor_restarted") == []


async def test_an_outcome_that_the_disk_cannot_take_is_committed_later_and_once(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MOST_OPEN + 1))
    disk = disk_of(daemon)
    disk.full = True
    await trio.sleep(100)
    assert await daemon.statuses(webhook) == ["pending"] * (MOST_OPEN + 1)
    assert numbers(daemon) == list(range(MOST_OPEN))
    disk.full = False
    await trio.sleep(5)
    assert await daemon.statuses(webhook) == ["succeeded"] * (MOST_OPEN + 1)
    assert [entry.amount for entry in await daemon.ledger(team)] == [-2] * (MOST_OPEN + 1)
    assert numbers(daemon) == list(range(MOST_OPEN + 1))
    assert daemon.log_lines("store_unavailable")


async def test_with_a_full_database_file_submissions_are_refused_until_there_is_room(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    def pages(daemon: RunningDaemon, limit: int) -> None:
        with daemon.database.writing.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

    pages(daemon, 1)  # SQLite takes it for "no further page"
    with pytest.raises(StoreUnavailable, match="full"):
        await daemon.submit(team, 1, size=200_000)
    pages(daemon, 1_000_000)
    await daemon.submit(team, 2, size=200_000)
    await trio.sleep(10)
    assert numbers(daemon) == [2]
    assert await events_kept(daemon) == 1


async def test_a_database_that_cannot_be_read_delays_deliveries_and_loses_none(
    daemon: RunningDaemon, team: Team, webhook: Webhook, run_read: FakeThread, autojump_clock: MockClock
) -> None:
    run_read.error = StoreUnavailable("the database failed")
    await daemon.submit(team, 1, 2)
    await trio.sleep(30)
    assert numbers(daemon) == []
    run_read.error = None
    await trio.sleep(6)
    assert numbers(daemon) == [1, 2]
    assert await daemon.statuses(webhook) == ["succeeded"] * 2


# -- crashes between commit and hint


class FragileFleet:
    """A fleet that crashes the router at its first hint; later it only notes which webhooks it is to wake."""

    def __init__(self) -> None:
        self.crashes = 1
        self.woken: list[str] = []

    async def offer_all(self, work: Sequence[tuple[str, Work]]) -> None:
        if self.crashes and work:
            self.crashes -= 1
            raise RuntimeError("bug")

    def wake(self, webhook_ids: Iterable[str]) -> None:
        self.woken += webhook_ids

    def wake_all(self) -> None:
        self.woken.append("all that live")

    async def resume(self, webhook_id: str) -> None:
        self.woken.append(webhook_id)


async def a_router(daemon: RunningDaemon, fleet: FragileFleet, team: Team) -> Router:
    parts, index = daemon.parts, SubscriptionIndex()
    async for subscription in parts.store.reader.each(actor_reads.subscriptions):
        index.add(subscription)
    shared: dict[str, Any] = {"store": parts.store, "telemetry": parts.telemetry, "owners": fleet}
    read = partial(parts.store.reader.fetch, actor_reads.webhooks_with_work)
    return Router(
        clock=parts.clock,
        index=index,
        filters=parts.router.filters,
        teams={team.id},
        limits=InboxLimits(1_000, 1_000_000),
        fan_outs=FanOuts(max_waiting=1_000, **shared),
        resume=partial(resume, read, cast(Fleet, fleet), parts.telemetry.log),
        **shared,
    )


async def test_a_router_that_crashes_after_the_commit_has_answered_all_and_wakes_the_webhooks_it_did_not_hint(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    fleet = FragileFleet()
    router = await a_router(daemon, fleet, team)
    receipts: list[tuple[Receipt, ...]] = []

    async def submit_one(number: int) -> None:
        receipts.append(await router.submit(submission(team, number)))

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(submit_one, number)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.RaisesGroup(RuntimeError):
            await router.run()
    assert len(receipts) == 3
    fleet.woken.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(router.run)
        await trio.testing.wait_all_tasks_blocked()
        router.close()
    assert fleet.woken == ["all that live", webhook.id]
