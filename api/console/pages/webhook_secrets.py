"""A webhook's secret and key pair: rotating them, and removing the secret."""

import re
from http import HTTPStatus

from quart import Response

from api.console.pages.webhook_form import secret_mistake
from api.console.pages.webhook_page import find
from api.console.session.page_request import PageRequest
from api.http.json_body import validate
from api.limits.sizes import MAX_OVERLAP_HOURS
from api.routes.webhook_models import SecretRotation, WebhookChange
from api.routes.webhooks import change_webhook, rotate_webhook_secret
from daemon.crypto import signing
from daemon.domain.lifecycle import is_before_switch
from daemon.domain.signature_schemes import SignatureScheme

_USUAL_HOURS = "24"
_WRONG_HOURS = f"Enter a whole number of hours from 0 to {MAX_OVERLAP_HOURS}."


async def show_secret(request: PageRequest, webhook_id: str) -> Response:
    """Show the form."""
    return await _show(request, webhook_id, typed={"secret": "", "hours": _USUAL_HOURS, "switch_now": ""}, mistakes={})


async def rotate(request: PageRequest, webhook_id: str) -> Response:
    """Give the webhook a new secret, and show it once, or show the mistakes."""
    typed = {name: request.form.text(name) for name in ("secret", "hours", "switch_now")}
    if request.form.has("generate"):
        return await _show(request, webhook_id, typed={**typed, "secret": signing.generate_secret()}, mistakes={})
    mistakes = {"secret": secret_mistake(typed["secret"]) if typed["secret"] else "Enter a secret, or generate one."}
    typed["hours"] = typed["hours"] if request.form.has("hours") else _USUAL_HOURS
    hours = _hours(typed["hours"])
    if hours is None:
        mistakes["hours"] = _WRONG_HOURS
    if any(mistakes.values()):
        return await _show(request, webhook_id, typed=typed, mistakes=mistakes)
    given = {"secret": typed["secret"], "overlapHours": hours, "switchNow": bool(typed["switch_now"])}
    given["signatureScheme"] = SignatureScheme.HMAC
    rotation = validate(given, SecretRotation, request.call.known)
    await rotate_webhook_secret(request.call, webhook_id, rotation)
    response = request.done(request.path("webhooks", webhook_id), "secret-rotated")
    return request.with_secret(response, webhook_id, typed["secret"])


async def rotate_key(request: PageRequest, webhook_id: str) -> Response:
    """Give the webhook a new key pair, or show the mistake."""
    typed = request.form.text("keyHours")
    hours = _hours(typed)
    if hours is None:
        typed_all = {"secret": "", "hours": _USUAL_HOURS, "switch_now": "", "keyHours": typed}
        return await _show(request, webhook_id, typed=typed_all, mistakes={"keyHours": _WRONG_HOURS})
    given = {"signatureScheme": SignatureScheme.ED25519, "overlapHours": hours}
    await rotate_webhook_secret(request.call, webhook_id, validate(given, SecretRotation, request.call.known))
    return request.done(request.path("webhooks", webhook_id), "key-rotated")


def _hours(typed: str) -> int | None:
    hours = int(typed) if re.fullmatch(r"[0-9]{1,3}", typed) else None
    return None if hours is None or hours > MAX_OVERLAP_HOURS else hours


async def switch(request: PageRequest, webhook_id: str) -> Response:
    """Sign `X-Kakiyo-Signature` with the new secret of the current rotation from now on."""
    await rotate_webhook_secret(
        request.call, webhook_id, validate({"switchNow": True}, SecretRotation, request.call.known)
    )
    return request.done(request.path("webhooks", webhook_id), "secret-switched")


async def show_remove(request: PageRequest, webhook_id: str) -> Response:
    """Ask whether it is meant."""
    return await request.page("webhook_secret_remove.html", webhook=await find(request, webhook_id))


async def remove(request: PageRequest, webhook_id: str) -> Response:
    """Remove the secret: deliveries are no longer signed."""
    await change_webhook(request.call, webhook_id, validate({"secret": None}, WebhookChange, request.call.known))
    return request.done(request.path("webhooks", webhook_id), "secret-removed")


async def _show(request: PageRequest, webhook_id: str, typed: dict[str, str], mistakes: dict[str, str]) -> Response:
    webhook = await find(request, webhook_id)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if any(mistakes.values()) else HTTPStatus.OK
    before_switch = is_before_switch(webhook, request.now)
    typed = {"keyHours": _USUAL_HOURS, **typed}
    values = {"webhook": webhook, "typed": typed, "mistakes": mistakes, "before_switch": before_switch}
    return await request.page("webhook_secret.html", status, **values, max_overlap_hours=MAX_OVERLAP_HOURS)
