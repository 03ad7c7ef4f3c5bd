"""The actors and services that run as long as the daemon does, each with some work for it (see `test_services`)."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import trio

from daemon.domain.bulk_jobs import BulkAction
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.errors import DaemonError
from daemon.domain.model import Team, Webhook
from daemon.domain.submission import Idempotency, NewEvent, Submission
from daemon.maintenance.gauges import FRESH_S
from daemon.seams import Seams
from daemon.store.reads import actor_reads, api_reads
from daemon.store.reads.bulk_job_reads import next_bulk_job
from daemon.store.reads.erasure_reads import next_erasure
from daemon.store.reads.time_blocks import next_time_block
from daemon.telemetry.metrics import ActorKind
from tests.actors.receivers import slow
from tests.actors.strikes import Strikes
from tests.support.daemon import FakeReceiver, RunningDaemon, VirtualWallClock, make_settings, running, statuses

Result = TypeVar("Result")

HEALTHY, BROKEN, SLOW, OPS = (f"https://{name}.example/hook" for name in ("healthy", "broken", "slow", "ops"))
DAY_MS = 86_400_000


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


@dataclass(slots=True)
class Scene:
    """What outlives the daemon's lives: a team, a webhook for each of the receivers, and what each was sent."""

    path: Path
    strikes: Strikes
    clock: VirtualWallClock = field(default_factory=VirtualWallClock)
    receiver: FakeReceiver = field(
        default_factory=lambda: FakeReceiver({BROKEN: statuses(500), SLOW: slow(0.5)}),
    )
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)
    accepted: list[int] = field(default_factory=list)
    checkpoints: int = 0
    name: str = ""
    key_id: str = ""
    _team: Team | None = None
    _daemon: RunningDaemon | None = None
    _is_stopped: bool = False

    @property
    def team(self) -> Team:
        assert self._team is not None
        return self._team

    @property
    def daemon(self) -> RunningDaemon:
        assert self._daemon is not None
        return self._daemon

    @asynccontextmanager
    async def life(self) -> AsyncIterator[RunningDaemon]:
        """Run the daemon; leaving the block kills it, and checks that none of its tasks is left."""
        before, self._is_stopped = tasks(), False
        settings = make_settings(
            self.path,
            delivery={"retry_delays_s": (), "disable_after": 1, "idle_actor_s": 20},
        )
        async with running(self.path, self.receiver, self.clock, settings=settings, adapt=self._adapt) as self._daemon:
            if not self.webhooks:
                self._team = await self.daemon.team()
                for url in (HEALTHY, BROKEN, SLOW):
                    self.webhooks[url] = await self.daemon.webhook(self._team, url, url)
                self.webhooks[OPS] = await self.daemon.operational_webhook(self._team, OPS, "webhook.disabled")
            if self._is_stopped:
                self.stop()
            yield self.daemon
        self._daemon = None
        assert tasks() == before

    def stop(self) -> None:
        """Ask this life for a clean stop, even while it starts."""
        self._is_stopped = True
        if self._daemon is not None:
            self._daemon.stop.set()

    def _adapt(self, seams: Seams) -> Seams:
        async def run_checkpoint(work: Callable[[], Result], /) -> Result:
            self.checkpoints += 1
            return await seams.run_checkpoint(work)

        return self.strikes.between(replace(seams, run_checkpoint=run_checkpoint))

    async def submit(self, url: str, events: int = 1) -> list[str]:
        """Submit events that only this webhook subscribes to."""
        numbers = [next(self.numbers) for _ in range(events)]
        ids = await self.daemon.submit(self.team, *numbers, event=url)
        self.accepted += numbers if url == HEALTHY else []
        return ids


# -- work, and whether it was done


async def submit(scene: Scene) -> None:
    await scene.submit(HEALTHY)


async def submit_many(scene: Scene) -> None:
    await scene.submit(HEALTHY, events=5)


async def all_arrived_in_order(scene: Scene) -> bool:
    arrived = list(dict.fromkeys(arrival.number for arrival in scene.receiver.at(HEALTHY)))
    statuses = await scene.daemon.statuses(scene.webhooks[HEALTHY])
    return set(scene.accepted) <= set(arrived) and arrived == sorted(arrived) and set(statuses) == {"succeeded"}


async def accepted_are_logged(scene: Scene) -> bool:
    """Whether a submission after the strike is logged: a crash may lose lines."""
    (event_id,) = await scene.submit(HEALTHY)
    await trio.sleep(1)
    return event_id in [line["eventId"] for line in scene.daemon.log_lines("event_accepted")]


