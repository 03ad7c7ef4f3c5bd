"""What changes by hand: teams, keys, webhooks, grants, and deliveries queued again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import trio
from structlog.typing import FilteringBoundLogger

from daemon.crypto.api_keys import ApiKeys, digest_of, generate_key
from daemon.crypto.idempotency import Once, answer_id
from daemon.crypto.vault import Vault, VaultError
from daemon.delivery.change_feed import ChangeFeed
from daemon.delivery.credit_gate import CreditGate
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.mailbox import Change
from daemon.delivery.subscriptions import SubscriptionIndex
from daemon.domain.clock import NowMs
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
from daemon.store.reader import Reader
from daemon.store.reads import actor_reads, api_reads
from daemon.store.writer import Writer
from daemon.store.writes import idempotency as idempotency_store
from daemon.store.writes.time_blocks import SeqRange
from daemon.telemetry.metrics import Metrics

CHANGE_TIMEOUT_S = 20
# Each event is looked up among all deliveries of it: these take some 20 ms for events of 100 deliveries.
_RECOVER_PAGE = 250
_ANSWER_LOST = "this request was carried out before, but its answer cannot be read any more: look at what there is"

Answer = TypeVar("Answer")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What the registry keeps in step with each other. `webhooks_per_team()` is the limit of a team without its own."""

    reader: Reader
    writer: Writer
    vault: Vault
    fleet: Fleet
    index: SubscriptionIndex
    teams: set[str]
    api_keys: ApiKeys
    gate: CreditGate
    now_ms: NowMs
    new_id: Callable[[str], str]
    log: FilteringBoundLogger
    metrics: Metrics
    changes: ChangeFeed
    fan_outs: FanOuts
    webhooks_per_team: Callable[[], int]


