"""Webhooks: register, list, change, delete, recover (contract "HTTP API", "Auto-disable")."""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from api.http.auth import one_team, owned, team_named
from api.http.cursors import page_of, position_of
from api.http.errors import from_daemon, not_found, wrong_field
from api.http.idempotency import once
from api.http.known import OneTeam, SomeTeam
from api.http.mistakes import Mistakes
from api.http.route import Call
from api.http.wire import (
    EventTypes,
    Input,
    InputTime,
    LaterMoment,
    Name,
    Output,
    OutputTime,
    Page,
    PageQuery,
    format_optional_time,
    format_time,
    later_ms,
)
from api.limits.rate_limit import tokens_for
from api.limits.sizes import MAX_OVERLAP_HOURS, MAX_PAUSE_DAYS
from daemon.crypto import signing
from daemon.domain import model
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DisabledReason
from daemon.store.reads import api_reads

_GENERATE = "generate"
_HOUR_S = 3600
_SIGNING = "Signs the deliveries. `generate` makes a Standard Webhooks one (`whsec_…`)."
_URL = "Where deliveries are posted to: https, a public host, at most 2,048 characters."
_EVENTS = "Event types, as listed by GET /v1/webhooks/test/events; `*` means all, including future ones."


def _must_sign(value: str) -> str:
    if value != _GENERATE:
        signing.check_secret(value)
    return value


Secret = Annotated[str, AfterValidator(_must_sign)]


class NewWebhook(Input):
    """A webhook to register."""

    team_id: OneTeam = Field(None, description="Whose webhook it is. A team's key may leave it out.")
    name: Name = Field(description="A label for people.")
    url: str = Field(description=_URL)
    secret: Secret | None = Field(None, description=f"{_SIGNING} Without it deliveries go unsigned.")
    events: EventTypes = Field(description=_EVENTS)


# Fields that are left out get a default that no client can send: null is refused, the document shows no default.
class WebhookChange(Input):
    """Changes to a webhook; fields that are left out stay as they are."""

    name: Name = Field(default_factory=str, description="A label for people.")
    url: str = Field(default_factory=str, description=_URL)
    secret: Secret | None = Field(
        default_factory=lambda: None, description=f"{_SIGNING} null removes it: deliveries then go unsigned."
    )
    events: EventTypes = Field(default_factory=list, description=_EVENTS)
    active: bool = Field(default_factory=bool, description="true re-enables it and resets its failure counter.")
    paused: bool = Field(default_factory=bool, description="true lets its deliveries wait; false resumes it.")
    resumes_at: LaterMoment | None = Field(
        default_factory=lambda: None,
        description=(
            "With `paused: true`: when it resumes by itself, a time or how long from now (`2h`); null: it does not."
        ),
    )


class SecretRotation(Input):
    """A new secret, and how long the previous one keeps signing; or, with `switchNow` alone, the last one's switch."""

    secret: Secret = Field(_GENERATE, description=f"{_SIGNING} Generated if left out.")
    overlap_hours: int = Field(
        24,
        ge=0,
        le=MAX_OVERLAP_HOURS,
        description="Hours in which `webhook-signature` is made with both secrets; 0 for none, 24 if left out.",
    )
    switch_now: bool = Field(
        default_factory=bool,
        description=(
            "true makes `X-Kakiyo-Signature` use the new secret at once, not after half of the overlap. "
            "On its own it creates no new secret and applies to the last rotation."
        ),
    )

    @property
    def only_switches(self) -> bool:
        """Whether it makes no new secret."""
        return self.switch_now and self.model_fields_set == {"switch_now"}


class Recovery(Input):
    """Where to start recovering."""

    since: InputTime = Field(description="Events accepted at this time or later are looked at.")


class Recovered(Output):
    """What was queued."""

    deliveries: int = Field(description="How many deliveries were made.")


class WebhookQuery(PageQuery):
    """Which webhooks to list."""

    team_id: SomeTeam = Field(None, description="Only this team's; the operator lists all teams' without it.")


