"""Builds the daemon's actors and handles out of their parts; starts nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.actors.supervisor import Budget
from daemon.config.reload import LiveSettings
from daemon.config.settings import Settings
from daemon.crypto.api_keys import ApiKeys
from daemon.crypto.vault import Vault
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.canceller import Canceller
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.endpoint import Endpoint, Schedule
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.inbox import InboxLimits
from daemon.delivery.outcome_recorder import OutcomeRecorder
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.router import Router
from daemon.delivery.sender import Sender
from daemon.delivery.sent_request import sent_request
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.domain.clock import Clock, clock_of
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.event_types import EventType, build_catalogue
from daemon.domain.model import Webhook
from daemon.egress.lookups import Lookups
from daemon.handles import CheckUrl, ConsoleHandles, Handles, HealthHandles, SystemHandles
from daemon.mail.outbox import Notifier
from daemon.maintenance.checkpointer import Checkpointer
from daemon.maintenance.cleaner import Cleaner
from daemon.maintenance.gauges import Observer
from daemon.maintenance.time_indexer import TimeIndexer
from daemon.management.kept_answers import KeptAnswers
from daemon.management.replays import Replays
from daemon.management.sign_outs import SignOuts
from daemon.management.teams import Teams
from daemon.management.webhooks import Webhooks
from daemon.seams import Seams
from daemon.store.commands import ReadBalance
from daemon.store.reads import actor_reads
from daemon.store.reads.reader import Reader
from daemon.store.retry import retry_until_available
from daemon.store.sqlite.database import Database
from daemon.store.store import Store
from daemon.store.writes.fan_outs import unfinished_fan_outs
from daemon.store.writes.writer import Writer
from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.metrics import ActorKind, Metrics
from daemon.telemetry.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """All that runs, put together. `upkeep` are the actors on which nothing depends at once."""

    live: LiveSettings
    store: Store
    clock: Clock
    telemetry: Telemetry
    fleet: Fleet
    router: Router
    teams: Teams
    webhooks: Webhooks
    replays: Replays
    kept_answers: KeptAnswers
    notifier: Notifier
    observer: Observer
    upkeep: Mapping[ActorKind, Callable[[], Awaitable[None]]]
    vault: Vault
    api_keys: ApiKeys
    sign_outs: SignOuts
    check_url: CheckUrl
    work_done: Callable[[], int]
    started_at: float


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the daemon keeps in memory of the database, in step with it."""

    index: SubscriptionIndex
    teams: set[str]
    api_keys: ApiKeys
    sign_outs: SignOuts


