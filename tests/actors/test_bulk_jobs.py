"""Bulk jobs: each delivery once, over crashes and changes in their middle (contract "Bulk jobs")."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.bulk_jobs import BulkAction, BulkJob, BulkJobStatus, Choice
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.errors import StoreUnavailable, TooManyBulkJobs, TooManyDeliveries
from daemon.domain.model import CancelReason, DeliveryStatus, Team, Webhook
from daemon.management import bulk_jobs, bulk_runner, paged_work
from daemon.management.webhook_changer import LocalChanger
from daemon.store.reads import bulk_job_reads
from daemon.store.upkeep_commands import PruneEvents
from tests.actors.receivers import A, B, slow
from tests.faults.sabotage import Point, Saboteur
from tests.support.daemon import (
    FakeReceiver,
    FakeThread,
    RunningDaemon,
    running,
    statuses,
)

PAGE = 4
MANY = 14
pytestmark = pytest.mark.usefixtures("each_engine", "small_pages")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few deliveries be several pages, with a second between two."""
    monkeypatch.setattr(bulk_runner, "_RESENT_AT_ONCE", PAGE)
    monkeypatch.setattr(bulk_runner, "_CANCELLED_AT_ONCE", PAGE)
    monkeypatch.setattr(paged_work, "_SHORTEST_REST_S", 1.0)


async def start(
    daemon: RunningDaemon, team: Team, action: str, *, ids: tuple[str, ...] | None = None, **wanted: Any
) -> BulkJob:
    jobs = daemon.parts.bulk_jobs
    choice = await jobs.choose(team.id, BulkAction(action), DeliveryFilter(team.id, **wanted), ids)
    return await jobs.create(choice, await jobs.count(choice))


async def read(daemon: RunningDaemon, job: BulkJob) -> BulkJob:
    found = await daemon.parts.store.reader.fetch(bulk_job_reads.get_bulk_job, job.id)
    assert found is not None
    return found


async def finished(daemon: RunningDaemon, job: BulkJob) -> BulkJob:
    with trio.fail_after(600):
        while (job := await read(daemon, job)).status is BulkJobStatus.RUNNING:  # noqa: ASYNC110 - the time is virtual
            await trio.sleep(1)  # virtual time
    return job


async def resent_from(daemon: RunningDaemon, webhook: Webhook) -> list[str | None]:
    return [one.origin_id for one in await daemon.deliveries(webhook) if one.origin is not None]


async def pause(daemon: RunningDaemon, webhook: Webhook) -> None:
    assert await daemon.change(webhook, paused=True) is not None


# -- resending


async def test_what_had_ended_is_resent_once_oldest_first_and_nothing_that_came_later(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    first = [one.id for one in await daemon.deliveries(webhook)]
    job = await start(daemon, team, "resend")
    await daemon.submit(team, 100)
    job = await finished(daemon, job)
    await trio.sleep(10)
    assert (job.total, job.done, job.skipped, job.after_seq) == (MANY, MANY, 0, job.choice.through_seq)
    assert await resent_from(daemon, webhook) == first
    numbers = [arrival.number for arrival in daemon.receiver.arrivals if arrival.number < 100]
    assert numbers == [*range(MANY), *range(MANY)]
    [line] = daemon.log_lines("bulk_job_finished")
    assert (line["count"], line["action"]) == (MANY, "resend")


async def test_what_was_pending_when_it_was_asked_for_is_not_resent(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook)
    await daemon.submit(team, 1)
    job = await start(daemon, team, "resend")
    await daemon.change(webhook, paused=False)
    job = await finished(daemon, job)
    assert (job.total, job.done) == (0, 0)


async def test_a_page_is_moved_on_from_in_the_transaction_that_resends_it_whatever_crashes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.submit(team, *range(MANY))
        await trio.sleep(10)
        first = [one.id for one in await daemon.deliveries(webhook)]
        job = await start(daemon, team, "resend")
    for _ in range(5):  # each life has time for one page or none
        async with running(tmp_path, receiver) as daemon:
            await trio.sleep(0.5)
    async with running(tmp_path, receiver) as daemon:
        job = await finished(daemon, job)
        await trio.sleep(10)
        assert (job.total, job.done) == (MANY, MANY)
        assert await resent_from(daemon, webhook) == first
    sent = Counter(arrival.delivery_id for arrival in receiver.arrivals)
    assert len(sent) == 2 * MANY


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("action", "seam"),
    [
        *[("resend", "MoveBulkJob"), ("resend", "read next_deliveries")],
        *[("cancel", "MoveBulkJob"), ("cancel", "CancelForJob")],
    ],
)
async def test_a_crash_around_a_page_does_nothing_twice_and_leaves_nothing_out(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    seam: str,
    after: bool,
    autojump_clock: MockClock,
) -> None:
    if action == "cancel":
        await pause(daemon, webhook)
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    job = await start(daemon, team, action)
    saboteur = Saboteur(Point(seam, after, 2), lambda: None, armed=True)
    saboteur.enter(monkeypatch)
    job = await finished(daemon, job)
    await trio.sleep(10)
    assert saboteur.struck
    assert (job.total, job.done) == (MANY, MANY)
    if action == "resend":
        assert await daemon.statuses(webhook) == ["succeeded"] * 2 * MANY
    else:
        assert await daemon.statuses(webhook) == ["cancelled"] * MANY