class Webhook(Output):
    """A registered receiver."""

    id: str = Field(description="The webhook's id.")
    team_id: str = Field(description="Whose webhook it is.")
    name: str = Field(description="A label for people.")
    url: str = Field(description="Where deliveries are posted to.")
    events: list[str] = Field(description=_EVENTS)
    active: bool = Field(description="Whether it gets deliveries, though they may wait: see `pausedAt`.")
    consecutive_failures: int = Field(description="Failed deliveries since the last success.")
    disabled_reason: DisabledReason | None = Field(description="Why it was disabled.")
    disabled_at: OutputTime | None = Field(description="When it was disabled.")
    paused_at: OutputTime | None = Field(description="Since when it is paused: its deliveries wait. null: it is not.")
    resumes_at: OutputTime | None = Field(description="When a paused one resumes by itself; null if it does not.")
    parked: bool = Field(
        description="Whether its deliveries are on hold because its actor kept crashing: see the daemon's log."
    )
    has_secret: bool = Field(description="Whether its deliveries are signed.")
    live: bool = Field(description="Whether it is a live listener: its deliveries go to a stream, not to its URL.")
    created_at: OutputTime = Field(description="When it was registered.")
    updated_at: OutputTime = Field(description="When it was last changed.")
    secret: str | None = Field(None, description="Only in the answer to the request that set or generated it.")


class RotatedWebhook(Webhook):
    """A webhook with its new secret."""

    secret: str | None = Field(None, description="The new secret, if one was made. Only this answer has it.")
    previous_secret_expires_at: OutputTime | None = Field(
        description="Until when the previous secret also signs; null if there was none, or without an overlap."
    )
    signature_switches_at: OutputTime | None = Field(
        description="From when `X-Kakiyo-Signature` uses the new secret; null without an overlap."
    )


async def create_webhook(call: Call, body: NewWebhook) -> Webhook:
    """Register a webhook."""
    team_id = await _check_new(call, body)
    secret = None if body.secret is None else chosen_secret(body.secret)
    show = partial(_show, call, secret=secret)
    made = call.handles.webhooks.create(
        team_id, body.name, url=body.url, secret=secret, events=tuple(body.events), once=once(call, show), by=call.by
    )
    return show(await made)


async def tell_new(call: Call, body: NewWebhook) -> None:
    """Raise ApiError for what is wrong with the team and the URL of a body that is wrong already."""
    await _check_new(call, body)


async def _check_new(call: Call, body: NewWebhook) -> str:
    mistakes, team_id = Mistakes(), call.principal.team_id or ""
    with mistakes:
        team_id = await one_team(call, body.team_id, "$.teamId")
    if "url" in body.model_fields_set:
        await _check_url(call, body.url, team_id=team_id, mistakes=mistakes)
    mistakes.raise_if_any()
    return team_id


async def _check_url(call: Call, url: str, *, team_id: str, mistakes: Mistakes) -> None:
    try:
        await call.handles.check_url(url, team_id)
    except UrlNotAllowed as error:
        mistakes.note(from_daemon(error))


async def list_webhooks(call: Call, query: WebhookQuery) -> Page[Webhook]:
    """Answer with webhooks, newest first."""
    team_id = await team_named(call, query.team_id, "query.teamId")
    found = await call.handles.reader.fetch(
        api_reads.list_webhooks, team_id, query.limit, position_of(call, query.cursor)
    )
    return page_of(call, [_show(call, webhook) for webhook in found.items], found.next_cursor)


async def get_webhook(call: Call, webhook_id: str) -> Webhook:
    """Answer with one webhook."""
    return _show(call, await _find(call, webhook_id))


async def change_webhook(call: Call, webhook_id: str, body: WebhookChange) -> Webhook:
    """Change what the body names."""
    await tell_change(call, webhook_id, body)
    given, resumes_at = body.model_fields_set, _resumes_at(call, body)
    secret = None if body.secret is None else chosen_secret(body.secret)
    edit = WebhookEdit(
        name=body.name or None,
        url=body.url or None,
        secret=secret,
        remove_secret="secret" in given and secret is None,
        events=tuple(body.events) or None,
        active=body.active if "active" in given else None,
        paused=body.paused if "paused" in given else None,
        resumes_at=resumes_at,
        until_resumed="resumes_at" in given and resumes_at is None,
    )
    return _show(call, _still_there(await call.handles.webhooks.change(webhook_id, edit, by=call.by)), secret)