class Registry:
    """Each method returns after COMMIT, with the daemon's memory in step; StoreUnavailable may come out of any.

    Memory is brought in step by the writer, not by the caller, who may go away in the middle of it.
    """

    def __init__(self, parts: RegistryParts) -> None:
        self._parts = parts

    async def first_answer(self, idempotency: Idempotency) -> bytes | None:
        """Return what the first request under this key was answered; None if there was none, or it submitted events.

        Raises IdempotencyConflict if that was another request, or if its answer cannot be read any more.
        """
        parts = self._parts
        first = await parts.reader.fetch(idempotency_store.first_use, idempotency, parts.now_ms())
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
        parts = self._parts
        team = Team(team_id or parts.new_id("team"), name, emails, parts.now_ms(), max_webhooks)
        create = self._with_key(CreateTeam(team), once, lambda _: team)
        await parts.writer.execute(create, lambda _: parts.teams.add(team.id))
        parts.log.info("team_created", teamId=team.id)
        return team

    async def change_team(self, team_id: str, change: TeamEdit) -> Team | None:
        """Change a team's name, notification addresses or limit of webhooks. Returns None if unknown."""
        team = await self._parts.writer.execute(SaveTeam(team_id, change))
        if team is not None:
            self._parts.log.info("team_changed", teamId=team.id)
        return team

    async def create_key(
        self, team_id: str, name: str, once: Once[tuple[ApiKey, str]] | None = None
    ) -> tuple[ApiKey, str] | None:
        """Make an API key; return it with its secret, which is nowhere to be seen again. None: no such team."""
        parts = self._parts
        if team_id not in parts.teams:
            return None
        secret = generate_key()
        key, digest = ApiKey(parts.new_id("key"), team_id, name, parts.now_ms()), digest_of(secret)
        add = self._with_key(AddKey(key, digest), once, lambda _: (key, secret))
        await parts.writer.execute(add, lambda _: parts.api_keys.add(digest, key))
        parts.log.info("key_created", keyId=key.id, teamId=team_id)
        return key, secret

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke an API key; return whether there is one with this id."""
        parts = self._parts
        key = await parts.reader.fetch(api_reads.get_key, key_id)
        if key is None:
            return False
        await parts.writer.execute(RevokeKey(key_id, parts.now_ms()), lambda _: parts.api_keys.remove(key_id))
        parts.log.info("key_revoked", keyId=key_id, teamId=key.team_id)
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
        parts, now, webhook_id = self._parts, self._parts.now_ms(), self._parts.new_id("wh")
        sealed = None if secret is None else parts.vault.seal(secret, webhook_id)
        webhook = Webhook(
            webhook_id, team_id, name, url, sealed, events, True, 0, None, None, created_at=now, updated_at=now
        )
        create = self._with_key(CreateWebhook(webhook, parts.webhooks_per_team()), once, lambda _: webhook)
        await parts.writer.execute(create, lambda _: parts.index.put(webhook))
        parts.changes.publish(team_id, webhook_id)
        parts.log.info("webhook_created", webhookId=webhook.id, teamId=team_id)
        return webhook

    async def change_webhook(self, webhook_id: str, edit: WebhookEdit) -> Webhook | None:
        """Edit, enable or disable a webhook, in turn with its deliveries. Returns None if there is none.

        A secret in `edit` is a plain one, and is sealed here.
        """
        if edit.secret is not None:
            edit = replace(edit, secret=self._parts.vault.seal(edit.secret, webhook_id))
        webhook = await self._ask(webhook_id, partial(edited, edit=edit, now=self._parts.now_ms()))
        if webhook is not None:
            self._log_change(webhook, edit)
        return webhook

    def _log_change(self, webhook: Webhook, edit: WebhookEdit) -> None:
        owner = {"webhookId": webhook.id, "teamId": webhook.team_id}
        if edit.active is None:
            self._parts.log.info("webhook_changed", **owner)
        elif edit.active:
            self._parts.log.info("webhook_enabled", **owner)
        else:
            self._parts.log.warning("webhook_disabled", **owner, reason=webhook.disabled_reason)

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
        parts, now = self._parts, self._parts.now_ms()
        sealed = parts.vault.seal(secret, webhook_id)
        change = partial(rotated, secret=sealed, expires_at=now + overlap_s * 1000, now=now, switch_now=switch_now)
        webhook = await self._ask(webhook_id, change, once)
        if webhook is not None:
            owner = {"webhookId": webhook_id, "teamId": webhook.team_id}
            parts.log.info("webhook_secret_rotated", **owner, seconds=overlap_s)
        return webhook

    async def switch_signature(self, webhook_id: str, once: Once[Webhook] | None = None) -> Webhook | None:
        """Make `X-Kakiyo-Signature` with the new secret from now on. Returns None if there is no such webhook."""
        return await self._ask(webhook_id, partial(switched, now=self._parts.now_ms()), once)

    async def delete_webhook(self, webhook_id: str) -> bool:
        """Delete a webhook; its pending deliveries are cancelled, but one in flight may finish."""
        webhook = await self._ask(webhook_id, partial(deleted, now=self._parts.now_ms()))
        if webhook is not None:
            self._parts.log.info("webhook_deleted", webhookId=webhook_id, teamId=webhook.team_id)
        return webhook is not None

    async def grant_credits(
        self, team_id: str, amount: int, note: str | None, once: Once[CreditEntry] | None = None
    ) -> CreditEntry | None:
        """Add credits to a team, or take some back (below 0), and let go on what waits for them.

        Returns None if there is no such team. Raises BalanceOutOfRange.
        """
        parts = self._parts
        if team_id not in parts.teams:
            return None
        grant = GrantCredits(parts.new_id("crd"), team_id, amount, note, parts.now_ms())
        grant_once = self._with_key(grant, once, lambda entry: entry)
        entry = await parts.writer.execute(grant_once, lambda _: parts.gate.granted(team_id, amount))
        parts.log.info("credits_granted", teamId=team_id, amount=amount, balance=entry.balance_after)
        return entry

    async def resend(self, delivery_id: str, once: Once[Delivery] | None = None) -> Delivery | None:
        """Queue a delivery's event again; return the new delivery, None if unknown. Raises WebhookInactive."""
        parts = self._parts
        delivery = await parts.reader.fetch(api_reads.get_delivery, delivery_id)
        if delivery is None:
            return None
        await self._active_webhook(delivery.webhook_id)
        new = made_again(delivery, parts.new_id("dlv"), parts.now_ms())
        command = self._with_key(
            Resend(delivery_id, new.id, new.created_at), once, lambda kept: None if kept is None else new
        )
        if await parts.writer.execute(command, lambda _: self._queued(delivery.webhook_id, 1)) is None:
            return None
        parts.changes.publish(delivery.team_id, delivery.webhook_id)
        owner = {"webhookId": delivery.webhook_id, "teamId": delivery.team_id}
        parts.log.info("delivery_resent", **owner, deliveryId=new.id, eventId=delivery.event_id)
        return new

    async def recover(self, webhook_id: str, since: int, once: Once[int] | None = None) -> int | None:
        """Queue again, in order, what the webhook missed since then; return how many. Raises WebhookInactive.

        Repeating it is harmless: what waits or was delivered is left out.
        """
        parts = self._parts
        if await parts.reader.fetch(api_reads.get_webhook, webhook_id) is None:
            return None
        await self._until_made((await self._active_webhook(webhook_id)).team_id)
        webhook = await self._active_webhook(webhook_id)  # it may have been changed meanwhile
        queued = 0
        from_seq: int | None = 0
        while from_seq is not None:
            reach = await parts.reader.fetch(actor_reads.events_since, since, from_seq)
            queued = await self._recover(webhook, since, reach, queued, once)
            from_seq = reach.end_seq
        parts.changes.publish(webhook.team_id, webhook_id)
        parts.log.info("deliveries_recovered", webhookId=webhook_id, teamId=webhook.team_id, count=queued)
        return queued

    async def _until_made(self, team_id: str) -> None:
        """Wait for deliveries that are still to be made: they are not missed, only not there yet."""
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            await self._parts.fan_outs.finished(team_id)
            return
        raise StoreUnavailable("deliveries of the team are still being made: try again in a moment")

    async def _recover(self, webhook: Webhook, since: int, reach: SeqRange, queued: int, once: Once[int] | None) -> int:
        """Recover from one range of events; return `queued`, of the ranges before, with what was queued now."""
        parts = self._parts
        after_seq: int | None = reach.first_seq - 1
        while after_seq is not None:
            new_ids = tuple(parts.new_id("dlv") for _ in range(_RECOVER_PAGE))
            recover = Recover(webhook, since, after_seq, _RECOVER_PAGE, new_ids, parts.now_ms(), reach.end_seq)
            command = self._with_key(recover, once, partial(_total, queued, reach))
            page = await parts.writer.execute(command, lambda page: self._queued(webhook.id, page.queued))
            queued, after_seq = queued + page.queued, page.next_after_seq
        return queued

    def _queued(self, webhook_id: str, count: int) -> None:
        self._parts.metrics.deliveries[DeliveryStatus.PENDING].inc(count)
        self._parts.fleet.wake([webhook_id])

    async def _active_webhook(self, webhook_id: str) -> Webhook:
        webhook = await self._parts.reader.fetch(api_reads.get_webhook, webhook_id)
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
            return None if it is None else self._parts.vault.seal(once.answer(it).decode(), answer_id(once.idempotency))

        return ExecuteOnce(command, once.idempotency, keep, self._parts.now_ms())

    def _opened(self, idempotency: Idempotency, sealed: str | None) -> bytes:
        if sealed is None:
            raise IdempotencyConflict(_ANSWER_LOST)
        try:
            return self._parts.vault.open(sealed, answer_id(idempotency)).encode()
        except VaultError:
            raise IdempotencyConflict(_ANSWER_LOST) from None

    async def _ask(
        self, webhook_id: str, apply: Callable[[Webhook], Webhook], once: Once[Webhook] | None = None
    ) -> Webhook | None:
        if await self._parts.reader.fetch(api_reads.get_webhook, webhook_id) is None:
            return None
        change = Change(apply, lambda save: self._with_key(save, once, lambda _: save.webhook))
        self._parts.fleet.ask(webhook_id, change)
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