async def rename(scene: Scene) -> None:
    await scene.submit(HEALTHY)  # wakes its actor: without one, the change would be made as it starts
    await trio.sleep(1)
    name = f"Number {next(scene.numbers)}"
    await scene.daemon.change(scene.webhooks[HEALTHY], name=name)
    scene.name = name


async def is_renamed(scene: Scene) -> bool:
    return (await scene.daemon.current(scene.webhooks[HEALTHY])).name == scene.name


async def have_a_mail_sent(scene: Scene) -> None:
    await scene.daemon.change(scene.webhooks[BROKEN], active=True)
    await scene.submit(BROKEN)


async def mail_is_sent(scene: Scene) -> bool:
    return await scene.daemon.parts.store.reader.fetch(actor_reads.next_mail_at) is None


async def disabling_is_told(scene: Scene) -> bool:
    waiting = await scene.daemon.parts.store.reader.fetch(actor_reads.waiting_operational_events)
    return not waiting and set(await scene.daemon.statuses(scene.webhooks[OPS])) == {"succeeded"}


async def disable_with_a_backlog(scene: Scene) -> None:
    await scene.daemon.change(scene.webhooks[SLOW], active=True)
    await scene.submit(SLOW, events=9)
    await scene.daemon.change(scene.webhooks[SLOW], active=False)


async def backlog_is_cancelled(scene: Scene) -> bool:
    return "pending" not in await scene.daemon.statuses(scene.webhooks[SLOW])


async def ask_for_a_bulk_job(scene: Scene) -> None:
    jobs, wanted = scene.daemon.parts.bulk_jobs, DeliveryFilter(webhook_id=scene.webhooks[SLOW].id)
    choice = await jobs.choose(scene.team.id, BulkAction.CANCEL, wanted, None)
    await jobs.create(choice, await jobs.count(choice))


async def bulk_jobs_are_over(scene: Scene) -> bool:
    return await scene.daemon.parts.store.reader.fetch(next_bulk_job, 0) is None


async def erase_an_event(scene: Scene) -> None:
    [event_id] = await scene.submit(SLOW)
    event = await scene.daemon.parts.store.reader.fetch(api_reads.get_event, event_id)
    assert event is not None
    await scene.daemon.parts.erasing.erase(event)


async def erasures_are_over(scene: Scene) -> bool:
    return await scene.daemon.parts.store.reader.fetch(next_erasure, 0) is None


async def leave_an_old_key(scene: Scene) -> None:
    await trio.sleep(1)  # it has read the clock by now, and trusts it when it jumps back and forth
    number = next(scene.numbers)
    event, key = NewEvent(scene.team.id, "nobody's", 0, b"{}"), Idempotency("operator", f"key {number}", b"")
    await scene.daemon.parts.router.submit(Submission((event,), key))
    with scene.daemon.database.writer.begin():  # whatever the clock says, a new key is not old
        scene.daemon.database.writer.exec_driver_sql(
            f"UPDATE idempotency_keys SET created_at = created_at - {3 * DAY_MS}"
        )


async def old_keys_are_gone(scene: Scene) -> bool:
    with scene.daemon.database.reading.connect() as connection:
        return not int(connection.exec_driver_sql("SELECT count(*) FROM idempotency_keys").scalar_one())


async def times_are_indexed(scene: Scene) -> bool:
    return await scene.daemon.parts.store.reader.fetch(next_time_block, "events") is None


async def let_the_log_grow(scene: Scene) -> None:
    scene.checkpoints = 0
    await scene.submit(HEALTHY)


async def log_is_checkpointed(scene: Scene) -> bool:
    return scene.checkpoints > 0


async def use_a_key(scene: Scene) -> None:
    made = await scene.daemon.parts.teams.create_key(scene.team.id, "CI")
    assert made is not None
    scene.key_id = made[0].id
    scene.daemon.parts.key_uses.note(scene.key_id)


async def use_is_kept(scene: Scene) -> bool:
    scene.daemon.parts.key_uses.note(scene.key_id)  # a crash of the daemon forgets what was noted
    await trio.sleep(61)
    key = await scene.daemon.parts.store.reader.fetch(api_reads.get_key, scene.key_id)
    return key is not None and key.last_used_at is not None


async def pause_for_a_while(scene: Scene) -> None:
    daemon, webhook = scene.daemon, scene.webhooks[HEALTHY]
    await daemon.change(webhook, paused=True, resumes_at=daemon.clock() + 10_000)
    await scene.submit(HEALTHY)


async def listen_for_a_moment(scene: Scene) -> None:
    async with scene.daemon.parts.live_listeners.listen(scene.team.id, (HEALTHY,)):
        await trio.sleep(1)