async def assemble(
    live: LiveSettings,
    database: Database,
    *,
    vault: Vault,
    operator_key: str,
    seams: Seams,
    metrics: Metrics,
    log: FilteringBoundLogger,
) -> Daemon:
    """Build the daemon on an open database; reads what the actors keep in memory."""
    settings = live.now
    database.checkpoint_apart()
    store = Store(Reader(database, seams.run_read, metrics.longest_read), Writer(database, seams.run_write, metrics))
    clock, telemetry = clock_of(seams.now_ms), Telemetry(log, metrics, changes=ChangeFeed(), spans=seams.spans)
    memory = await _load(store, operator_key)
    gate = CreditGate(settings.credits.per_delivery, settings.credits.enforce, partial(_balance_of, store, log))
    slots = AttemptSlots(seams.attempts_at_once, partial(_warn_of_waiting_attempts, log))
    delivery_log = DeliveryLog(telemetry, price=settings.credits.per_delivery)
    notifier = Notifier(store=store, clock=clock, telemetry=telemetry, send=seams.send_mail)
    canceller = Canceller(store=store, log=delivery_log)
    on_change = partial(_webhook_changed, memory.index, telemetry.changes)
    recorder = OutcomeRecorder(
        store=store,
        clock=clock,
        log=delivery_log,
        policy=settings.delivery.policy,
        on_change=on_change,
        on_mail=notifier.wake,
        on_cancellations_left=canceller.wake,
    )
    make_sender = partial(
        Sender,
        clock=clock,
        log=delivery_log,
        vault=vault,
        slots=slots,
        make_transport=seams.make_transport,
        timeout_s=settings.delivery.timeout_s,
    )
    make_changes = partial(
        WebhookChanges,
        store=store,
        clock=clock,
        log=delivery_log,
        on_change=on_change,
        on_cancellations_left=canceller.wake,
    )
    make_endpoint = partial(
        Endpoint,
        store=store,
        clock=clock,
        log=delivery_log,
        schedule=_schedule(settings),
        gate=gate,
        recorder=recorder,
        make_sender=make_sender,
        make_changes=make_changes,
    )
    fleet = Fleet(store=store, telemetry=telemetry, make_endpoint=make_endpoint, on_change=on_change, budget=Budget())
    fan_outs = FanOuts(store=store, telemetry=telemetry, fleet=fleet, max_waiting=settings.api.max_waiting_deliveries)
    fan_outs.resume(await store.reader.fetch(unfinished_fan_outs))
    router = Router(
        store=store,
        clock=clock,
        telemetry=telemetry,
        fleet=fleet,
        fan_outs=fan_outs,
        index=memory.index,
        teams=memory.teams,
        limits=InboxLimits(settings.api.max_waiting_events, settings.api.max_waiting_bytes),
    )
    kept_answers = KeptAnswers(store=store, clock=clock, vault=vault)
    teams = Teams(
        store=store,
        clock=clock,
        telemetry=telemetry,
        kept_answers=kept_answers,
        ids=memory.teams,
        api_keys=memory.api_keys,
        gate=gate,
    )
    webhooks = Webhooks(
        store=store,
        clock=clock,
        telemetry=telemetry,
        kept_answers=kept_answers,
        vault=vault,
        fleet=fleet,
        index=memory.index,
        webhooks_per_team=lambda: live.now.api.webhooks_per_team,
    )
    replays = Replays(
        store=store, clock=clock, telemetry=telemetry, kept_answers=kept_answers, fleet=fleet, fan_outs=fan_outs
    )
    housekeeper = Cleaner(store=store, clock=clock, telemetry=telemetry, retention_days=lambda: live.now.retention.days)
    observer = Observer(store=store, clock=clock, telemetry=telemetry, run_in_thread=seams.run_read, engine=database)
    checkpointer = Checkpointer(store=store, telemetry=telemetry, database=database, run_in_thread=seams.run_checkpoint)
    _watch(telemetry, fleet=fleet, router=router, gate=gate)
    _watch_slots(metrics, slots)
    _watch_lookups(metrics, seams.lookups)
    return Daemon(
        live=live,
        store=store,
        clock=clock,
        telemetry=telemetry,
        fleet=fleet,
        router=router,
        teams=teams,
        webhooks=webhooks,
        replays=replays,
        kept_answers=kept_answers,
        notifier=notifier,
        observer=observer,
        upkeep={
            ActorKind.NOTIFIER: notifier.run,
            ActorKind.HOUSEKEEPER: housekeeper.run,
            ActorKind.CANCELLER: canceller.run,
            ActorKind.TIME_INDEXER: TimeIndexer(store=store, telemetry=telemetry).run,
            ActorKind.CHECKPOINTER: checkpointer.run,
            ActorKind.OBSERVER: observer.run,
        },
        vault=vault,
        api_keys=memory.api_keys,
        sign_outs=memory.sign_outs,
        check_url=partial(_check_url_and_log, seams.check_url, log),
        work_done=lambda: database.progress.done,
        started_at=trio.current_time(),
    )


