"""Bulk jobs where several nodes share the webhooks (contract "Bulk jobs", "Several nodes")."""

from collections import Counter
from collections.abc import Callable

import pytest
import trio

from daemon.domain.bulk_jobs import BulkAction, BulkJob, BulkJobStatus
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import DeliveryStatus, Team
from daemon.management import bulk_runner, paged_work
from daemon.store.reads import bulk_job_reads
from tests.cluster.real_nodes import Cluster
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

URL = "https://receiver.example/hook"
WEBHOOKS, EVENTS = 6, 3


async def start(daemon: RunningDaemon, team: Team, action: BulkAction) -> BulkJob:
    jobs = daemon.parts.bulk_jobs
    choice = await jobs.choose(team.id, action, DeliveryFilter(team.id), None)
    return await jobs.create(choice, await jobs.count(choice))


async def read(daemon: RunningDaemon, job: BulkJob) -> BulkJob:
    found = await daemon.parts.store.reader.fetch(bulk_job_reads.get_bulk_job, job.id)
    assert found is not None
    return found


async def until_job(daemon: RunningDaemon, job: BulkJob, holds: Callable[[BulkJob], bool]) -> BulkJob:
    """Wait until something holds for the job; return it as it is then."""
    with trio.fail_after(20):
        while not holds(job):
            await trio.sleep(0.02)
            job = await read(daemon, job)
    return job


async def finished(daemon: RunningDaemon, job: BulkJob) -> BulkJob:
    return await until_job(daemon, job, lambda one: one.status is not BulkJobStatus.RUNNING)


async def test_what_waits_is_cancelled_by_the_nodes_that_own_it_whichever_was_asked(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    team = await pair[0].team()
    webhooks = [await pair[0].webhook(team, f"{URL}/{number}") for number in range(WEBHOOKS)]
    for asked in pair:
        for webhook in webhooks:
            await pair[0].change(webhook, paused=True)
        for number in range(EVENTS):
            await pair[1].submit(team, number)
        job = await finished(asked, await start(asked, team, BulkAction.CANCEL))
        assert (job.total, job.done) == (WEBHOOKS * EVENTS, WEBHOOKS * EVENTS)
        for webhook in webhooks:
            await pair[1].change(webhook, paused=False)
    await trio.sleep(1.2)  # a sweep later
    assert cluster.receiver.arrivals == []
    for webhook in webhooks:
        assert set(await pair[0].statuses(webhook)) == {DeliveryStatus.CANCELLED}


async def test_a_node_that_takes_over_goes_on_with_a_job_and_resends_nothing_twice(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runner, "_RESENT_AT_ONCE", 4)
    monkeypatch.setattr(paged_work, "_SHORTEST_REST_S", 0.1)
    all_of_them = WEBHOOKS * EVENTS
    async with cluster.node("a") as victim:
        team = await victim.team()
        webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(WEBHOOKS)]
        for webhook in webhooks:
            await victim.change(webhook, paused=True)
        for number in range(EVENTS):
            await victim.submit(team, number)
        await finished(victim, await start(victim, team, BulkAction.CANCEL))
        for webhook in webhooks:
            await victim.change(webhook, paused=False)
        job = await until_job(victim, await start(victim, team, BulkAction.RESEND), lambda one: one.done > 0)
        assert job.status is BulkJobStatus.RUNNING
    async with cluster.node("b") as survivor:  # when the lease of the victim is over
        job = await finished(survivor, job)
        assert (job.total, job.done) == (all_of_them, all_of_them)
        await until(lambda: len({arrival.delivery_id for arrival in cluster.receiver.arrivals}) == all_of_them)
        resent = [one for webhook in webhooks for one in await survivor.deliveries(webhook) if one.origin]
    assert Counter(one.origin_id for one in resent).most_common(1)[0][1] == 1
    assert len(resent) == all_of_them
    assert len({one.id for one in resent}) == all_of_them
