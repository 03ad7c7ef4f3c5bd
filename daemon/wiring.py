"""Builds the daemon's actors and handles out of their parts; starts nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.actors.retry import retry_until_available
from daemon.actors.supervisor import Budget
from daemon.actors.threads import RunInThread, thread_runner
from daemon.config.reload import LiveSettings
from daemon.crypto.api_keys import ApiKeys
from daemon.crypto.vault import Vault
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.canceller import Canceller
from daemon.delivery.change_feed import ChangeFeed
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.endpoint import EndpointParts
from daemon.delivery.fan_out import FanOutParts, FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.inbox import InboxLimits
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.router import Router, RouterParts
from daemon.delivery.sent_request import sent_request
from daemon.delivery.subscriptions import SubscriptionIndex
from daemon.domain.clock import NowMs, wall_clock_ms
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.event_types import EventType, build_catalogue
from daemon.domain.model import Webhook, id_maker
from daemon.egress.lookups import Lookups
from daemon.egress.resolver import Resolver
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport, Transport
from daemon.egress.urls import EgressRules, check_url, egress_rules
from daemon.files.descriptors import UNLIMITED
from daemon.handles import CheckUrl, Handles
from daemon.mail.outbox import Notifier
from daemon.mail.result import Send
from daemon.mail.sender import live_sender
from daemon.maintenance.checkpointer import Checkpointer
from daemon.maintenance.cleaner import Housekeeper
from daemon.maintenance.gauges import Observer
from daemon.maintenance.time_indexer import TimeIndexer
from daemon.management.registry import Registry, RegistryParts
from daemon.management.sign_outs import SignOuts
from daemon.store.commands import ReadBalance
from daemon.store.database import READERS, Database
from daemon.store.reader import Reader
from daemon.store.reads import actor_reads
from daemon.store.writer import Writer
from daemon.store.writes.fan_outs import unfinished_fan_outs
from daemon.telemetry.metrics import Metrics
from daemon.telemetry.tracing import NO_SPANS, Spans

# Lookups at a time, each with a socket; neither kind ever waits for the other.
_LOOKUPS_OF_DELIVERIES = 200
_LOOKUPS_OF_REGISTRATIONS = 50


@dataclass(frozen=True, slots=True)
class Seams:
    """Where tests put something else: time, threads, the way out, the way of the mail."""

    now_ms: NowMs
    run_write: RunInThread
    run_read: RunInThread
    run_checkpoint: RunInThread
    make_transport: Callable[[], Transport]
    check_url: CheckUrl
    send_mail: Send
    spans: Spans = NO_SPANS
    attempts_at_once: int = UNLIMITED
    lookups: Sequence[Lookups] = ()


@dataclass(frozen=True, slots=True)
class Daemon:
    """All that runs, put together."""

    writer: Writer
    reader: Reader
    fleet: Fleet
    router: Router
    registry: Registry
    notifier: Notifier
    housekeeper: Housekeeper
    canceller: Canceller
    time_indexer: TimeIndexer
    checkpointer: Checkpointer
    live: LiveSettings
    observer: Observer
    api_keys: ApiKeys
    metrics: Metrics
    log: FilteringBoundLogger
    now_ms: NowMs
    check_url: CheckUrl
    vault: Vault
    changes: ChangeFeed
    sign_outs: SignOuts
    work_done: Callable[[], int]
    started_at: float


def real_seams(live: LiveSettings) -> Seams:
    """Return the seams of production: time, threads, sockets, mail. Raises OSError for an unreadable CA file."""
    settings = live.now
    rules, resolver = egress_rules(settings.effective_egress), Resolver(settings.egress.nameservers)
    lookups, checks = Lookups(resolver, _LOOKUPS_OF_DELIVERIES), Lookups(resolver, _LOOKUPS_OF_REGISTRATIONS)
    tls = make_tls_context(settings.egress.ca_file)
    return Seams(
        now_ms=wall_clock_ms,
        run_write=thread_runner(1),
        run_read=thread_runner(READERS),
        run_checkpoint=thread_runner(1),
        make_transport=partial(EndpointTransport, rules, lookups, tls, settings.delivery.idle_connection_s),
        check_url=partial(_check_url, rules, checks),
        send_mail=live_sender(lambda: live.now),
        lookups=(lookups, checks),
    )


async def assemble(
    live: LiveSettings,
    database: Database,
    vault: Vault,
    operator_key: str,
    seams: Seams,
    metrics: Metrics,
    log: FilteringBoundLogger,
) -> Daemon:
    """Build the daemon on an open database; reads what the actors keep in memory."""
    settings = live.now
    database.checkpoint_apart()
    reader, writer = Reader(database, seams.run_read, metrics.longest_read), Writer(database, seams.run_write, metrics)
    index, changes = SubscriptionIndex(), ChangeFeed()
    async for subscription in reader.each(actor_reads.subscriptions):
        index.add(subscription)
    teams = {team_id async for team_id in reader.each(actor_reads.team_ids)}
    api_keys = ApiKeys(operator_key)
    async for digest, api_key in reader.each(actor_reads.valid_keys):
        api_keys.add(digest, api_key)
    sign_outs = SignOuts(writer)
    async for ended in reader.each(actor_reads.ended_sessions):
        sign_outs.remember(ended)
    new_id = id_maker(seams.now_ms)

    async def balance_of(team_id: str) -> int:
        # By the writer: a grant is either in what it answers, or is noticed later.
        return await retry_until_available(partial(writer.execute, ReadBalance(team_id)), log)

    gate = CreditGate(settings.credits.per_delivery, settings.credits.enforce, balance_of)
    notifier = _notifier(reader, writer, seams, metrics, log)
    slots = AttemptSlots(seams.attempts_at_once, partial(_warn_of_waiting_attempts, log))
    delivery_log = DeliveryLog(log, metrics, changes, settings.credits.per_delivery, seams.spans)
    canceller = Canceller(writer, delivery_log)
    endpoints = EndpointParts(
        reader=reader,
        writer=writer,
        vault=vault,
        gate=gate,
        make_transport=seams.make_transport,
        slots=slots,
        policy=settings.delivery.policy,
        timeout_s=settings.delivery.timeout_s,
        idle_s=settings.delivery.idle_actor_s,
        idle_connection_s=settings.delivery.idle_connection_s,
        price=settings.credits.per_delivery,
        now_ms=seams.now_ms,
        new_id=new_id,
        on_change=partial(_webhook_changed, index, changes),
        on_mail=notifier.wake,
        on_more_to_cancel=canceller.wake,
        log=delivery_log,
    )
    fleet = Fleet(endpoints, log, metrics, Budget())
    limits = InboxLimits(settings.api.max_waiting_events, settings.api.max_waiting_bytes)
    max_waiting = settings.api.max_waiting_deliveries
    fan_outs = FanOuts(FanOutParts(reader, writer, fleet, metrics, changes, log, max_waiting))
    fan_outs.resume(await reader.fetch(unfinished_fan_outs))
    router = Router(
        RouterParts(
            reader,
            writer,
            fleet,
            index,
            teams,
            limits,
            seams.now_ms,
            new_id,
            metrics,
            changes,
            log,
            fan_outs,
            seams.spans,
        )
    )
    registry = Registry(
        RegistryParts(
            reader,
            writer,
            vault,
            fleet,
            index,
            teams,
            api_keys,
            gate,
            seams.now_ms,
            new_id,
            log,
            metrics,
            changes,
            fan_outs,
            webhooks_per_team=lambda: live.now.api.webhooks_per_team,
        )
    )
    housekeeper = Housekeeper(writer, lambda: live.now.retention.days, seams.now_ms, log)
    observer = Observer(reader, seams.run_read, database.path, seams.now_ms, metrics)
    _watch(metrics, fleet, router, gate, changes)
    _watch_slots(metrics, slots)
    _watch_lookups(metrics, seams.lookups)
    return Daemon(
        writer,
        reader,
        fleet,
        router,
        registry,
        notifier,
        housekeeper,
        canceller,
        TimeIndexer(reader, writer, log),
        Checkpointer(database, seams.run_checkpoint, writer, log),
        live,
        observer,
        api_keys,
        metrics,
        log,
        seams.now_ms,
        partial(_check_url_and_log, seams.check_url, log),
        vault,
        changes,
        sign_outs,
        work_done=lambda: database.progress.done,
        started_at=trio.current_time(),
    )


def handles_of(daemon: Daemon, not_ready: Callable[[], str | None]) -> Handles:
    """Return what the HTTP edge is given."""
    settings = daemon.live.now
    return Handles(
        settings=settings,
        api_settings=lambda: daemon.live.now.api,
        catalogue=build_catalogue(
            EventType(added.name, added.description, added.category, added.example) for added in settings.event_types
        ),
        router=daemon.router,
        registry=daemon.registry,
        reader=daemon.reader,
        api_keys=daemon.api_keys,
        check_url=daemon.check_url,
        not_ready=not_ready,
        store_failure=daemon.writer.failure,
        ask_store=daemon.writer.prove,
        now_ms=daemon.now_ms,
        log=daemon.log,
        metrics=daemon.metrics,
        refresh_metrics=daemon.observer.refresh,
        fleet=daemon.fleet,
        changes=daemon.changes,
        session_key=daemon.vault.derive("console sessions"),
        cursor_key=daemon.vault.derive("cursors"),
        sign_outs=daemon.sign_outs,
        sent_request=partial(sent_request, vault=daemon.vault),
        started_at=daemon.started_at,
    )


async def _check_url(rules: EgressRules, lookups: Lookups, url: str, team_id: str) -> None:
    await check_url(url, rules, lookups.resolver_for(team_id))


async def _check_url_and_log(check: CheckUrl, log: FilteringBoundLogger, url: str, team_id: str) -> None:
    try:
        await check(url, team_id)
    except UrlNotAllowed as error:
        log.info("url_refused", teamId=team_id, reason=error.rule, error=error.sentence, detail=error.detail)
        raise


def _webhook_changed(index: SubscriptionIndex, changes: ChangeFeed, webhook: Webhook) -> None:
    index.put(webhook)
    changes.publish(webhook.team_id, webhook.id)


def _notifier(reader: Reader, writer: Writer, seams: Seams, metrics: Metrics, log: FilteringBoundLogger) -> Notifier:
    return Notifier(
        due=lambda now: reader.fetch(actor_reads.due_mails, now),
        next_due_at=partial(reader.fetch, actor_reads.next_mail_at),
        execute=writer.execute,
        send=seams.send_mail,
        now_ms=seams.now_ms,
        log=log,
        metrics=metrics,
    )


def _watch(metrics: Metrics, fleet: Fleet, router: Router, gate: CreditGate, changes: ChangeFeed) -> None:
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