def handles_of(daemon: Daemon, not_ready: Callable[[], str | None]) -> Handles:
    """Return what the HTTP edge is given."""
    settings, store, telemetry = daemon.live.now, daemon.store, daemon.telemetry
    return Handles(
        settings=settings,
        api_settings=lambda: daemon.live.now.api,
        catalogue=build_catalogue(
            EventType(added.name, added.description, category=added.category, example=added.example)
            for added in settings.event_types
        ),
        router=daemon.router,
        teams=daemon.teams,
        webhooks=daemon.webhooks,
        replays=daemon.replays,
        kept_answers=daemon.kept_answers,
        reader=store.reader,
        api_keys=daemon.api_keys,
        check_url=daemon.check_url,
        is_parked=daemon.fleet.is_parked,
        now_ms=daemon.clock.now_ms,
        log=telemetry.log,
        metrics=telemetry.metrics,
        cursor_key=daemon.vault.derive("cursors"),
        health=HealthHandles(
            not_ready=not_ready,
            store_failure=store.writer.failure,
            check_store=store.writer.prove,
            refresh_metrics=daemon.observer.refresh,
        ),
        system=SystemHandles(
            started_at=daemon.started_at,
            actors_alive=lambda: daemon.fleet.alive,
            parked_webhooks=lambda: daemon.fleet.parked_webhooks,
            waiting_events=lambda: daemon.router.waiting_events,
        ),
        console=ConsoleHandles(
            session_key=daemon.vault.derive("console sessions"),
            sign_outs=daemon.sign_outs,
            changes=telemetry.changes,
            sent_request=partial(sent_request, vault=daemon.vault),
        ),
    )


async def _load(store: Store, operator_key: str) -> _Memory:
    reader, index, api_keys, sign_outs = store.reader, SubscriptionIndex(), ApiKeys(operator_key), SignOuts(store=store)
    async for subscription in reader.each(actor_reads.subscriptions):
        index.add(subscription)
    teams = {team_id async for team_id in reader.each(actor_reads.team_ids)}
    async for digest, api_key in reader.each(actor_reads.valid_keys):
        api_keys.add(digest, api_key)
    async for ended in reader.each(actor_reads.ended_sessions):
        sign_outs.remember(ended)
    return _Memory(index, teams, api_keys=api_keys, sign_outs=sign_outs)


async def _balance_of(store: Store, log: FilteringBoundLogger, team_id: str) -> int:
    # By the writer: a grant is either in what it answers, or is noticed later.
    return await retry_until_available(partial(store.writer.execute, ReadBalance(team_id)), log)


def _schedule(settings: Settings) -> Schedule:
    delivery = settings.delivery
    return Schedule(policy=delivery.policy, idle_connection_s=delivery.idle_connection_s, idle_s=delivery.idle_actor_s)


async def _check_url_and_log(check: CheckUrl, log: FilteringBoundLogger, url: str, team_id: str) -> None:
    try:
        await check(url, team_id)
    except UrlNotAllowed as error:
        log.info("url_refused", teamId=team_id, reason=error.rule, error=error.sentence, detail=error.detail)
        raise


def _webhook_changed(index: SubscriptionIndex, changes: ChangeFeed, webhook: Webhook) -> None:
    index.put(webhook)
    changes.publish(webhook.team_id, webhook.id)


def _watch(telemetry: Telemetry, *, fleet: Fleet, router: Router, gate: CreditGate) -> None:
    metrics, changes = telemetry.metrics, telemetry.changes
    metrics.actors_alive.set_function(lambda: fleet.alive)
    metrics.actors_parked.set_function(lambda: fleet.parked)
    metrics.waiting_events.set_function(lambda: router.waiting_events)
    metrics.teams_waiting_for_credits.set_function(lambda: gate.waiting_teams)
    metrics.live_pages.set_function(lambda: changes.followers)


def _watch_slots(metrics: Metrics, slots: AttemptSlots) -> None:
    metrics.max_attempts_in_flight.set(slots.limit)
    metrics.attempts_in_flight.set_function(lambda: slots.in_flight)
    metrics.attempts_waiting.set_function(lambda: slots.waiting)


def _watch_lookups(metrics: Metrics, lookups: Sequence[Lookups]) -> None:
    metrics.lookups_in_progress.set_function(lambda: sum(one.in_progress for one in lookups))
    metrics.lookups_waiting.set_function(lambda: sum(one.waiting for one in lookups))


def _warn_of_waiting_attempts(log: FilteringBoundLogger, slots: AttemptSlots) -> None:
    log.warning("attempts_waiting", limit=slots.limit, inFlight=slots.in_flight, count=slots.waiting)
