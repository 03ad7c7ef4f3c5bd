"""The routes of webhooks, with their examples (contract "HTTP API")."""

from http import HTTPStatus

from api.http.errors import Code
from api.http.route import Route, json_body
from api.http.wire import Page
from api.routes.public_keys import PUBLIC_KEY_ROUTE
from api.routes.webhook_models import (
    NewWebhook,
    Recovered,
    Recovery,
    RotatedWebhook,
    SecretRotation,
    Webhook,
    WebhookChange,
    WebhookQuery,
)
from api.routes.webhook_options import OPTIONS_EXAMPLE
from api.routes.webhooks import (
    change_webhook,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    recover_webhook,
    rotate_webhook_secret,
    tell_change,
    tell_new,
)

_TAG = "Webhooks"
_NEW_EXAMPLE = {
    "name": "CRM sync",
    "url": "https://crm.example.com/hooks/kakiyo",
    "secret": "generate",
    "events": ["linkedin.message.received", "linkedin.invitation.accepted"],
}
_WEBHOOK_EXAMPLE = {
    "id": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
    "teamId": "team_acme",
    "name": "CRM sync",
    "url": "https://crm.example.com/hooks/kakiyo",
    "events": ["linkedin.message.received", "linkedin.invitation.accepted"],
    "active": True,
    "consecutiveFailures": 0,
    "disabledReason": None,
    "disabledAt": None,
    "pausedAt": None,
    "resumesAt": None,
    "parked": False,
    "hasSecret": True,
    "publicKey": None,
    "live": False,
    "about": "events",
    "bodyFormat": "standard",
    **OPTIONS_EXAMPLE,
    "filterFailures": None,
    "createdAt": "2025-07-15T10:00:00.000Z",
    "updatedAt": "2025-07-15T10:00:00.000Z",
}
_EXAMPLE_WITH_SECRET = {**_WEBHOOK_EXAMPLE, "secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}

ROUTES = (
    Route(
        "POST",
        "/v1/webhooks",
        create_webhook,
        tag=_TAG,
        summary="Register a webhook",
        description="The secret, given or generated, appears in this answer only.",
        body=json_body(NewWebhook, _NEW_EXAMPLE, tell=tell_new),
        status=HTTPStatus.CREATED,
        answer=Webhook,
        example=_EXAMPLE_WITH_SECRET,
        refusals=(Code.NOT_FOUND, Code.URL_NOT_ALLOWED, Code.WEBHOOK_QUOTA),
        once=True,
    ),
    Route(
        "GET",
        "/v1/webhooks",
        list_webhooks,
        tag=_TAG,
        summary="List webhooks",
        description="Newest first.",
        query=WebhookQuery,
        answer=Page[Webhook],
        example={"items": [_WEBHOOK_EXAMPLE], "nextCursor": None},
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "GET",
        "/v1/webhooks/{webhook_id}",
        get_webhook,
        tag=_TAG,
        summary="Look at a webhook",
        description="With its failure counter, and why it is disabled if it is.",
        answer=Webhook,
        example=_WEBHOOK_EXAMPLE,
        refusals=(Code.NOT_FOUND,),
    ),
    Route(
        "PATCH",
        "/v1/webhooks/{webhook_id}",
        change_webhook,
        tag=_TAG,
        summary="Change a webhook",
        description=(
            "Any of name, url, secret, events, active, paused and resumesAt. `active: true` re-enables it and resets "
            "its failure counter; `active: false` disables it and cancels its pending deliveries. `paused: true` lets "
            "its deliveries wait, in order, until `paused: false` or the time `resumesAt`; nothing is cancelled."
        ),
        body=json_body(WebhookChange, {"active": True}, tell=tell_change),
        answer=Webhook,
        example=_WEBHOOK_EXAMPLE,
        refusals=(Code.NOT_FOUND, Code.URL_NOT_ALLOWED, Code.WEBHOOK_INACTIVE),
    ),
    Route(
        "DELETE",
        "/v1/webhooks/{webhook_id}",
        delete_webhook,
        tag=_TAG,
        summary="Delete a webhook",
        description="Its pending deliveries are cancelled; an attempt in flight may finish.",
        status=HTTPStatus.NO_CONTENT,
        answer=None,
        refusals=(Code.NOT_FOUND,),
    ),
    PUBLIC_KEY_ROUTE,
    Route(
        "POST",
        "/v1/webhooks/{webhook_id}/rotate-secret",
        rotate_webhook_secret,
        tag=_TAG,
        summary="Give a webhook a new secret or key pair",
        description=(
            "Without `secret` one is generated. For `overlapHours` the previous secret stays valid: "
            "`webhook-signature` then carries a signature for each of the two, the new one first; "
            "`X-Kakiyo-Signature`, which holds one signature, uses the previous secret until half of the overlap has "
            "passed, then the new one; `switchNow` makes it use the new one at once, with the rotation or, sent "
            "alone, later. Only the most recent previous secret is kept. `signatureScheme` says what is replaced: the "
            "secret (`hmac`), the key pair (`ed25519`) or `both`; if it is left out, that which signs the deliveries."
        ),
        body=json_body(SecretRotation, {"overlapHours": 24}),
        answer=RotatedWebhook,
        example={
            **_EXAMPLE_WITH_SECRET,
            "previousSecretExpiresAt": "2025-07-16T10:00:00.000Z",
            "signatureSwitchesAt": "2025-07-15T22:00:00.000Z",
            "previousPublicKeyExpiresAt": None,
        },
        refusals=(Code.NOT_FOUND,),
        once=True,
    ),
    Route(
        "POST",
        "/v1/webhooks/{webhook_id}/recover",
        recover_webhook,
        tag=_TAG,
        summary="Recover what was missed",
        description=(
            "Queues again, in order, every event accepted since then that the webhook subscribes to, did not get and "
            "is not waiting for."
        ),
        body=json_body(Recovery, {"since": "2025-07-15T10:00:00.000Z"}),
        status=HTTPStatus.ACCEPTED,
        answer=Recovered,
        example={"deliveries": 3},
        refusals=(Code.NOT_FOUND, Code.WEBHOOK_INACTIVE),
        once=True,
    ),
)