async def tell_change(call: Call, webhook_id: str, body: WebhookChange) -> None:
    """Raise ApiError if there is no such webhook, or if it may not have this URL, or resume then."""
    found, mistakes = await _find(call, webhook_id), Mistakes()
    with mistakes:
        _resumes_at(call, body)
    if "url" in body.model_fields_set and found.live:
        mistakes.note(wrong_field("$.url", "is not for a live listener: its deliveries go to its stream"))
    elif "url" in body.model_fields_set:
        await _check_url(call, body.url, team_id=found.team_id, mistakes=mistakes)
    mistakes.raise_if_any()


def _resumes_at(call: Call, body: WebhookChange) -> int | None:
    if "resumes_at" in body.model_fields_set and not body.paused:
        raise wrong_field("$.resumesAt", "belongs to a pause: send `paused: true` with it")
    try:
        return later_ms(body.resumes_at, call.handles.now_ms(), MAX_PAUSE_DAYS)
    except ValueError as error:
        raise wrong_field("$.resumesAt", str(error)) from None


async def rotate_webhook_secret(call: Call, webhook_id: str, body: SecretRotation) -> RotatedWebhook:
    """Give a webhook a new secret; the previous one keeps signing as well for a while."""
    await _find(call, webhook_id)
    webhooks = call.handles.webhooks
    if body.only_switches:
        show = partial(_show_rotated, call, None)
        return show(_still_there(await webhooks.switch_signature(webhook_id, once(call, show), by=call.by)))
    secret = chosen_secret(body.secret)
    show = partial(_show_rotated, call, secret)
    overlap_s = body.overlap_hours * _HOUR_S
    rotated = await webhooks.rotate_secret(
        webhook_id, secret, overlap_s, switch_now=body.switch_now, once=once(call, show), by=call.by
    )
    return show(_still_there(rotated))


def _show_rotated(call: Call, secret: str | None, webhook: model.Webhook) -> RotatedWebhook:
    shown = {name: value for name, value in dict(_show(call, webhook, secret)).items() if name != "secret" or value}
    return RotatedWebhook(
        **shown,
        previous_secret_expires_at=format_optional_time(webhook.previous_secret_expires_at),
        signature_switches_at=format_optional_time(webhook.signature_switches_at),
    )


async def delete_webhook(call: Call, webhook_id: str) -> None:
    """Delete a webhook; its pending deliveries are cancelled."""
    await _find(call, webhook_id)
    if not await call.handles.webhooks.delete(webhook_id, by=call.by):
        raise not_found("webhook")


async def recover_webhook(call: Call, webhook_id: str, body: Recovery) -> Recovered:
    """Queue what the webhook never got."""
    await _find(call, webhook_id)
    queued = await call.handles.replays.recover(webhook_id, body.since, once(call, _show_recovered), by=call.by)
    if queued is None:
        raise not_found("webhook")
    call.charge(tokens_for(deliveries=queued))
    return _show_recovered(queued)


async def _find(call: Call, webhook_id: str) -> model.Webhook:
    return owned(call, await call.handles.reader.fetch(api_reads.get_webhook, webhook_id), "webhook")


def _still_there(webhook: model.Webhook | None) -> model.Webhook:
    if webhook is None:
        raise not_found("webhook")
    return webhook


def chosen_secret(given: str) -> str:
    """Return the secret that a client asks for: its own, or a generated one. Raises ApiError (422)."""
    if given == _GENERATE:
        return signing.generate_secret()
    try:
        signing.check_secret(given)
    except ValueError as error:
        raise wrong_field("$.secret", str(error)) from None
    return given


def _show_recovered(queued: int) -> Recovered:
    return Recovered(deliveries=queued)


def _show(call: Call, webhook: model.Webhook, secret: str | None = None) -> Webhook:
    shown = Webhook(
        id=webhook.id,
        team_id=webhook.team_id,
        name=webhook.name,
        url=webhook.url,
        events=list(webhook.events),
        active=webhook.active,
        consecutive_failures=webhook.consecutive_failures,
        disabled_reason=webhook.disabled_reason,
        disabled_at=format_optional_time(webhook.disabled_at),
        paused_at=format_optional_time(webhook.paused_at),
        resumes_at=format_optional_time(webhook.resumes_at),
        parked=call.handles.is_parked(webhook.id),
        has_secret=webhook.secret is not None,
        live=webhook.live,
        created_at=format_time(webhook.created_at),
        updated_at=format_time(webhook.updated_at),
    )
    return shown if secret is None else shown.model_copy(update={"secret": secret})
