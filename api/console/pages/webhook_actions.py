"""What a webhook's page can do: enable, disable, test, recover, delete."""

from http import HTTPStatus

from quart import Response

from api.console.pages.delivery_filter import EXPECTED_TIME, parse_form_time
from api.console.pages.webhook_page import find, show_webhook, tested_events
from api.console.session.page_request import Visit, see_other
from api.http.json_body import validate
from api.routes.testing import example_event
from api.routes.webhooks import Recovery, WebhookChange, change_webhook, delete_webhook, recover_webhook
from daemon.domain.submission import Submission
from daemon.store.reads import console_reads


async def enable(visit: Visit, webhook_id: str) -> Response:
    """Enable the webhook; with the field `recover`, queue again what it missed."""
    webhook = await find(visit, webhook_id)
    missed = await visit.handles.reader.fetch(console_reads.missed_by, webhook)
    await change_webhook(visit.call, webhook_id, validate({"active": True}, WebhookChange))
    if visit.form.has("recover") and missed is not None:
        return await _recover(visit, webhook_id, missed.since)
    return see_other(visit.path("webhooks", webhook_id, said="webhook-enabled"))


async def show_disable(visit: Visit, webhook_id: str) -> Response:
    """Ask whether it is meant."""
    return await visit.page("webhook_disable.html", webhook=await find(visit, webhook_id))


async def disable(visit: Visit, webhook_id: str) -> Response:
    """Disable the webhook; its pending deliveries are cancelled."""
    await change_webhook(visit.call, webhook_id, validate({"active": False}, WebhookChange))
    return see_other(visit.path("webhooks", webhook_id, said="webhook-disabled"))


async def send_test(visit: Visit, webhook_id: str) -> Response:
    """Send an event type's example to this webhook alone."""
    webhook, event = await find(visit, webhook_id), visit.form.text("event")
    if event not in tested_events(visit, webhook):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await show_webhook(visit, webhook_id, status=status, event="Choose an event that it subscribes to.")
    test = example_event(visit.call, visit.team_id, event, webhook_id)
    [receipt] = await visit.handles.router.submit(Submission((test,)))
    said = "test-sent" if receipt.deliveries else "test-without-receiver"
    return see_other(visit.path("webhooks", webhook_id, said=said))


async def recover(visit: Visit, webhook_id: str) -> Response:
    """Queue again what the webhook missed since the time that the form names (UTC)."""
    since = parse_form_time(visit.form.text("since"))
    if since is None:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await show_webhook(visit, webhook_id, status=status, since=EXPECTED_TIME)
    return await _recover(visit, webhook_id, since)


async def show_delete(visit: Visit, webhook_id: str) -> Response:
    """Ask whether it is meant."""
    return await visit.page("webhook_delete.html", webhook=await find(visit, webhook_id))


async def delete(visit: Visit, webhook_id: str) -> Response:
    """Delete the webhook."""
    await delete_webhook(visit.call, webhook_id)
    return see_other(visit.path("webhooks", said="webhook-deleted"))


async def _recover(visit: Visit, webhook_id: str, since: int) -> Response:
    recovered = await recover_webhook(visit.call, webhook_id, Recovery.model_construct(since=since))
    if not recovered.deliveries:
        return see_other(visit.path("webhooks", webhook_id, said="nothing-missed"))
    return see_other(visit.path("webhooks", webhook_id, said="recovered", count=str(recovered.deliveries)))
