"""Creating a webhook, and editing it."""

from dataclasses import replace
from http import HTTPStatus

from quart import Response

from api.console.pages.filter_trial import FilterTrial, tried_filter
from api.console.pages.headers_form import typed_headers
from api.console.pages.retry_options_form import shown_schedule
from api.console.pages.webhook_form import WebhookForm, form_of, mistakes_in, read_webhook_form
from api.console.pages.webhook_options_form import SCHEMES, is_chosen, shown_number
from api.console.pages.webhook_page import find
from api.console.session.page_request import PageRequest
from api.http.json_body import validate
from api.routes.webhook_models import NewWebhook, WebhookChange
from api.routes.webhooks import change_webhook, create_webhook
from daemon.crypto import signing
from daemon.domain.model import Webhook
from daemon.domain.operations import OPERATORS_TEAM, About


async def show_new_webhook(request: PageRequest) -> Response:
    """Show an empty form, of the kind that the query asks for."""
    is_operational = request.query("about") == About.OPERATIONS or request.team_id == OPERATORS_TEAM
    empty = WebhookForm(about=About.OPERATIONS if is_operational else About.EVENTS)
    return await _show(request, empty, mistakes={}, webhook=None)


async def create(request: PageRequest) -> Response:
    """Create the webhook and show it, with its secret once, or show the mistakes."""
    typed = read_webhook_form(request.form)
    if request.form.has("generate"):
        made = replace(typed, secret=signing.generate_secret())
        return await _show(request, made, mistakes={}, webhook=None)
    if request.form.has("try"):
        return await _show_tried(request, typed, webhook=None)
    if mistakes := await mistakes_in(request, request.team_id, typed):
        return await _show(request, typed, mistakes=mistakes, webhook=None)
    given = {"teamId": request.team_id, "name": typed.name, "url": typed.url, "events": list(typed.events)}
    given |= {"about": typed.about, "bodyFormat": typed.body_format, **typed.options}
    if typed.secret:
        given["secret"] = typed.secret
    webhook = await create_webhook(request.call, validate(given, NewWebhook, request.call.known))
    response = request.done(request.path("webhooks", webhook.id), "webhook-created")
    return request.with_secret(response, webhook.id, typed.secret) if typed.secret else response


async def show_webhook_edit(request: PageRequest, webhook_id: str) -> Response:
    """Show the form, filled in with the webhook."""
    webhook = await find(request, webhook_id)
    return await _show(request, form_of(webhook), mistakes={}, webhook=webhook)


async def edit(request: PageRequest, webhook_id: str) -> Response:
    """Change name, URL, events and options, or show the mistakes."""
    webhook = await find(request, webhook_id)
    typed = replace(read_webhook_form(request.form), about=webhook.about, body_format=webhook.body_format)
    if request.form.has("try"):
        return await _show_tried(request, typed, webhook=webhook)
    if mistakes := await mistakes_in(request, webhook.team_id, typed, edited=webhook):
        return await _show(request, typed, mistakes=mistakes, webhook=webhook)
    given = {"name": typed.name, "url": typed.url, "events": list(typed.events), **typed.options}
    await change_webhook(request.call, webhook_id, validate(given, WebhookChange, request.call.known))
    return request.done(request.path("webhooks", webhook_id), "webhook-saved")


async def _show_tried(request: PageRequest, typed: WebhookForm, webhook: Webhook | None) -> Response:
    trial = await tried_filter(request)
    return await _show(request, typed, mistakes=trial.mistakes, webhook=webhook, trial=trial)


async def _show(
    request: PageRequest,
    typed: WebhookForm,
    *,
    mistakes: dict[str, str],
    webhook: Webhook | None,
    trial: FilterTrial | None = None,
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK
    return await request.page(
        "webhook_form.html",
        status,
        typed=typed,
        mistakes=mistakes,
        webhook=webhook,
        trial=trial or FilterTrial(),
        operators_team=OPERATORS_TEAM,
        shown_number=shown_number,
        schemes=SCHEMES,
        shown_schedule=shown_schedule,
        typed_headers=typed_headers,
        more_open=trial is not None or any(is_chosen(name, value) for name, value in typed.options.items()),
        event_types=list(request.handles.types_about(typed.about).values()),
    )
