"""Making a webhook, and changing it."""

from http import HTTPStatus

from quart import Response

from api.console.pages.webhook_form import WebhookForm, form_of, mistakes_in, read_webhook_form
from api.console.pages.webhook_page import find
from api.console.session.page_request import Visit, see_other
from api.http.json_body import validate
from api.routes.webhooks import NewWebhook, WebhookChange, change_webhook, create_webhook
from daemon.crypto import signing
from daemon.domain.model import Webhook


async def show_new_webhook(visit: Visit) -> Response:
    """Show an empty form."""
    return await _show(visit, WebhookForm(), {}, None)


async def create(visit: Visit) -> Response:
    """Make the webhook and show it, with its secret for this once; or show what is wrong."""
    typed = read_webhook_form(visit.form)
    if visit.form.has("generate"):
        made = WebhookForm(typed.name, typed.url, signing.generate_secret(), typed.events)
        return await _show(visit, made, {}, None)
    if mistakes := await mistakes_in(visit, visit.team_id, typed):
        return await _show(visit, typed, mistakes, None)
    given = {"teamId": visit.team_id, "name": typed.name, "url": typed.url, "events": list(typed.events)}
    if typed.secret:
        given["secret"] = typed.secret
    webhook = await create_webhook(visit.call, validate(given, NewWebhook))
    if typed.secret:
        visit.desk.shown_once.keep(visit.session.id, webhook.id, typed.secret)
    return see_other(visit.path("webhooks", webhook.id, said="webhook-created"))


async def show_webhook_edit(visit: Visit, webhook_id: str) -> Response:
    """Show the form with what the webhook has."""
    webhook = await find(visit, webhook_id)
    return await _show(visit, form_of(webhook), {}, webhook)


async def edit(visit: Visit, webhook_id: str) -> Response:
    """Change name, URL and events; or show what is wrong."""
    webhook, typed = await find(visit, webhook_id), read_webhook_form(visit.form)
    if mistakes := await mistakes_in(visit, webhook.team_id, typed):
        return await _show(visit, typed, mistakes, webhook)
    given = {"name": typed.name, "url": typed.url, "events": list(typed.events)}
    await change_webhook(visit.call, webhook_id, validate(given, WebhookChange))
    return see_other(visit.path("webhooks", webhook_id, said="webhook-saved"))


async def _show(visit: Visit, typed: WebhookForm, mistakes: dict[str, str], webhook: Webhook | None) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK
    return await visit.page(
        "webhook_form.html",
        status,
        typed=typed,
        mistakes=mistakes,
        webhook=webhook,
        event_types=list(visit.handles.catalogue.values()),
    )
