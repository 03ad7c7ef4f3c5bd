"""Webhooks: register, list, change, delete, recover (contract "HTTP API", "Auto-disable")."""

from collections.abc import Sequence
from functools import partial

from pydantic.alias_generators import to_camel

from api.http.auth import one_team, owned, team_named
from api.http.cursors import page_of, position_of
from api.http.errors import from_daemon, not_found, wrong_field
from api.http.idempotency import once
from api.http.mistakes import Mistakes
from api.http.route import Call
from api.http.wire import Page, format_optional_time, format_time, later_ms
from api.limits.rate_limit import tokens_for
from api.limits.sizes import MAX_PAUSE_DAYS
from api.routes.filter_options import shown_failures
from api.routes.header_options import check_headers, is_moved
from api.routes.way_out_options import check_way_out
from api.routes.webhook_models import (
    GENERATE,
    NewWebhook,
    Recovered,
    Recovery,
    RotatedWebhook,
    SecretRotation,
    Webhook,
    WebhookChange,
    WebhookQuery,
)
from api.routes.webhook_options import given_options, names_of_given, shown_options
from daemon.crypto import signing
from daemon.domain import model
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.event_types import WILDCARD
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.operations import OPERATIONAL_TYPES, OPERATORS_TEAM, About, BodyFormat
from daemon.domain.signature_schemes import SignatureScheme
from daemon.store.reads import api_reads

_HOUR_S = 3600


async def create_webhook(call: Call, body: NewWebhook) -> Webhook:
    """Register a webhook."""
    team_id = await _check_new(call, body)
    if team_id == OPERATORS_TEAM:
        await call.handles.teams.make_operators_team(by=call.by)
    secret = None if body.secret is None else chosen_secret(body.secret)
    show = partial(_show, call, secret=secret)
    made = call.handles.webhooks.create(
        team_id,
        body.name,
        url=body.url,
        secret=secret,
        events=tuple(body.events),
        once=once(call, show),
        about=body.about,
        body_format=body.body_format,
        options=given_options(body),
        by=call.by,
    )
    return show(await made)


async def tell_new(call: Call, body: NewWebhook) -> None:
    """Raise ApiError for what is wrong with the team and the URL of a body that is wrong already."""
    await _check_new(call, body)


async def _check_new(call: Call, body: NewWebhook) -> str:
    mistakes, team_id = Mistakes(), call.principal.team_id or ""
    with mistakes:
        team_id = await _team_of_new(call, body)
    if "url" in body.model_fields_set:
        await _check_url(call, body.url, team_id=team_id, mistakes=mistakes)
    await check_way_out(call, body, team_id=team_id, mistakes=mistakes)
    check_headers(body, mistakes)
    if "events" in body.model_fields_set:
        _check_events(body.events, body.about, mistakes)
    if body.body_format != BodyFormat.STANDARD and body.about != About.OPERATIONS:
        mistakes.note(
            wrong_field("$.bodyFormat", "only operational webhooks have it: send `about: operations` with it")
        )
    mistakes.raise_if_any()
    return team_id


async def _team_of_new(call: Call, body: NewWebhook) -> str:
    """Return whose webhook it is to be. The operator's team is made with its first one."""
    is_operational = body.about == About.OPERATIONS
    if call.principal.is_operator and is_operational and body.team_id in (None, OPERATORS_TEAM):
        return OPERATORS_TEAM
    return await one_team(call, body.team_id, "$.teamId")


def _check_events(events: Sequence[str], about: About, mistakes: Mistakes) -> None:
    """Note each event type that is not for webhooks of this kind."""
    is_operational = about == About.OPERATIONS
    others = About.EVENTS if is_operational else About.OPERATIONS
    for place, event in enumerate(events):
        if event != WILDCARD and (event in OPERATIONAL_TYPES) != is_operational:
            mistakes.note(
                wrong_field(f"$.events[{place}]", f"is for webhooks about {others}; this is one about {about}")
            )


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
        options=given_options(body),
        changed_options=names_of_given(body),
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
    if "events" in body.model_fields_set:
        _check_events(body.events, found.about, mistakes)
    if found.live:
        _refuse_options(body, mistakes)
    else:
        await check_way_out(call, body, team_id=found.team_id, mistakes=mistakes)
        check_headers(body, mistakes, stored=found.options.headers, moves=is_moved(found.url, body.url))
    mistakes.raise_if_any()


