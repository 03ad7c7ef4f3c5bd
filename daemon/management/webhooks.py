"""Webhooks, as people change them: created, edited, switched on and off, given new secrets, deleted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from msgspec import structs

from daemon.crypto.idempotency import Once
from daemon.crypto.vault import Vault
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.certificates import with_key_sealed
from daemon.domain.changes import (
    Delete,
    Edit,
    ExpireDeliveries,
    ResumeWhenDue,
    RotateSecret,
    SwitchSignature,
    WebhookChange,
)
from daemon.domain.clock import Clock, rfc_3339
from daemon.domain.custom_headers import with_sealed_values
from daemon.domain.key_pairs import SigningKeys
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.live_answers import LIVE_URL
from daemon.domain.model import Webhook
from daemon.domain.operations import About, BodyFormat
from daemon.domain.way_out_options import with_password_sealed
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.management.replaced import replaced_options, replaced_secret
from daemon.management.webhook_changer import WebhookChanger
from daemon.store.commands import CreateWebhook
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_LIVE_NAME = "Live listener"


class Webhooks:
    """A webhook is changed by its actor, in turn with its deliveries.

    `webhooks_per_team()` is the limit of a team without its own.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        audit: Audit,
        vault: Vault,
        changer: WebhookChanger,
        index: SubscriptionIndex,
        webhooks_per_team: Callable[[], int],
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._changes = telemetry.changes
        self._kept = kept_answers.kept
        self._audit = audit
        self._vault = vault
        self._changer = changer
        self._index = index
        self._webhooks_per_team = webhooks_per_team

    async def create(
        self,
        team_id: str,
        name: str,
        url: str,
        secret: str | None,
        events: tuple[str, ...],
        once: Once[Webhook] | None = None,
        *,
        about: About = About.EVENTS,
        body_format: BodyFormat = BodyFormat.STANDARD,
        options: WebhookOptions = DEFAULT_OPTIONS,
        by: Actor = THE_DAEMON,
    ) -> Webhook:
        """Register an active webhook; its secret is sealed. Raises TooManyWebhooks."""
        webhook_id = self._new_id("wh")
        sealed = None if secret is None else self._vault.seal(secret, webhook_id)
        webhook = self._new(webhook_id, team_id, name, url=url, sealed=sealed, events=events)
        chosen = replace(webhook, about=about, body_format=body_format, options=self._sealed(options, webhook_id))
        return await self._create(chosen, once, by)

    async def create_live(
        self, webhook_id: str, team_id: str, events: tuple[str, ...], *, secret: str, by: Actor
    ) -> Webhook:
        """Register the webhook of a live listener under this id; its secret is sealed."""
        sealed = self._vault.seal(secret, webhook_id)
        webhook = self._new(webhook_id, team_id, _LIVE_NAME, url=LIVE_URL, sealed=sealed, events=events)
        return await self._create(replace(webhook, live=True), None, by)

    def _new(
        self, webhook_id: str, team_id: str, name: str, *, url: str, sealed: str | None, events: tuple[str, ...]
    ) -> Webhook:
        now = self._now_ms()
        return Webhook(
            id=webhook_id,
            team_id=team_id,
            name=name,
            url=url,
            secret=sealed,
            events=events,
            created_at=now,
            updated_at=now,
        )

    async def _create(self, webhook: Webhook, once: Once[Webhook] | None, by: Actor) -> Webhook:
        audited = self._audit.audited(
            CreateWebhook(webhook, self._webhooks_per_team()),
            by,
            AuditAction.WEBHOOK_CREATED,
            team_id=webhook.team_id,
            subject_id=webhook.id,
        )
        create = self._kept(audited, once, lambda _: webhook)
        await self._writer.execute(create, lambda _: self._index.put(webhook))
        self._changes.publish(webhook.team_id, webhook.id)
        self._log.info("webhook_created", webhookId=webhook.id, teamId=webhook.team_id)
        return webhook

    async def change(self, webhook_id: str, edit: WebhookEdit, by: Actor = THE_DAEMON) -> Webhook | None:
        """Edit, enable, disable, pause or resume a webhook, in turn with its deliveries. Returns None if there is none.

        A secret in `edit` is a plain one, and is sealed here. Raises WebhookInactive.
        """
        given = edit.secret
        if given is not None:
            edit = replace(edit, secret=self._vault.seal(given, webhook_id))
        edit = replace(edit, options=self._sealed(edit.options, webhook_id))
        change = Edit(edit, self._now_ms())
        webhook = await self._request_change(webhook_id, change, by=by, action=_action_of(edit), secret=given)
        if webhook is not None:
            self._log_change(webhook, edit)
        return webhook

    def _sealed(self, options: WebhookOptions, webhook_id: str) -> WebhookOptions:
        """Return the options, in which what is secret is plain until now, with it sealed.

        A scheme that uses a key pair comes with a new one; a webhook that has one keeps that.
        """
        if options is DEFAULT_OPTIONS:
            return options
        seal = partial(self._vault.seal, webhook_id=webhook_id)
        new = options.signature_scheme.uses_key
        keys = SigningKeys(self._vault.new_signing_key(webhook_id, self._now_ms())) if new else None
        return structs.replace(
            options,
            proxy=with_password_sealed(options.proxy, seal),
            client_certificate=with_key_sealed(options.client_certificate, seal),
            headers=with_sealed_values(options.headers, seal),
            signing_keys=keys,
        )

    def _log_change(self, webhook: Webhook, edit: WebhookEdit) -> None:
        owner = {"webhookId": webhook.id, "teamId": webhook.team_id}
        if edit.active is False:
            self._log.warning("webhook_disabled", **owner, reason=webhook.disabled_reason)
        elif edit.active:
            self._log.info("webhook_enabled", **owner)
        elif edit.paused is None:
            self._log.info("webhook_changed", **owner)
        if edit.paused:
            self._log.info("webhook_paused", **owner, resumesAt=webhook.resumes_at and rfc_3339(webhook.resumes_at))
        elif edit.paused is False:
            self._log.info("webhook_resumed", **owner, reason="manual")

    async def resume_when_due(self, webhook_id: str) -> None:
        """Resume a webhook that resumes by itself by now. Raises NothingDue if it does not."""
        change = ResumeWhenDue(self._now_ms())
        webhook = await self._request_change(webhook_id, change, by=THE_DAEMON, action=AuditAction.WEBHOOK_RESUMED)
        if webhook is not None:
            owner = {"webhookId": webhook_id, "teamId": webhook.team_id}
            self._log.info("webhook_resumed", **owner, reason="time")

    async def expire(self, webhook_id: str, seqs: Sequence[int]) -> None:
        """Cancel those of a webhook's deliveries with these numbers that wait: they have expired."""
        change = ExpireDeliveries(tuple(seqs), self._now_ms())
        await self._changer.change(webhook_id, change, None, entry=None)

    async def rotate_secret(
        self,
        webhook_id: str,
        secret: str | None,
        overlap_s: int,
        *,
        switch_now: bool = False,
        signing_key: bool = False,
        once: Once[Webhook] | None = None,
        by: Actor = THE_DAEMON,
    ) -> Webhook | None:
        """Give a webhook this new secret, a new `signing_key` (a key pair), or both.

        Those before sign beside them for `overlap_s` seconds more.
        `X-Kakiyo-Signature` is made with the one before for half of that time, with `switch_now` not at all.
        Returns None if there is no such webhook.
        """
        now, sealed = self._now_ms(), None if secret is None else self._vault.seal(secret, webhook_id)
        key = self._vault.new_signing_key(webhook_id, now) if signing_key else None
        change = RotateSecret(sealed, now + overlap_s * 1000, now, switch_now=switch_now, signing_key=key)
        webhook = await self._request_change(
            webhook_id, change, once, by=by, action=AuditAction.SECRET_ROTATED, secret=secret
        )
        if webhook is not None:
            owner = {"webhookId": webhook_id, "teamId": webhook.team_id}
            self._log.info("webhook_secret_rotated", **owner, seconds=overlap_s)
        return webhook

    async def switch_signature(
        self, webhook_id: str, once: Once[Webhook] | None = None, by: Actor = THE_DAEMON
    ) -> Webhook | None:
        """Make `X-Kakiyo-Signature` with the new secret from now on. Returns None if there is no such webhook."""
        switch = SwitchSignature(self._now_ms())
        return await self._request_change(webhook_id, switch, once, by=by, action=AuditAction.SIGNATURE_SWITCHED)

    async def delete(self, webhook_id: str, by: Actor = THE_DAEMON) -> bool:
        """Delete a webhook; its pending deliveries are cancelled, but one in flight may finish."""
        delete = Delete(self._now_ms())
        webhook = await self._request_change(webhook_id, delete, by=by, action=AuditAction.WEBHOOK_DELETED)
        if webhook is not None:
            self._log.info("webhook_deleted", webhookId=webhook_id, teamId=webhook.team_id)
        return webhook is not None

    async def _request_change(
        self,
        webhook_id: str,
        change: WebhookChange,
        once: Once[Webhook] | None = None,
        *,
        by: Actor,
        action: AuditAction,
        secret: str | None = None,
    ) -> Webhook | None:
        """Have the webhook changed, which gives it this secret (None: it keeps what it has)."""
        found = await self._reader.fetch(api_reads.get_webhook, webhook_id)
        if found is None:
            return None
        changes = replaced_secret(found, secret, self._vault)
        if isinstance(change, Edit):
            changes |= replaced_options(found, change.edit, self._vault)
        entry = self._audit.entry(by, action, team_id=found.team_id, subject_id=webhook_id, **changes)
        return await self._changer.change(webhook_id, change, once, entry=entry)


def _action_of(edit: WebhookEdit) -> AuditAction:
    if edit.paused is None:
        return AuditAction.WEBHOOK_CHANGED
    return AuditAction.WEBHOOK_PAUSED if edit.paused else AuditAction.WEBHOOK_RESUMED
