"""The actions of a webhook's page: enable, disable, pause, resume, test, recover, delete."""

from http import HTTPStatus

from quart import Response

from api.console.pages.time_window import EXPECTED_TIME, parse_form_time
from api.console.pages.webhook_page import find, show_webhook, tested_events
from api.console.session.page_request import PageRequest
from api.http.errors import ApiError, Code
from api.http.json_body import validate
from api.http.wire import format_time
from api.limits.sizes import MAX_PAUSE_DAYS
from api.routes.testing import example_event
from api.routes.webhook_models import Recovery, WebhookChange
from api.routes.webhooks import change_webhook, delete_webhook, recover_webhook
from daemon.domain.submission import Submission
from daemon.store.reads import console_reads


async def enable(request: PageRequest, webhook_id: str) -> Response:
    """Enable the webhook; with the field `recover`, queue again what it missed."""
    webhook = await find(request, webhook_id)
    missed = await request.handles.reader.fetch(console_reads.missed_by, webhook)
    await change_webhook(request.call, webhook_id, validate({"active": True}, WebhookChange, request.call.known))
    if request.form.has("recover") and missed is not None:
        return await _recover(request, webhook_id, missed.since)
    return request.done(request.path("webhooks", webhook_id), "webhook-enabled")


async def show_disable(request: PageRequest, webhook_id: str) -> Response:
    """Ask whether it is meant."""
    return await request.page("webhook_disable.html", webhook=await find(request, webhook_id))


async def disable(request: PageRequest, webhook_id: str) -> Response:
    """Disable the webhook; its pending deliveries are cancelled."""
    await change_webhook(request.call, webhook_id, validate({"active": False}, WebhookChange, request.call.known))
    return request.done(request.path("webhooks", webhook_id), "webhook-disabled")


async def pause(request: PageRequest, webhook_id: str) -> Response:
    """Pause the webhook until the time that the form names, if it names one; or change the time of its pause."""
    await find(request, webhook_id)
    given = request.form.text("resumesAt")
    resumes_at = parse_form_time(given, request.look.zone)
    if given and resumes_at is None:
        return await _with_mistake(request, webhook_id, EXPECTED_TIME)
    change = {"paused": True, "resumesAt": None if resumes_at is None else format_time(resumes_at)}
    try:
        await change_webhook(request.call, webhook_id, validate(change, WebhookChange, request.call.known))
    except ApiError as error:
        if error.code is not Code.INVALID_FIELD:
            raise
        return await _with_mistake(request, webhook_id, f"Enter a time to come, within {MAX_PAUSE_DAYS} days.")
    return request.done(request.path("webhooks", webhook_id), "webhook-paused")


async def _with_mistake(request: PageRequest, webhook_id: str, sentence: str) -> Response:
    return await show_webhook(request, webhook_id, HTTPStatus.UNPROCESSABLE_ENTITY, resumesAt=sentence)


async def resume(request: PageRequest, webhook_id: str) -> Response:
    """Resume the webhook: what waits goes on."""
    await change_webhook(request.call, webhook_id, validate({"paused": False}, WebhookChange, request.call.known))
    return request.done(request.path("webhooks", webhook_id), "webhook-resumed")


async def send_test(request: PageRequest, webhook_id: str) -> Response:
    """Send an event type's example to this webhook alone."""
    webhook, event = await find(request, webhook_id), request.form.text("event")
    if event not in tested_events(request, webhook):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await show_webhook(request, webhook_id, status=status, event="Choose an event that it subscribes to.")
    test = example_event(request.call, request.team_id, event=event, only_webhook_id=webhook_id)
    [receipt] = await request.handles.router.submit(Submission((test,), key_id=request.call.principal.key_id))
    message = "test-sent" if receipt.deliveries else "test-without-receiver"
    return request.done(request.path("webhooks", webhook_id), message)


async def recover(request: PageRequest, webhook_id: str) -> Response:
    """Queue again what the webhook missed since the time that the form names."""
    since = parse_form_time(request.form.text("since"), request.look.zone)
    if since is None:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await show_webhook(request, webhook_id, status=status, since=EXPECTED_TIME)
    return await _recover(request, webhook_id, since)


async def show_delete(request: PageRequest, webhook_id: str) -> Response:
    """Ask whether it is meant."""
    return await request.page("webhook_delete.html", webhook=await find(request, webhook_id))


async def delete(request: PageRequest, webhook_id: str) -> Response:
    """Delete the webhook."""
    await delete_webhook(request.call, webhook_id)
    return request.done(request.path("webhooks"), "webhook-deleted")


async def _recover(request: PageRequest, webhook_id: str, since: int) -> Response:
    recovered = await recover_webhook(request.call, webhook_id, Recovery.model_construct(since=since))
    if not recovered.deliveries:
        return request.done(request.path("webhooks", webhook_id), "nothing-missed")
    return request.done(request.path("webhooks", webhook_id), "recovered", recovered.deliveries)