def _refuse_options(body: WebhookChange, mistakes: Mistakes) -> None:
    for name in names_of_given(body):
        mistakes.note(wrong_field(f"$.{to_camel(name)}", "is not for a live listener: its deliveries go to its stream"))


def _resumes_at(call: Call, body: WebhookChange) -> int | None:
    if "resumes_at" in body.model_fields_set and not body.paused:
        raise wrong_field("$.resumesAt", "belongs to a pause: send `paused: true` with it")
    try:
        return later_ms(body.resumes_at, call.handles.now_ms(), MAX_PAUSE_DAYS)
    except ValueError as error:
        raise wrong_field("$.resumesAt", str(error)) from None


async def rotate_webhook_secret(call: Call, webhook_id: str, body: SecretRotation) -> RotatedWebhook:
    """Give a webhook a new secret, key pair, or both; those before keep signing as well for a while."""
    found = await _find(call, webhook_id)
    webhooks = call.handles.webhooks
    if body.only_switches:
        show = partial(_show_rotated, call, None)
        return show(_still_there(await webhooks.switch_signature(webhook_id, once(call, show), by=call.by)))
    scheme = _rotated_scheme(found, body)
    secret = chosen_secret(body.secret) if scheme.uses_secret else None
    show = partial(_show_rotated, call, secret)
    rotated = await webhooks.rotate_secret(
        webhook_id,
        secret,
        overlap_s=body.overlap_hours * _HOUR_S,
        switch_now=body.switch_now,
        signing_key=scheme.uses_key,
        once=once(call, show),
        by=call.by,
    )
    return show(_still_there(rotated))


def _rotated_scheme(webhook: model.Webhook, body: SecretRotation) -> SignatureScheme:
    """Return what a rotation replaces. Raises ApiError (422)."""
    given, mistakes = body.model_fields_set, Mistakes()
    scheme = body.signature_scheme if "signature_scheme" in given else webhook.options.signature_scheme
    if scheme.uses_key and webhook.options.signing_keys is None:
        mistakes.note(wrong_field("$.signatureScheme", "the webhook has no key pair: PATCH its signatureScheme first"))
    if not scheme.uses_secret and "secret" in given:
        mistakes.note(wrong_field("$.secret", "no secret signs here: send `signatureScheme: hmac` to replace it"))
    if not scheme.uses_secret and body.switch_now:
        mistakes.note(wrong_field("$.switchNow", "is about `X-Kakiyo-Signature`, which a secret makes"))
    mistakes.raise_if_any()
    return scheme


def _show_rotated(call: Call, secret: str | None, webhook: model.Webhook) -> RotatedWebhook:
    keys = webhook.options.signing_keys
    shown = {name: value for name, value in dict(_show(call, webhook, secret)).items() if name != "secret" or value}
    return RotatedWebhook(
        **shown,
        previous_secret_expires_at=format_optional_time(webhook.previous_secret_expires_at),
        signature_switches_at=format_optional_time(webhook.signature_switches_at),
        previous_public_key_expires_at=format_optional_time(None if keys is None else keys.previous_expires_at),
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
    if given == GENERATE:
        return signing.generate_secret()
    try:
        signing.check_secret(given)
    except ValueError as error:
        raise wrong_field("$.secret", str(error)) from None
    return given


def _show_recovered(queued: int) -> Recovered:
    return Recovered(deliveries=queued)


def _show(call: Call, webhook: model.Webhook, secret: str | None = None) -> Webhook:
    keys = webhook.options.signing_keys
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
        public_key=None if keys is None else keys.current.public,
        live=webhook.live,
        about=webhook.about,
        body_format=webhook.body_format,
        created_at=format_time(webhook.created_at),
        updated_at=format_time(webhook.updated_at),
        **dict(shown_options(webhook.options)),
        filter_failures=shown_failures(call.handles.filter_failures(webhook.id, webhook.options.filter)),
    )
    return shown if secret is None else shown.model_copy(update={"secret": secret})
