"""Builds the parts that deliver; `daemon.wiring` connects them with the others."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from structlog.typing import FilteringBoundLogger

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.actors.supervisor import Budget
from daemon.config.reload import LiveSettings
from daemon.config.settings import DeliverySettings
from daemon.crypto.vault import Vault
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.canceller import Canceller
from daemon.delivery.credit_gate import CreditGate, Gate
from daemon.delivery.endpoint import Endpoint, Schedule
from daemon.delivery.endpoint_state import EndpointState
from daemon.delivery.event_filters import EventFilters
from daemon.delivery.expiries import Expire, Expiries
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.inbox import InboxLimits
from daemon.delivery.mailbox import Mailbox
from daemon.delivery.outcome_recorder import OutcomeRecorder
from daemon.delivery.owners import Owners
from daemon.delivery.pace import Paces
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.router import Router, nothing_to_follow
from daemon.delivery.sender import Sender
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.delivery.timed_resumes import Resume, TimedResumes
from daemon.delivery.timers import Timed, Timers
from daemon.delivery.waiting_aside import BackOffs, TakingBack
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import Clock
from daemon.domain.model import Webhook
from daemon.files.descriptors import UNLIMITED
from daemon.live.listener import EndReason
from daemon.live.registry import Listeners
from daemon.live.transport import LiveTransport
from daemon.mail.notifier import Notifier
from daemon.maintenance.gauges import bind_attempt_gauges, bind_proxy_gauge
from daemon.operations.submitter import Submitter
from daemon.seams import Seams
from daemon.store.commands import ReadBalance
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.store.writes.fan_outs import unfinished_fan_outs
from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.telemetry import Telemetry

_OnChange = Callable[[Webhook], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOfWork:
    """Which part of all work this process does: all of it, unless it is one node of several.

    `owns(id)` says for which webhooks it delivers, and for which teams it creates deliveries. `look` is what an actor
    begins with, `read_pending` what it goes on with.
    """

    owns: Callable[[str], bool] = lambda _: True
    look: actor_reads.Look = actor_reads.webhook_and_work
    read_pending: actor_reads.ReadPending = actor_reads.pending_work_one_by_one


@dataclass(frozen=True, slots=True)
class Following:
    """How memory follows other nodes: `follow` waits for what they have changed, `version()` is how far it is."""

    follow: Callable[[], Awaitable[None]] = nothing_to_follow
    version: Callable[[], int | None] = lambda: None


class DeliveryBuilder:
    """Builds each part from what all of them share and, by keyword, from other parts."""

    def __init__(
        self,
        live: LiveSettings,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        vault: Vault,
        seams: Seams,
        listeners: Listeners,
    ) -> None:
        self._live = live
        self._settings = settings = live.now
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._log = DeliveryLog(telemetry, price=settings.credits.per_delivery)
        self._vault = vault
        self._seams = seams
        self._listeners = listeners

    def credit_gate(self) -> CreditGate:
        """Return what holds deliveries back until there are credits."""
        credits = self._settings.credits
        return CreditGate(credits.per_delivery, credits.enforce, partial(_balance_of, self._store, self._telemetry.log))

    def canceller(self) -> Canceller:
        """Return the actor that cancels what one commit cannot."""
        return Canceller(store=self._store, log=self._log)

    def timed(self, share: ShareOfWork, *, fleet: Fleet, resume: Resume, expire: Expire) -> Sequence[Timed]:
        """Return all that happens at its time."""
        store, telemetry, owns = self._store, self._telemetry, share.owns
        return (
            TimedResumes(store=store, clock=self._clock, telemetry=telemetry, owns=owns, resume=resume),
            Expiries(store=store, clock=self._clock, telemetry=telemetry, owns=owns, expire=expire),
            TakingBack(store=store, telemetry=telemetry, owns=owns, overtake=fleet.overtake),
        )

    def fleet(
        self,
        *,
        index: SubscriptionIndex,
        gate: Gate,
        paces: Paces,
        notifier: Notifier,
        submitter: Submitter,
        canceller: Canceller,
        timers: Timers,
        share: ShareOfWork,
    ) -> Fleet:
        """Return what starts and ends the webhooks' actors."""
        on_change = partial(_webhook_changed, index, self._telemetry.changes, timers, listeners=self._listeners)
        make_endpoint = partial(
            Endpoint,
            store=self._store,
            clock=self._clock,
            log=self._log,
            schedule=_schedule(self._settings.delivery),
            back_offs=BackOffs(
                store=self._store, clock=self._clock, log=self._telemetry.log, on_aside=timers.note_time
            ),
            gate=gate,
            paces=paces,
            recorder=self._recorder(
                on_change=on_change, notifier=notifier, submitter=submitter, canceller=canceller, timers=timers
            ),
            read_pending=share.read_pending,
            look=share.look,
            make_sender=self._sender_factory(),
            make_changes=self._changes_factory(on_change=on_change, canceller=canceller),
        )
        return Fleet(
            store=self._store,
            telemetry=self._telemetry,
            make_endpoint=make_endpoint,
            on_change=on_change,
            budget=Budget(),
            owns=share.owns,
            look=share.look,
        )

    def _recorder(
        self, *, on_change: _OnChange, notifier: Notifier, submitter: Submitter, canceller: Canceller, timers: Timers
    ) -> OutcomeRecorder:
        return OutcomeRecorder(
            store=self._store,
            clock=self._clock,
            log=self._log,
            policy=self._settings.delivery.policy,
            on_change=on_change,
            on_mail=notifier.wake,
            on_news=submitter.wake,
            on_aside=timers.note_time,
            exhausted_below=self._settings.credits.exhausted_below,
            operator_address=lambda: self._live.now.smtp.operator_address,
            on_cancellations_left=canceller.wake,
        )

    def _sender_factory(self) -> Callable[[Webhook, Pause, Mutex], Sender]:
        warn, permit = partial(_warn_of_waiting_attempts, self._telemetry.log), self._seams.permit
        slots, of_live = AttemptSlots(self._seams.attempts_at_once, warn), AttemptSlots(UNLIMITED, warn)
        bind_attempt_gauges(self._telemetry.metrics, slots)
        bind_proxy_gauge(self._telemetry.metrics, self._seams.operator_proxy)
        if self._seams.operator_proxy is not None:
            self._seams.operator_proxy.on_change = partial(_log_proxy, self._telemetry.log)
        make_sender = partial(
            Sender,
            clock=self._clock,
            log=self._log,
            vault=self._vault,
            timeout_s=self._settings.delivery.timeout_s,
            permit=permit,
        )

        def make(webhook: Webhook, pause: Pause, line: Mutex) -> Sender:
            if not webhook.live:
                return make_sender(pause, slots=slots, make_transport=self._seams.make_transport, line=line)
            transport = partial(LiveTransport, webhook.id, self._listeners, lambda: permit.valid)
            return make_sender(pause, slots=of_live, make_transport=transport)  # its stream's descriptor is the API's

        return make

    def _changes_factory(
        self, *, on_change: _OnChange, canceller: Canceller
    ) -> Callable[[EndpointState, Mailbox, WorkQueue], WebhookChanges]:
        return partial(
            WebhookChanges,
            store=self._store,
            clock=self._clock,
            log=self._log,
            renew_secrets=self._vault.renewed,
            on_change=on_change,
            on_cancellations_left=canceller.wake,
        )

    async def fan_outs(self, owners: Owners, share: ShareOfWork) -> FanOuts:
        """Return what makes the deliveries of large submissions, with those that are unfinished."""
        max_waiting = self._settings.api.max_waiting_deliveries
        fan_outs = FanOuts(
            store=self._store, telemetry=self._telemetry, owners=owners, max_waiting=max_waiting, makes=share.owns
        )
        fan_outs.resume(await self._store.reader.fetch(unfinished_fan_outs))
        return fan_outs

    def filters(self, index: SubscriptionIndex) -> EventFilters:
        """Return what asks the filters of webhooks."""
        return EventFilters(index=index, telemetry=self._telemetry, now_ms=self._clock.now_ms)

    def router(
        self,
        *,
        owners: Owners,
        fan_outs: FanOuts,
        index: SubscriptionIndex,
        filters: EventFilters,
        team_ids: set[str],
        following: Following,
        resume: Callable[[], Awaitable[None]],
        revoked: Callable[[Collection[str]], Collection[str]],
    ) -> Router:
        """Return the actor that takes events in."""
        api = self._settings.api
        return Router(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            owners=owners,
            fan_outs=fan_outs,
            index=index,
            filters=filters,
            teams=team_ids,
            limits=InboxLimits(api.max_waiting_events, api.max_waiting_bytes),
            resume=resume,
            follow=following.follow,
            version=following.version,
            revoked=revoked,
        )


def _schedule(settings: DeliverySettings) -> Schedule:
    return Schedule(policy=settings.policy, idle_connection_s=settings.idle_connection_s, idle_s=settings.idle_actor_s)


async def _balance_of(store: Store, log: FilteringBoundLogger, team_id: str) -> int:
    # By the writer: a grant is either in what it answers, or is noticed later.
    return await retry_until_available(partial(store.writer.execute, ReadBalance(team_id)), log)


def _webhook_changed(
    index: SubscriptionIndex, changes: ChangeFeed, timers: Timers, webhook: Webhook, *, listeners: Listeners
) -> None:
    index.put(webhook)
    if webhook.deleted_at is not None:
        listeners.end(webhook.id, EndReason.WEBHOOK_DELETED)
    timers.note(webhook)
    changes.publish(webhook.team_id, webhook.id)


def _log_proxy(log: FilteringBoundLogger, fault: str | None) -> None:
    if fault is None:
        log.info("egress_proxy_up")
    else:
        log.warning("egress_proxy_down", error=fault)


def _warn_of_waiting_attempts(log: FilteringBoundLogger, slots: AttemptSlots) -> None:
    log.warning("attempts_waiting", limit=slots.limit, inFlight=slots.in_flight, count=slots.waiting)
