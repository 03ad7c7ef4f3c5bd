"""What changes by hand: teams, keys, webhooks, grants, and deliveries queued again."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from daemon.crypto.api_keys import ApiKeys, digest_of, generate_key
from daemon.crypto.idempotency import Once, answer_id
from daemon.crypto.vault import Vault, VaultError
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.mailbox import Change
from daemon.delivery.subscriptions import SubscriptionIndex
from daemon.domain.clock import Clock
from daemon.domain.errors import IdempotencyConflict, StoreUnavailable, WebhookInactive
from daemon.domain.lifecycle import WebhookEdit, deleted, edited, made_again, rotated, switched
from daemon.domain.model import ApiKey, CreditEntry, Delivery, DeliveryStatus, Team, TeamEdit, Webhook
from daemon.domain.submission import Idempotency
from daemon.store.commands import (
    AddKey,
    Command,
    CreateTeam,
    CreateWebhook,
    ExecuteOnce,
    GrantCredits,
    Recover,
    RecoveredPage,
    Resend,
    RevokeKey,
    SaveTeam,
)
from daemon.store.reads import actor_reads, api_reads
from daemon.store.store import Store
from daemon.store.writes import idempotency as idempotency_store
from daemon.store.writes.time_blocks import SeqRange
from daemon.telemetry.telemetry import Telemetry

CHANGE_TIMEOUT_S = 20
# Each event is looked up among all deliveries of it: these take some 20 ms for events of 100 deliveries.
_RECOVER_PAGE = 250
_ANSWER_LOST = "this request was carried out before, but its answer cannot be read any more: look at what there is"

Answer = TypeVar("Answer")
Made = TypeVar("Made")


class Registry:
    """Each method returns after COMMIT, with the daemon's memory in step; StoreUnavailable may come out of any.

    Memory is brought in step by the writer, not by the caller, who may go away in the middle of it.
    `webhooks_per_team()` is the limit of a team without its own.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        vault: Vault,
        fleet: Fleet,
        fan_outs: FanOuts,
        gate: CreditGate,
        index: SubscriptionIndex,
        teams: set[str],
        api_keys: ApiKeys,
        webhooks_per_team: Callable[[], int],
    ) -> None:
        self._reader, self._writer = store.reader, store.writer
        self._now_ms, self._new_id = clock.now_ms, clock.new_id
        self._log, self._metrics, self._changes = telemetry.log, telemetry.metrics, telemetry.changes
        self._vault, self._fleet, self._fan_outs, self._gate = vault, fleet, fan_outs, gate
        self._index, self._teams, self._api_keys = index, teams, api_keys
        self._webhooks_per_team = webhooks_per_team

    async def first_answer(self, idempotency: Idempotency) -> bytes | None:
        """Return what the first request under this key was answered; None if there was none, or it submitted events.

        Raises IdempotencyConflict if that was another request, or if its answer cannot be read any more.
        """
        first = await self._reader.fetch(idempotency_store.first_use, idempotency, self._now_ms())
        if first is None:
            return None
        if first.fingerprint != idempotency.fingerprint:
            raise idempotency_store.used_otherwise()
        return None if first.has_receipts else self._opened(idempotency, first.answer)

    async def create_team(
        self,
        team_id: str | None,
        name: str,
        emails: tuple[str, ...],
        *,
        max_webhooks: int | None = None,
        once: Once[Team] | None = None,
    ) -> Team:
        """Make a team, with an id of its own or a made one. Raises AlreadyExists."""
        new_id, now = team_id or self._new_id("team"), self._now_ms()
        team = Team(new_id, name, notification_emails=emails, created_at=now, max_webhooks=max_webhooks)
        create = self._with_key(CreateTeam(team), once, lambda _: team)
        await self._writer.execute(create, lambda _: self._teams.add(team.id))
        self._log.info("team_created", teamId=team.id)
        return team

    async def change_team(self, team_id: str, change: TeamEdit) -> Team | None:
        """Change a team's name, notification addresses or limit of webhooks. Returns None if unknown."""
        team = await self._writer.execute(SaveTeam(team_id, change))
        if team is not None:
            self._log.info("team_changed", teamId=team.id)
        return team

    async def create_key(
        self, team_id: str, name: str, once: Once[tuple[ApiKey, str]] | None = None
    ) -> tuple[ApiKey, str] | None:
        """Make an API key; return it with its secret, which is nowhere to be seen again. None: no such team."""
        if team_id not in self._teams:
            return None
        secret = generate_key()
        key, digest = ApiKey(self._new_id("key"), team_id, name=name, created_at=self._now_ms()), digest_of(secret)
        add = self._with_key(AddKey(key, digest), once, lambda _: (key, secret))
        await self._writer.execute(add, lambda _: self._api_keys.add(digest, key))
        self._log.info("key_created", keyId=key.id, teamId=team_id)
        return key, secret

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke an API key; return whether there is one with this id."""
        key = await self._reader.fetch(api_reads.get_key, key_id)
        if key is None:
            return False
        await self._writer.execute(RevokeKey(key_id, self._now_ms()), lambda _: self._api_keys.remove(key_id))
        self._log.info("key_revoked", keyId=key_id, teamId=key.team_id)
        return True

    async def create_webhook(
        self,
        team_id: str,
        name: str,
        url: str,
        secret: str | None,
        events: tuple[str, ...],
        once: Once[Webhook] | None = None,
    ) -> Webhook:
        """Register an active webhook; its secret is sealed. Raises TooManyWebhooks."""
        now, webhook_id = self._now_ms(), self._new_id("wh")
        sealed = None if secret is None else self._vault.seal(secret, webhook_id)
        webhook = Webhook(
            id=webhook_id,
            team_id=team_id,
            name=name,
            url=url,
            secret=sealed,
            events=events,
            created_at=now,
            updated_at=now,
        )
        create = self._with_key(CreateWebhook(webhook, self._webhooks_per_team()), once, lambda _: webhook)
        await self._writer.execute(create, lambda _: self._index.put(webhook))
        self._changes.publish(team_id, webhook_id)
        self._log.info("webhook_created", webhookId=webhook.id, teamId=team_id)
        return webhook

    async def change_webhook(self, webhook_id: str, edit: WebhookEdit) -> Webhook | None:
        """Edit, enable or disable a webhook, in turn with its deliveries. Returns None if there is none.

        A secret in `edit` is a plain one, and is sealed here.
        """
        if edit.secret is not None:
            edit = replace(edit, secret=self._vault.seal(edit.secret, webhook_id))
        webhook = await self._ask(webhook_id, partial(edited, edit=edit, now=self._now_ms()))
        if webhook is not None:
            self._log_change(webhook, edit)
        return webhook

    def _log_change(self, webhook: Webhook, edit: WebhookEdit) -> None:
        owner = {"webhookId": webhook.id, "teamId": webhook.team_id}
        if edit.active is None:
            self._log.info("webhook_changed", **owner)
        elif edit.active:
            self._log.info("webhook_enabled", **owner)
        else:
            self._log.warning("webhook_disabled", **owner, reason=webhook.disabled_reason)

    async def rotate_secret(
        self,
        webhook_id: str,
        secret: str,
        overlap_s: int,
        *,
        switch_now: bool = False,
        once: Once[Webhook] | None = None,
    ) -> Webhook | None:
        """Give a webhook this new secret; the one before signs beside it for `overlap_s` seconds more.

        `X-Kakiyo-Signature` is made with the one before for half of that time, with `switch_now` not at all.
        Returns None if there is no such webhook.
        """
        now = self._now_ms()
        sealed = self._vault.seal(secret, webhook_id)
        change = partial(rotated, secret=sealed, expires_at=now + overlap_s * 1000, now=now, switch_now=switch_now)
        webhook = await self._ask(webhook_id, change, once)
        if webhook is not None:
            owner = {"webhookId": webhook_id, "teamId": webhook.team_id}
            self._log.info("webhook_secret_rotated", **owner, seconds=overlap_s)
        return webhook

    async def switch_signature(self, webhook_id: str, once: Once[Webhook] | None = None) -> Webhook | None:
        """Make `X-Kakiyo-Signature` with the new secret from now on. Returns None if there is no such webhook."""
        return await self._ask(webhook_id, partial(switched, now=self._now_ms()), once)

    async def delete_webhook(self, webhook_id: str) -> bool:
        """Delete a webhook; its pending deliveries are cancelled, but one in flight may finish."""
        webhook = await self._ask(webhook_id, partial(deleted, now=self._now_ms()))
        if webhook is not None:
            self._log.info("webhook_deleted", webhookId=webhook_id, teamId=webhook.team_id)
        return webhook is not None

    async def grant_credits(
        self, team_id: str, amount: int, note: str | None, once: Once[CreditEntry] | None = None
    ) -> CreditEntry | None:
        """Add credits to a team, or take some back (below 0), and let go on what waits for them.

        Returns None if there is no such team. Raises BalanceOutOfRange.
        """
        if team_id not in self._teams:
            return None
        grant = GrantCredits(
            entry_id=self._new_id("crd"), team_id=team_id, amount=amount, note=note, now=self._now_ms()
        )
        grant_once = self._with_key(grant, once, lambda entry: entry)
        entry = await self._writer.execute(grant_once, lambda _: self._gate.granted(team_id, amount))
        self._log.info("credits_granted", teamId=team_id, amount=amount, balance=entry.balance_after)
        return entry

    async def resend(self, delivery_id: str, once: Once[Delivery] | None = None) -> Delivery | None:
        """Queue a delivery's event again; return the new delivery, None if unknown. Raises WebhookInactive."""
        delivery = await self._reader.fetch(api_reads.get_delivery, delivery_id)
        if delivery is None:
            return None
        await self._active_webhook(delivery.webhook_id)
        new = made_again(delivery, self._new_id("dlv"), self._now_ms())
        command = self._with_key(
            Resend(delivery_id, new.id, new.created_at), once, lambda kept: None if kept is None else new
        )
        if await self._writer.execute(command, lambda _: self._queued(delivery.webhook_id, 1)) is None:
            return None
        self._changes.publish(delivery.team_id, delivery.webhook_id)
        owner = {"webhookId": delivery.webhook_id, "teamId": delivery.team_id}
        self._log.info("delivery_resent", **owner, deliveryId=new.id, eventId=delivery.event_id)
        return new

    async def recover(self, webhook_id: str, since: int, once: Once[int] | None = None) -> int | None:
        """Queue again, in order, what the webhook missed since then; return how many. Raises WebhookInactive.

        Repeating it is harmless: what waits or was delivered is left out.
        """
        if await self._reader.fetch(api_reads.get_webhook, webhook_id) is None:
            return None
        webhook = await self._active_webhook(webhook_id)
        await self._until_made(webhook.team_id)
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
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            await self._fan_outs.finished(team_id)
            return
        raise StoreUnavailable("deliveries of the team are still being made: try again in a moment")

    async def _recover(self, webhook: Webhook, since: int, reach: SeqRange, queued: int, once: Once[int] | None) -> int:
        """Recover from one range of events; return `queued`, of the ranges before, with what was queued now."""
        after_seq: int | None = reach.first_seq - 1
        while after_seq is not None:
            new_ids = tuple(self._new_id("dlv") for _ in range(_RECOVER_PAGE))
            now, end = self._now_ms(), reach.end_seq
            recover = Recover(
                webhook, since, after_seq=after_seq, limit=_RECOVER_PAGE, new_ids=new_ids, now=now, before_seq=end
            )
            command = self._with_key(recover, once, partial(_total, queued, reach))
            page = await self._writer.execute(command, lambda page: self._queued(webhook.id, page.queued))
            queued, after_seq = queued + page.queued, page.next_after_seq
        return queued

    def _queued(self, webhook_id: str, count: int) -> None:
        self._metrics.deliveries[DeliveryStatus.PENDING].inc(count)
        self._fleet.wake([webhook_id])

    async def _active_webhook(self, webhook_id: str) -> Webhook:
        webhook = await self._reader.fetch(api_reads.get_webhook, webhook_id)
        if webhook is None:
            raise WebhookInactive(f"the webhook {webhook_id} was deleted: register it anew")
        if not webhook.active:
            raise WebhookInactive(f"the webhook {webhook_id} is disabled: set `active` to true first")
        return webhook

    def _with_key(
        self, command: Command[Answer], once: Once[Made] | None, made: Callable[[Answer], Made | None]
    ) -> Command[Answer]:
        """Return the command that runs this one once; `made` tells from its answer what was made, None for not yet."""
        if once is None:
            return command

        def keep(answer: Answer) -> str | None:
            it = made(answer)
            return None if it is None else self._vault.seal(once.answer(it).decode(), answer_id(once.idempotency))

        return ExecuteOnce(command, once.idempotency, keep=keep, now=self._now_ms())

    def _opened(self, idempotency: Idempotency, sealed: str | None) -> bytes:
        if sealed is None:
            raise IdempotencyConflict(_ANSWER_LOST)
        try:
            return self._vault.open(sealed, answer_id(idempotency)).encode()
        except VaultError:
            raise IdempotencyConflict(_ANSWER_LOST) from None

    async def _ask(
        self, webhook_id: str, apply: Callable[[Webhook], Webhook], once: Once[Webhook] | None = None
    ) -> Webhook | None:
        if await self._reader.fetch(api_reads.get_webhook, webhook_id) is None:
            return None
        change = Change(apply, lambda save: self._with_key(save, once, lambda _: save.webhook))
        self._fleet.request_change(webhook_id, change)
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            try:
                return await change.reply.wait()
            finally:
                change.abandoned = True
        raise StoreUnavailable("the webhook could not be changed in time: try again in a moment")


def _total(before: int, reach: SeqRange, page: RecoveredPage) -> int | None:
    """Return how many deliveries a recovery queued in all, None while there are more pages or ranges."""
    is_last = reach.end_seq is None and page.next_after_seq is None
    return before + page.queued if is_last else None
