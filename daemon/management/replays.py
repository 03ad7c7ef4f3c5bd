"""Deliveries that are queued again by hand: one resent, or all recovered that a webhook missed."""

from functools import partial

import trio

from daemon.crypto.idempotency import Once
from daemon.delivery.event_filters import EventFilters
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.owners import Owners
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.errors import StoreUnavailable, WebhookInactive
from daemon.domain.lifecycle import requeued_copy
from daemon.domain.model import Delivery, DeliveryStatus, Webhook
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.store.commands import KeepEntry, Recover, RecoveredPage, Resend
from daemon.store.reads import actor_reads, api_reads, missed_reads
from daemon.store.reads.time_blocks import SeqRange
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_FAN_OUT_TIMEOUT_S = 20
# Each event is looked up among all deliveries of it: these take some 20 ms for events of 100 deliveries.
_RECOVER_PAGE = 250


class Replays:
    """Each method wakes the owner of the webhook that deliveries were queued for."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        audit: Audit,
        owners: Owners,
        fan_outs: FanOuts,
        filters: EventFilters,
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._metrics = telemetry.metrics
        self._changes = telemetry.changes
        self._kept = kept_answers.kept
        self._audit = audit
        self._owners = owners
        self._fan_outs = fan_outs
        self._filters = filters

    async def resend(
        self, delivery_id: str, once: Once[Delivery] | None = None, by: Actor = THE_DAEMON
    ) -> Delivery | None:
        """Queue a delivery's event again; return the new delivery, None if unknown.

        Raises WebhookInactive, EventErased.
        """
        delivery = await self._reader.fetch(api_reads.get_delivery, delivery_id)
        if delivery is None:
            return None
        await self._active_webhook(delivery.webhook_id)
        new = requeued_copy(delivery, self._new_id("dlv"), self._now_ms())
        resend = Resend(delivery_id, new.id, new.created_at)
        audited = self._audit.audited(
            resend,
            by,
            AuditAction.DELIVERY_RESENT,
            team_id=delivery.team_id,
            subject_id=delivery_id,
            newDeliveryId=new.id,
        )
        command = self._kept(audited, once, lambda kept: None if kept is None else new)
        if await self._writer.execute(command, lambda _: self._queued(delivery.webhook_id, 1)) is None:
            return None
        self._changes.publish(delivery.team_id, delivery.webhook_id)
        owner = {"webhookId": delivery.webhook_id, "teamId": delivery.team_id}
        self._log.info("delivery_resent", **owner, deliveryId=new.id, eventId=delivery.event_id)
        return new

    async def recover(
        self, webhook_id: str, since: int, once: Once[int] | None = None, by: Actor = THE_DAEMON
    ) -> int | None:
        """Queue again, in order, what the webhook missed since then; return how many. Raises WebhookInactive.

        Repeating it is harmless: what waits or was delivered is left out.
        """
        if await self._reader.fetch(api_reads.get_webhook, webhook_id) is None:
            return None
        await self._until_made((await self._active_webhook(webhook_id)).team_id)
        webhook = await self._active_webhook(webhook_id)  # it may have been changed meanwhile
        entry = self._audit.entry(
            by, AuditAction.WEBHOOK_RECOVERED, team_id=webhook.team_id, subject_id=webhook_id, since=since
        )
        await self._writer.execute(KeepEntry(entry))
        queued = 0
        from_seq: int | None = 0
        while from_seq is not None:
            reach = await self._reader.fetch(actor_reads.events_since, since, from_seq)
            queued = await self._recover(webhook, since, reach=reach, queued=queued, once=once)
            from_seq = reach.end_seq
        self._changes.publish(webhook.team_id, webhook_id)
        self._log.info("deliveries_recovered", webhookId=webhook_id, teamId=webhook.team_id, count=queued)
        return queued

    async def _until_made(self, team_id: str) -> None:
        """Wait for deliveries that are still to be made: they are not missed, only not there yet."""
        with trio.move_on_after(_FAN_OUT_TIMEOUT_S):
            await self._fan_outs.finished(team_id)
            return
        raise StoreUnavailable("deliveries of the team are still being made: try again in a moment")

    async def _recover(self, webhook: Webhook, since: int, reach: SeqRange, queued: int, once: Once[int] | None) -> int:
        """Recover from one range of events; return `queued`, of the ranges before, with what was queued now."""
        after_seq: int | None = reach.first_seq - 1
        while after_seq is not None:
            page_of, taken = await self._ask_filter(webhook, since, SeqRange(after_seq + 1, reach.end_seq))
            new_ids = tuple(self._new_id("dlv") for _ in range(_RECOVER_PAGE))
            recover = Recover(
                webhook=webhook,
                since=since,
                after_seq=after_seq,
                limit=_RECOVER_PAGE,
                new_ids=new_ids,
                now=self._now_ms(),
                before_seq=page_of.end_seq,
                taken=taken,
            )
            command = self._kept(recover, once, partial(_total, queued, page_of))
            page = await self._writer.execute(command, lambda page: self._recovered(webhook.id, page))
            queued, after_seq = queued + page.queued, page.next_after_seq
            if after_seq is None and page_of.end_seq not in (None, reach.end_seq):
                after_seq = page_of.end_seq - 1
        return queued

    async def _ask_filter(
        self, webhook: Webhook, since: int, among: SeqRange
    ) -> tuple[SeqRange, frozenset[str] | None]:
        """Return how far the webhook's filter was asked, and the ids of the events that it takes, None without one."""
        if (text := webhook.options.filter) is None:
            return among, None
        found = await self._reader.fetch(missed_reads.missed_events, webhook, since, among, _RECOVER_PAGE)
        taken = set[str]()
        for event_id, body in found.bodies.items():
            if (await self._filters.ask(webhook.team_id, body, {webhook.id: text}))[webhook.id]:
                taken.add(event_id)
        return SeqRange(among.first_seq, found.end_seq), frozenset(taken)

    def _recovered(self, webhook_id: str, page: RecoveredPage) -> None:
        self._queued(webhook_id, page.queued)
        if page.due_at is not None:
            self._owners.note_time(page.due_at)

    def _queued(self, webhook_id: str, count: int) -> None:
        self._metrics.deliveries[DeliveryStatus.PENDING].inc(count)
        self._owners.wake([webhook_id])

    async def _active_webhook(self, webhook_id: str) -> Webhook:
        webhook = await self._reader.fetch(api_reads.get_webhook, webhook_id)
        if webhook is None:
            raise WebhookInactive(f"the webhook {webhook_id} was deleted: register it again")
        if not webhook.active:
            raise WebhookInactive(f"the webhook {webhook_id} is disabled: set `active` to true first")
        return webhook


def _total(before: int, reach: SeqRange, page: RecoveredPage) -> int | None:
    """Return how many deliveries a recovery queued in all, None while there are more pages or ranges."""
    is_last = reach.end_seq is None and page.next_after_seq is None
    return before + page.queued if is_last else None