async def test_a_store_that_fails_for_a_while_holds_a_job_up_and_no_more(
    daemon: RunningDaemon, run_write: FakeThread, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    job = await start(daemon, team, "resend")
    await trio.sleep(1.5)
    run_write.begin_s = 3
    await trio.sleep(30)
    run_write.begin_s = 0
    job = await finished(daemon, job)
    await trio.sleep(10)
    assert job.done == MANY
    assert len(await resent_from(daemon, webhook)) == MANY


@pytest.mark.parametrize("edit", ["disable", "delete"])
async def test_a_webhook_disabled_or_deleted_in_the_middle_gets_no_more_and_the_job_goes_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, edit: str, autojump_clock: MockClock
) -> None:
    other = await daemon.webhook(team, B)
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    job = await start(daemon, team, "resend")
    await trio.sleep(2.5)
    if edit == "disable":
        await daemon.change(webhook, active=False)
    else:
        await daemon.parts.webhooks.delete(webhook.id)
    before = len(await resent_from(daemon, webhook))
    job = await finished(daemon, job)
    assert 0 < before < MANY
    assert len(await resent_from(daemon, webhook)) == before
    assert len(await resent_from(daemon, other)) == MANY
    assert (job.total, job.done, job.skipped) == (2 * MANY, before + MANY, MANY - before)