async def nobody_listens(scene: Scene) -> bool:
    found, _ = await scene.daemon.parts.store.reader.fetch(actor_reads.live_webhooks, "", 100)
    return not found


async def ask_for_gauges(scene: Scene) -> None:
    await trio.sleep(FRESH_S)
    scene.daemon.parts.telemetry.metrics.pending_deliveries.set(math.nan)
    await scene.daemon.parts.gauges.refresh()


async def gauges_are_set(scene: Scene) -> bool:
    await scene.daemon.parts.gauges.refresh()
    registry = scene.daemon.parts.telemetry.metrics.registry
    return registry.get_sample_value("kakiyo_webhooks_pending_deliveries") == 0


async def forget_the_hour(scene: Scene) -> None:
    scene.daemon.parts.last_hour._minutes.clear()


async def hour_is_kept(scene: Scene) -> bool:
    await trio.sleep(61)
    return bool(scene.daemon.parts.last_hour.minutes)


# -- the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service to stress: `run` is its function, `started` where it is started: a file and what `start_soon` is given.

    `kind` is that of the supervised actor that starts again after a crash: its own or that of which it is a part. None
    if only a new start of the daemon goes on. `work` gives it something to do, and `done` says, `within_s` later,
    whether that was done. One that `ends` has done its work a moment after its start, once; one that `needs` nothing
    calls neither the store nor a thread.
    """

    run: str
    started: str
    kind: ActorKind | None
    work: Callable[[Scene], Awaitable[None]] = submit
    done: Callable[[Scene], Awaitable[bool]] = all_arrived_in_order
    within_s: float = 61
    ends: bool = False
    needs: bool = True

    def __str__(self) -> str:
        return self.run.removeprefix("daemon.")


def upkeep(kind: ActorKind, run: str, **fields: Any) -> Service:
    return Service(run=run, started="daemon/run.py: task.run", kind=kind, **fields)


SERVICES = (
    Service(run="daemon.store.writes.writer.Writer.run", started="daemon/run.py: store.run", kind=None),
    Service(run="daemon.delivery.fleet.Fleet.run", started="daemon/run.py: fleet.run", kind=None),
    Service(
        run="daemon.delivery.router.Router.run",
        started="daemon/run.py: router.run",
        kind=ActorKind.ROUTER,
    ),
    Service(
        run="daemon.wiring.resume",
        started="daemon/delivery/router.py: self._resume",
        kind=ActorKind.ROUTER,
        ends=True,
    ),
    Service(
        run="daemon.delivery.router.log_accepted",
        started="daemon/delivery/router.py: log_accepted",
        kind=ActorKind.ROUTER,
        done=accepted_are_logged,
        needs=False,
    ),
    Service(
        run="daemon.delivery.fan_out.FanOuts.run",
        started="daemon/delivery/router.py: self._fan_outs.run",
        kind=ActorKind.ROUTER,
        work=submit_many,
    ),
    Service(
        run="daemon.delivery.endpoint.Endpoint.run",
        started="daemon/delivery/fleet.py: self._supervise",
        kind=ActorKind.ENDPOINT,
    ),
    Service(
        run="daemon.delivery.webhook_changes.WebhookChanges.run",
        started="daemon/delivery/endpoint.py: self._changes.run",
        kind=ActorKind.ENDPOINT,
        work=rename,
        done=is_renamed,
    ),
    Service(
        run="daemon.delivery.open_outcomes.OpenOutcomes.run",
        started="daemon/delivery/endpoint.py: self._state.outcomes.run",
        kind=ActorKind.ENDPOINT,
        needs=False,
    ),
    upkeep(ActorKind.NOTIFIER, "daemon.mail.notifier.Notifier.run", work=have_a_mail_sent, done=mail_is_sent),
    upkeep(
        ActorKind.SUBMITTER,
        "daemon.operations.submitter.Submitter.run",
        work=have_a_mail_sent,
        done=disabling_is_told,
    ),
    upkeep(
        ActorKind.CANCELLER,
        "daemon.delivery.canceller.Canceller.run",
        work=disable_with_a_backlog,
        done=backlog_is_cancelled,
    ),
    upkeep(
        ActorKind.BULK_JOBS,
        "daemon.management.bulk_runner.BulkRunner.run",
        work=ask_for_a_bulk_job,
        done=bulk_jobs_are_over,
    ),
    upkeep(
        ActorKind.ERASER,
        "daemon.management.eraser.Eraser.run",
        work=erase_an_event,
        done=erasures_are_over,
    ),
    upkeep(
        ActorKind.HOUSEKEEPER,
        "daemon.maintenance.cleaner.Cleaner.run",
        work=leave_an_old_key,
        done=old_keys_are_gone,
        within_s=610,
    ),
    upkeep(
        ActorKind.TIME_INDEXER,
        "daemon.maintenance.time_indexer.TimeIndexer.run",
        work=submit_many,
        done=times_are_indexed,
        within_s=610,
    ),
    upkeep(
        ActorKind.CHECKPOINTER,
        "daemon.maintenance.checkpointer.Checkpointer.run",
        work=let_the_log_grow,
        done=log_is_checkpointed,
    ),
    upkeep(
        ActorKind.KEY_USES, "daemon.management.key_uses.KeyUses.run", work=use_a_key, done=use_is_kept, within_s=130
    ),
    upkeep(
        ActorKind.TIMERS,
        "daemon.delivery.timers.Timers.run",
        work=pause_for_a_while,
        within_s=75,
    ),
    upkeep(
        ActorKind.LIVE_LISTENERS,
        "daemon.management.listeners.LiveListeners.run",
        work=listen_for_a_moment,
        done=nobody_listens,
        within_s=75,
    ),
    upkeep(
        ActorKind.LAST_HOUR,
        "daemon.maintenance.last_hour.LastHour.run",
        work=forget_the_hour,
        done=hour_is_kept,
        within_s=130,
    ),
    upkeep(
        ActorKind.OBSERVER, "daemon.maintenance.gauges.GaugeRefresher.run", work=ask_for_gauges, done=gauges_are_set
    ),
)


async def give(service: Service, scene: Scene) -> bool:
    """Give the service its work; return whether it was accepted, rather than refused with an error for the user."""
    try:
        with trio.fail_after(service.within_s):  # everybody gets an answer
            await service.work(scene)
    except DaemonError:
        return False
    return True


# What else is started in `daemon/`, and where it is tested: it serves the process or one request, and needs no store.
ELSEWHERE = {
    "daemon/run.py: api.run": "tests/api/test_serve.py",
    "daemon/app.py: report_suppressed": "tests/unit/test_log_throttle.py",
    "daemon/app.py: reload_on_hangup": "tests/e2e/test_reloading.py",
    "daemon/opening.py: extend_start": "tests/unit/test_lifeline.py",
    "daemon/app.py: _stop_on_signal": "tests/e2e/test_stopping.py",
    "daemon/app.py: stop.happen": "tests/e2e/test_stopping.py",
    "daemon/app.py: watch_loop_lag": "tests/unit/test_loop_lag.py",
    "daemon/app.py: _announce": "tests/unit/test_lifeline.py",
    "daemon/systemd/notify.py: _keep_alive_while_working": "tests/unit/test_lifeline.py",
    "daemon/mail/smtp.py: _shut_down_at": "tests/mail/test_smtp.py",
    "daemon/egress/wire.py: one_of": "tests/egress/test_cancellation.py",
    "daemon/egress/deadlines.py: self._run": "tests/egress/test_deadlines.py",
    "daemon/maintenance/checkpointer.py: self._limit_commits": "tests/store/test_checkpointing.py",
    "daemon/management/webhook_changer.py: change": "tests/actors/test_bulk_jobs.py",
    "daemon/delivery/expiries.py: expire": "tests/actors/test_expiry.py",
    "daemon/delivery/parallel.py: self._bring_to_its_end": "tests/actors/test_concurrency.py",
    "daemon/delivery/timed_resumes.py: resume_one": "tests/actors/test_pauses.py",
    "daemon/run.py: task.run": "tests/cluster/test_nodes.py",
    "daemon/cluster/membership.py: hooks.on_claimed": "tests/cluster/test_membership.py",
    "daemon/cluster/membership.py: self._give_back": "tests/cluster/test_membership.py",
    "daemon/cluster/live_pages.py: self._say": "tests/cluster/test_live_pages.py",
    "daemon/cluster/live_pages.py: self._tell": "tests/cluster/test_live_pages.py",
    "daemon/cluster/singletons.py: run": "tests/cluster/test_singletons.py",
    "daemon/cluster/answering.py: self._finish": "tests/cluster/test_requests.py",
    "daemon/cluster/answering.py: self._refuse": "tests/cluster/test_requests.py",
    "daemon/cluster/answering.py: self._pass_on": "tests/cluster/test_live_listeners.py",
}

# Those of a process that is one node of several.
IN_CLUSTER = (
    ActorKind.MEMBERSHIP,
    ActorKind.FEED,
    ActorKind.CALLER,
    ActorKind.SILENCE,
    ActorKind.LIVE_PAGES,
    ActorKind.ANSWERING,
    ActorKind.CREDITS,
    ActorKind.LISTENER,
    ActorKind.SWEEPER,
)