async def test_what_retention_erases_in_the_middle_is_left_out(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    job = await start(daemon, team, "resend")
    await trio.sleep(1.5)
    prune = PruneEvents(before=daemon.clock() - 1_500, after_seq=0, limit=100)
    pruned = await daemon.parts.store.writer.execute(prune)
    job = await finished(daemon, job)
    assert pruned.events > 0
    assert (job.total, job.done, job.skipped) == (MANY, MANY - pruned.events, pruned.events)


async def test_a_job_that_is_cancelled_stops_behind_its_page(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    job = await start(daemon, team, "resend")
    await trio.sleep(2.5)
    ended = await daemon.parts.bulk_jobs.end(job)
    await trio.sleep(60)
    assert (ended.status, ended.skipped) == (BulkJobStatus.CANCELLED, None)
    assert 0 < ended.done < MANY
    assert len(await resent_from(daemon, webhook)) == ended.done
    assert await read(daemon, job) == ended


# -- cancelling


async def test_what_waits_is_cancelled_but_the_one_in_flight_and_the_others_keep_their_order(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, webhook: Webhook, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = slow(5)
    await daemon.submit(team, *range(8))
    ids = [one.id for one in await daemon.deliveries(webhook)]
    await trio.sleep(1)  # the first one is in flight, the others are read ahead
    job = await finished(daemon, await start(daemon, team, "cancel", ids=(ids[0], *ids[2:6])))
    await trio.sleep(60)
    assert (job.total, job.done, job.skipped) == (5, 4, 1)
    assert [arrival.number for arrival in receiver.arrivals] == [0, 1, 6, 7]
    made = await daemon.deliveries(webhook)
    assert [one.cancel_reason for one in made] == [None, None, *[CancelReason.REQUESTED] * 4, None, None]
    assert await daemon.balance(team) == -8
    assert len(daemon.log_lines("delivery_cancelled")) == 4


async def test_one_that_waits_for_its_retry_is_cancelled_and_is_not_held_against_its_webhook(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, webhook: Webhook, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(503, 200)
    await daemon.submit(team, 0, 1)
    [first, _] = await daemon.deliveries(webhook)
    await trio.sleep(0.5)
    job = await finished(daemon, await start(daemon, team, "cancel", ids=(first.id,)))
    await trio.sleep(60)
    assert job.done == 1
    assert await daemon.statuses(webhook) == ["cancelled", "succeeded"]
    assert (await daemon.current(webhook)).consecutive_failures == 0


async def test_the_back_off_of_another_delivery_goes_on_while_some_behind_it_are_cancelled(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, webhook: Webhook, autojump_clock: MockClock
) -> None:
    receiver.answers[A] = statuses(503, 503, 503, 200)
    await daemon.submit(team, *range(3))
    last = (await daemon.deliveries(webhook))[-1]
    await trio.sleep(3.5)
    await start(daemon, team, "cancel", ids=(last.id,))
    await trio.sleep(60)
    assert [(round(arrival.at), arrival.number, arrival.attempt) for arrival in receiver.arrivals] == [
        *[(0, 0, 1), (1, 0, 2), (3, 0, 3), (7, 0, 4)],
        (7, 1, 1),
    ]


async def test_a_paused_webhooks_deliveries_are_cancelled_over_crashes_and_none_is_sent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver()
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await pause(daemon, webhook)
        await daemon.submit(team, *range(MANY))
        job = await start(daemon, team, "cancel")
    for _ in range(3):
        async with running(tmp_path, receiver) as daemon:
            await trio.sleep(0.5)
    async with running(tmp_path, receiver) as daemon:
        job = await finished(daemon, job)
        await daemon.change(webhook, paused=False)
        await daemon.submit(team, 100)
        await trio.sleep(10)
        assert await daemon.statuses(webhook) == [*["cancelled"] * MANY, "succeeded"]
    assert job.done == MANY
    assert [arrival.number for arrival in receiver.arrivals] == [100]


async def test_nothing_is_charged_for_what_is_cancelled(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await pause(daemon, webhook)
    await daemon.submit(team, *range(3))
    await finished(daemon, await start(daemon, team, "cancel", statuses=(DeliveryStatus.PENDING,)))
    await daemon.change(webhook, paused=False)
    await trio.sleep(10)
    assert (await daemon.balance(team), daemon.receiver.arrivals) == (0, [])


async def test_a_webhook_that_cannot_be_changed_is_left_out_after_some_tries(
    daemon: RunningDaemon, team: Team, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    other = await daemon.webhook(team, B)
    for one in (webhook, other):
        await pause(daemon, one)
    await daemon.submit(team, *range(MANY))
    change = LocalChanger.change

    async def refuse(changer: LocalChanger, webhook_id: str, *args: Any, **kwargs: Any) -> Any:
        if webhook_id == webhook.id:
            raise StoreUnavailable("the webhook's actor crashed")
        return await change(changer, webhook_id, *args, **kwargs)

    monkeypatch.setattr(LocalChanger, "change", refuse)
    job = await finished(daemon, await start(daemon, team, "cancel"))
    assert (job.total, job.done, job.skipped) == (2 * MANY, MANY, MANY)
    assert set(await daemon.statuses(other)) == {"cancelled"}
    assert set(await daemon.statuses(webhook)) == {"pending"}


# -- limits


async def test_teams_take_turns_and_a_teams_jobs_come_one_after_the_other(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    neighbour = await daemon.team()
    other = await daemon.webhook(neighbour, B)
    await daemon.submit(team, *range(MANY))
    await daemon.submit(neighbour, *range(PAGE))
    await trio.sleep(10)
    large, next_one = await start(daemon, team, "resend"), await start(daemon, team, "resend")
    small = await start(daemon, neighbour, "resend")
    await trio.sleep(3.5)
    assert (await read(daemon, small)).status is BulkJobStatus.FINISHED
    assert (await read(daemon, large)).status is BulkJobStatus.RUNNING
    assert (await read(daemon, next_one)).done == 0
    await finished(daemon, next_one)
    assert len(await resent_from(daemon, other)) == PAGE
    assert len(await resent_from(daemon, webhook)) == 2 * MANY


async def test_a_team_has_so_many_jobs_at_once_and_its_newest_are_kept(
    daemon: RunningDaemon, team: Team, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(bulk_jobs, "KEPT_PER_TEAM", 7)
    await daemon.submit(team, *range(PAGE + 1))
    await trio.sleep(10)
    jobs = [await start(daemon, team, "resend") for _ in range(bulk_jobs.MOST_RUNNING)]
    with pytest.raises(TooManyBulkJobs):
        await start(daemon, team, "resend")
    await start(daemon, await daemon.team(), "resend")
    for _ in range(5):
        await finished(daemon, jobs[-1])
        jobs.append(await start(daemon, team, "resend", ids=()))
    listed = await daemon.parts.store.reader.fetch(bulk_job_reads.list_bulk_jobs, team.id, 50)
    assert len(listed.items) == 7
    assert listed.items[0].id == jobs[-1].id


async def test_a_resend_of_too_many_is_refused_and_a_cancel_is_not_counted_to_its_end(
    daemon: RunningDaemon, team: Team, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(bulk_jobs, "MOST_DELIVERIES", MANY - 1)
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    with pytest.raises(TooManyDeliveries):
        await start(daemon, team, "resend")
    await pause(daemon, webhook)
    await daemon.submit(team, *range(MANY))
    job = await finished(daemon, await start(daemon, team, "cancel"))
    assert (job.total, job.done, job.skipped) == (None, MANY, None)


async def test_a_teams_counts_take_turns(
    daemon: RunningDaemon, team: Team, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, *range(MANY))
    await trio.sleep(10)
    monkeypatch.setattr(bulk_jobs, "_AT_ONCE", PAGE)
    jobs, at_once, most = daemon.parts.bulk_jobs, 0, 0
    count = jobs._count

    async def counted(choice: Choice) -> bulk_jobs.Count:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        try:
            await trio.sleep(1)
            return await count(choice)
        finally:
            at_once -= 1

    monkeypatch.setattr(jobs, "_count", counted)
    choice = await jobs.choose(team.id, BulkAction.RESEND, DeliveryFilter(team.id), None)
    found: list[int] = []

    async def ask() -> None:
        found.append((await jobs.count(choice)).count)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert (found, most, jobs._turns) == ([MANY] * 5, 1, {})
