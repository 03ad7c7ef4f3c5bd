"""Each command makes the requests that the API takes (contract "HTTP API")."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.times import parse_time, to_rfc3339

WEBHOOK = {
    "id": "wh_1",
    "teamId": "t",
    "name": "n",
    "url": "https://x",
    "events": ["*"],
    "active": True,
    "consecutiveFailures": 0,
    "disabledReason": None,
    "disabledAt": None,
    "hasSecret": False,
    "createdAt": "2025-01-01T00:00:00.000Z",
    "updatedAt": "2025-01-01T00:00:00.000Z",
}
PUBLIC_KEY = {
    "webhookId": "wh_1",
    "signatureScheme": "ed25519",
    "publicKey": "whpk_now",
    "pem": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
    "createdAt": "2025-01-01T00:00:00.000Z",
    "previous": {"publicKey": "whpk_before", "expiresAt": "2025-01-02T00:00:00.000Z"},
}
DELIVERY = {
    "id": "dlv_1",
    "eventId": "evt_1",
    "webhookId": "wh_1",
    "teamId": "t",
    "event": "linkedin.message.sent",
    "status": "failed",
    "test": False,
    "attemptsMade": 1,
    "nextAttemptAt": None,
    "createdAt": "2025-01-01T00:00:00.000Z",
    "completedAt": None,
    "cancelReason": None,
    "waitingForCredits": False,
    "origin": {"kind": "resend", "deliveryId": "dlv_0"},
    "lastAttempt": {"outcome": "timeout", "status": None, "durationMs": 10_000, "error": "no response within 10 s"},
}
ATTEMPT = {
    "number": 1,
    "startedAt": "2025-01-01T00:00:00.000Z",
    "durationMs": 12,
    "outcome": "http_error",
    "status": 500,
    "error": "The receiver answered 500",
    "responseHeaders": [],
    "responseBody": "oh \x1b[2Jno [red]",
}
TEAM = {"id": "t", "name": "n", "notificationEmails": ["a@b.c"], "createdAt": "2025-01-01T00:00:00.000Z"}
NEW_KEY = {
    "id": "key_1",
    "teamId": "t",
    "name": "n",
    "role": "admin",
    "key": "shown-once",
    "createdAt": "2025-01-01T00:00:00.000Z",
    "lastUsedAt": None,
    "revokedAt": None,
}
CREDIT = {"teamId": "t", "balance": -4, "perDelivery": 2, "enforce": False}
ENTRY = {"id": "c_1", "teamId": "t", "amount": 5, "balanceAfter": 5, "createdAt": "x", "deliveryId": None, "note": "hi"}
EVENT = {
    "id": "evt_1",
    "teamId": "t",
    "event": "a.b",
    "timestamp": "x",
    "acceptedAt": "y",
    "test": False,
    "size": 1_234,
    "key": {"id": "key_1", "name": "CRM"},
    "idempotencyKey": "order-17",
    "body": {"data": {"é": 1}},
    "deliveries": [DELIVERY],
}
FOUND = {"kind": "event", "id": "evt_1", "teamId": "t", "title": "a.b", "at": "x", "match": "payload"}
EVENT_TYPE = {"id": "a.b", "name": "a.b", "description": "It happened", "category": "message"}
STATISTICS = {
    "range": "7d",
    "stepHours": 1,
    "succeeded": 3,
    "failed": 1,
    "cancelled": 0,
    "p50Ms": 74,
    "p95Ms": 1310,
    "steps": [
        {"start": f"2025-01-0{day}T00:00:00.000Z", "succeeded": succeeded, "failed": 0, "cancelled": 0}
        | {"p50Ms": None, "p95Ms": 86 * succeeded or None}
        for day, succeeded in ((1, 0), (2, 1))
    ],
    "errors": [
        {"outcome": "http_error", "status": 503, "attempts": 1204},
        {"outcome": "timeout", "status": None, "attempts": 3},
    ],
    "errorsArePartial": True,
}
RECEIPT = {"id": "evt_1", "deliveries": 3}
NODE = {
    "number": 7,
    "name": "hooks-1",
    "host": "machine",
    "version": "1.2.3",
    "state": "living",
    "shards": 86,
    "since": "2025-01-01T00:00:00.000Z",
    "leaseAgeMs": 210,
    "eventsPerSecond": 41.5,
    "parkedWebhooks": [],
    "differences": [],
    "endedAt": None,
    "endedBecause": None,
}
MINUTE = {
    "at": "2025-01-01T00:00:00.000Z",
    "accepted": 2460,
    "ended": 7310,
    "backlog": 100_000,
    "backlogIsMore": True,
    "oldestMs": 90_000,
    "attemptP50Ms": 71.5,
    "attemptP95Ms": None,
    "commitP50Ms": 0.4,
    "commitP95Ms": 2.75,
}
NEW_LINK = {
    "id": "plk_1",
    "teamId": "t",
    "url": "https://hooks.example.com/console/portal#kwp_shown-once",
    "expiresAt": "2026-01-01T01:00:00.000Z",
}
ADDED_TYPE = {
    "name": "a.b",
    "description": "It happened",
    "category": "custom",
    "source": "api",
    "version": 2,
    "validate": True,
    "deprecatedAt": "2025-01-01T00:00:00.000Z",
    "archivedAt": None,
    "createdAt": "2025-01-01T00:00:00.000Z",
    "updatedAt": "2025-01-01T00:00:00.000Z",
    "example": {"x": 1},
    "schema": {"required": ["x"]},
}
ADDRESS = {"email": "new@b.c", "confirmed": True, "askedAt": None, "expiresAt": None}
LINK = {
    "id": "plk_1",
    "readOnly": True,
    "once": True,
    "createdAt": "2026-01-01T00:00:00.000Z",
    "expiresAt": "2026-01-01T01:00:00.000Z",
    "usedAt": None,
    "revokedAt": None,
}
DRAINING = {**NODE, "state": "draining"}


def _list(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "nextCursor": None}


# The command, the request that it makes (method, target, JSON body), the answer, and what a person must then see.
CASES = [
    (
        "teams create --name n --id t --email a@b.c",
        ("POST", "/v1/teams", {"id": "t", "name": "n", "notificationEmails": ["a@b.c"]}),
        TEAM,
        "a@b.c",
    ),
    ("teams create --name n", ("POST", "/v1/teams", {"name": "n"}), TEAM, "n"),
    ("teams list --limit 5", ("GET", "/v1/teams?limit=5", None), _list(TEAM), "a@b.c"),
    ("teams update t --no-emails", ("PATCH", "/v1/teams/t", {"notificationEmails": []}), TEAM, "n"),
    (
        "teams portal-link t --read-only --minutes 5 --once --return-url https://a.example/",
        (
            "POST",
            "/v1/teams/t/portal-links",
            {"expiresInMinutes": 5, "readOnly": True, "once": True, "returnUrl": "https://a.example/"},
        ),
        NEW_LINK,
        "#kwp_shown-once",
    ),
    ("teams portal-link t", ("POST", "/v1/teams/t/portal-links", {}), NEW_LINK, "2026-01-01T01:00:00.000Z"),
    (
        "teams update t --time-zone Europe/Berlin",
        ("PATCH", "/v1/teams/t", {"timeZone": "Europe/Berlin"}),
        TEAM,
        "a@b.c",
    ),
    ("teams emails t", ("GET", "/v1/teams/t/notification-emails", None), _list(ADDRESS), "confirmed"),
    (
        "teams add-email t new@b.c",
        ("POST", "/v1/teams/t/notification-emails", {"email": "new@b.c"}),
        {**ADDRESS, "confirmed": False, "expiresAt": "2026-01-04T00:00:00.000Z"},
        "2026-01-04T00:00:00.000Z",
    ),
    (
        "teams remove-email t a+b@b.c",
        ("DELETE", "/v1/teams/t/notification-emails?email=a%2Bb%40b.c", None),
        None,
        "Removed a+b@b.c.",
    ),
    ("teams portal-links t --limit 5", ("GET", "/v1/teams/t/portal-links?limit=5", None), _list(LINK), "look, once"),
    ("teams revoke-portal-link plk_1", ("DELETE", "/v1/portal-links/plk_1", None), None, "Revoked plk_1."),
    ("keys create --team t --name n", ("POST", "/v1/teams/t/keys", {"name": "n"}), NEW_KEY, "shown-once"),
    ("keys list --team t", ("GET", "/v1/teams/t/keys", None), _list(NEW_KEY), "key_1"),
    ("keys revoke key_1", ("DELETE", "/v1/keys/key_1", None), None, "Revoked key_1."),
    (
        "webhooks create --team t --name n --url https://x --event a.b --event c.d --generate-secret",
        (
            "POST",
            "/v1/webhooks",
            {"teamId": "t", "name": "n", "url": "https://x", "events": ["a.b", "c.d"], "secret": "generate"},
        ),
        {**WEBHOOK, "secret": "whsec_x"},
        "whsec_x",
    ),
    ("webhooks list --team t", ("GET", "/v1/webhooks?teamId=t", None), _list(WEBHOOK), "https://x"),
    ("webhooks show wh_1", ("GET", "/v1/webhooks/wh_1", None), WEBHOOK, "active"),
    ("webhooks show ../teams", ("GET", "/v1/webhooks/..%2Fteams", None), WEBHOOK, "active"),
    (
        "webhooks update wh_1 --name m --no-secret",
        ("PATCH", "/v1/webhooks/wh_1", {"name": "m", "secret": None}),
        WEBHOOK,
        "active",
    ),
    (
        "webhooks update wh_1 --timeout 2.5",
        ("PATCH", "/v1/webhooks/wh_1", {"timeoutS": 2.5}),
        {**WEBHOOK, "timeoutS": 2.5},
        "timeout in seconds",
    ),
    (
        "webhooks update wh_1 --retries 5,60.5 --retry-jitter full --retry-after --no-disable-on-gone",
        (
            "PATCH",
            "/v1/webhooks/wh_1",
            {"retrySchedule": [5, 60.5], "retryJitter": "full", "retryAfter": True, "disableOnGone": False},
        ),
        {**WEBHOOK, "retrySchedule": [5, 60.5], "retryJitter": "full", "retryAfter": True, "disableOnGone": True},
        "5, 60.5",
    ),
    (
        "webhooks update wh_1 --retries standard --max-per-second 0.2",
        ("PATCH", "/v1/webhooks/wh_1", {"retrySchedule": "standard", "maxPerSecond": 0.2}),
        {**WEBHOOK, "retrySchedule": "standard", "disableOnGone": True, "maxPerSecond": 0.2},
        "standard",
    ),
    (
        "webhooks update wh_1 --filter data.amount",
        ("PATCH", "/v1/webhooks/wh_1", {"filter": "data.amount"}),
        {**WEBHOOK, "filter": "data.amount", "filterFailures": {"count": 3, "lastAt": "x", "lastError": "why"}},
        "3 times: why",
    ),
    (
        "webhooks filter-test data.amount --type a.b",
        ("POST", "/v1/webhooks/filter/test", {"filter": "data.amount", "eventType": "a.b"}),
        {"matched": False, "error": None, "steps": 3},
        "matched",
    ),
    (
        "webhooks filter-test data.amount --event-id evt_1",
        ("POST", "/v1/webhooks/filter/test", {"filter": "data.amount", "eventId": "evt_1"}),
        {"matched": False, "error": "too much", "steps": 3},
        "too much",
    ),
    (
        "webhooks update wh_1 --while-retrying step_aside",
        ("PATCH", "/v1/webhooks/wh_1", {"whileRetrying": "step_aside"}),
        {**WEBHOOK, "whileRetrying": "step_aside"},
        "step_aside",
    ),
    (
        "webhooks update wh_1 --concurrency 8",
        ("PATCH", "/v1/webhooks/wh_1", {"concurrency": 8}),
        {**WEBHOOK, "concurrency": 8},
        "deliveries at once",
    ),
    (
        "webhooks update wh_1 --ip-version 6 --proxy socks5://u@proxy.example.com:1080",
        ("PATCH", "/v1/webhooks/wh_1", {"ipVersion": "6", "proxy": {"url": "socks5://u@proxy.example.com:1080"}}),
        {**WEBHOOK, "ipVersion": "6", "proxy": {"url": "socks5://u@proxy.example.com:1080", "hasPassword": True}},
        "socks5://u@proxy.example.com:1080 (with a password)",
    ),
    (
        "webhooks update wh_1 --reset clientCertificate",
        ("PATCH", "/v1/webhooks/wh_1", {"clientCertificate": None}),
        {**WEBHOOK, "caCertificates": [{"subject": "CN=Ours", "notAfter": "2030-01-01", "fingerprint": "00ff"}]},
        "CN=Ours, until 2030-01-01, SHA-256 00ff",
    ),
    (
        "webhooks update wh_1 --reset proxy",
        ("PATCH", "/v1/webhooks/wh_1", {"proxy": None}),
        {**WEBHOOK, "ipVersion": "6"},
        "IPv6 only",
    ),
    (
        "webhooks update wh_1 --reset timeoutS",
        ("PATCH", "/v1/webhooks/wh_1", {"timeoutS": None}),
        WEBHOOK,
        "active",
    ),
    (
        "webhooks update wh_1 --signature-scheme both",
        ("PATCH", "/v1/webhooks/wh_1", {"signatureScheme": "both"}),
        {**WEBHOOK, "signatureScheme": "both", "publicKey": "whpk_x"},
        "whpk_x",
    ),
    (
        "webhooks update wh_1 --header X-Tenant=a=b --header X-More=1 --secret-header Authorization",
        (
            "PATCH",
            "/v1/webhooks/wh_1",
            {
                "headers": [
                    {"name": "X-Tenant", "value": "a=b"},
                    {"name": "X-More", "value": "1"},
                    {"name": "Authorization", "secret": True},
                ]
            },
        ),
        {**WEBHOOK, "headers": [{"name": "Authorization", "value": None, "secret": True}]},
        "Authorization: •••",
    ),
    (
        "webhooks update wh_1 --reset headers",
        ("PATCH", "/v1/webhooks/wh_1", {"headers": None}),
        {**WEBHOOK, "headers": []},
        "wh_1",
    ),
    (
        "webhooks rotate-secret wh_1 --signature-scheme ed25519",
        ("POST", "/v1/webhooks/wh_1/rotate-secret", {"signatureScheme": "ed25519"}),
        {**WEBHOOK, "publicKey": "whpk_x", "previousPublicKeyExpiresAt": "2026-01-03T00:00:00.000Z"},
        "2026-01-03T00:00:00.000Z",
    ),
    ("webhooks public-key wh_1", ("GET", "/v1/webhooks/wh_1/public-key", None), PUBLIC_KEY, "whpk_before"),
    ("webhooks public-key wh_1 --pem", ("GET", "/v1/webhooks/wh_1/public-key", None), PUBLIC_KEY, "-----END"),
    (
        "webhooks rotate-secret wh_1 --overlap-hours 2",
        ("POST", "/v1/webhooks/wh_1/rotate-secret", {"overlapHours": 2}),
        {**WEBHOOK, "secret": "whsec_x", "previousSecretExpiresAt": "2026-01-01T00:00:00.000Z"},
        "2026-01-01T00:00:00.000Z",
    ),
    (
        "webhooks rotate-secret wh_1 --switch-now",
        ("POST", "/v1/webhooks/wh_1/rotate-secret", {"switchNow": True}),
        {**WEBHOOK, "previousSecretExpiresAt": "2026-01-02T00:00:00.000Z", "signatureSwitchesAt": "2026-01-01T12:00"},
        "2026-01-01T12:00",
    ),
    ("webhooks rotate-secret wh_1", ("POST", "/v1/webhooks/wh_1/rotate-secret", {}), WEBHOOK, "active"),
    ("webhooks enable wh_1", ("PATCH", "/v1/webhooks/wh_1", {"active": True}), WEBHOOK, "active"),
    (
        "webhooks pause wh_1 --for 2h",
        ("PATCH", "/v1/webhooks/wh_1", {"paused": True, "resumesAt": "2h"}),
        {**WEBHOOK, "pausedAt": "2026-01-01T00:00:00.000Z", "resumesAt": "2026-01-01T02:00:00.000Z"},
        "2026-01-01T02:00:00.000Z",
    ),
    (
        "webhooks pause wh_1 --until 2026-01-01T02:00:00Z",
        ("PATCH", "/v1/webhooks/wh_1", {"paused": True, "resumesAt": "2026-01-01T02:00:00.000Z"}),
        {**WEBHOOK, "pausedAt": "2026-01-01T00:00:00.000Z"},
        "paused",
    ),
    ("webhooks resume wh_1", ("PATCH", "/v1/webhooks/wh_1", {"paused": False}), WEBHOOK, "active"),
    (
        "webhooks disable wh_1",
        ("PATCH", "/v1/webhooks/wh_1", {"active": False}),
        {**WEBHOOK, "active": False},
        "disabled",
    ),
    ("webhooks delete wh_1", ("DELETE", "/v1/webhooks/wh_1", None), None, "Deleted wh_1."),
    (
        "webhooks test --team t --type a.b",
        ("POST", "/v1/webhooks/test", {"teamId": "t", "event": "a.b"}),
        {"event": "a.b", "deliveries": [{"id": "dlv_1", "webhookId": "wh_1"}]},
        "dlv_1",
    ),
    (
        "webhooks test --type a.b",
        ("POST", "/v1/webhooks/test", {"event": "a.b"}),
        {"event": "a.b", "deliveries": []},
        "No active webhook",
    ),
    (
        "webhooks recover wh_1 --since 2025-07-15T12:30:00+02:00",
        ("POST", "/v1/webhooks/wh_1/recover", {"since": "2025-07-15T10:30:00.000Z"}),
        {"deliveries": 7},
        "7",
    ),
    (
        'events send --type a.b --data {"x":1} --deliver-at 2027-01-15T10:30:00Z --expires-at 2027-01-16T10:30:00Z'
        " --priority low",
        (
            "POST",
            "/v1/events",
            {
                "event": "a.b",
                "deliverAt": "2027-01-15T10:30:00.000Z",
                "expiresAt": "2027-01-16T10:30:00.000Z",
                "priority": "low",
                "data": {"x": 1},
            },
        ),
        RECEIPT,
        "evt_1",
    ),
    (
        'events send --team t --type a.b --data {"x":1} --timestamp 2025-07-15T10:30:00Z',
        (
            "POST",
            "/v1/events",
            {"event": "a.b", "teamId": "t", "timestamp": "2025-07-15T10:30:00.000Z", "data": {"x": 1}},
        ),
        RECEIPT,
        "evt_1",
    ),
    ("events show evt_1", ("GET", "/v1/events/evt_1", None), EVENT, "é"),
    (
        "events show evt_1",
        ("GET", "/v1/events/evt_1", None),
        {**EVENT, "body": None, "erasedAt": "z"},
        "erased z",
    ),
    (
        "events erase evt_1 --yes",
        ("DELETE", "/v1/events/evt_1", None),
        {"id": "evt_1", "erasedAt": "z", "erasing": True},
        "what its receivers answered follows",
    ),
    ("events show evt_1", ("GET", "/v1/events/evt_1", None), EVENT, "order-17"),
    (
        "events list --team t --type a.b --idempotency-key order-17 --since 2025-07-15T10:30:00Z --limit 5",
        (
            "GET",
            "/v1/events?teamId=t&type=a.b&idempotencyKey=order-17&since=2025-07-15T10%3A30%3A00.000Z&limit=5",
            None,
        ),
        _list(EVENT),
        "CRM",
    ),
    (
        "find Zoë --team t --since 2025-07-15T10:30:00Z",
        ("GET", "/v1/search?q=Zo%C3%AB&teamId=t&since=2025-07-15T10%3A30%3A00.000Z", None),
        {"items": [FOUND], "nextCursor": None, "lookedAt": 5000, "backTo": "2025-07-15T10:31:00.000Z"},
        "its payload",
    ),
    (
        "find nobody --cursor c",
        ("GET", "/v1/search?q=nobody&cursor=c", None),
        {"items": [], "nextCursor": "d", "lookedAt": 5000, "backTo": "2025-07-15T10:31:00.000Z"},
        "5,000 events",
    ),
    (
        "webhooks create --name n --url https://a.example --event * --about operations --body-format slack",
        (
            "POST",
            "/v1/webhooks",
            {"name": "n", "url": "https://a.example", "events": ["*"], "about": "operations", "bodyFormat": "slack"},
        ),
        {**WEBHOOK, "about": "operations", "bodyFormat": "slack"},
        "slack",
    ),
    (
        "events types --about operations",
        ("GET", "/v1/webhooks/test/events?about=operations", None),
        _list(EVENT_TYPE),
        "It happened",
    ),
    ("event-types list --limit 5", ("GET", "/v1/event-types?limit=5", None), _list(ADDED_TYPE), "deprecated"),
    ("event-types show a.b", ("GET", "/v1/event-types/a.b", None), ADDED_TYPE, '"required"'),
    (
        """event-types create a.b --description It --schema {"required":["x"]} --example {"x":1} --validate""",
        (
            "POST",
            "/v1/event-types",
            {
                "name": "a.b",
                "description": "It",
                "validate": True,
                "example": {"x": 1},
                "schema": {"required": ["x"]},
            },
        ),
        ADDED_TYPE,
        "a.b",
    ),
    (
        "event-types update a.b --deprecated --no-archived --no-validate",
        ("PATCH", "/v1/event-types/a.b", {"validate": False, "deprecated": True, "archived": False}),
        ADDED_TYPE,
        "deprecated",
    ),
    (
        "event-types add-version a.b --schema true",
        ("POST", "/v1/event-types/a.b/versions", {"schema": True}),
        ADDED_TYPE,
        "version",
    ),
    (
        "event-types versions a.b",
        ("GET", "/v1/event-types/a.b/versions", None),
        _list({"version": 2, "createdAt": "2025-01-01T00:00:00.000Z"}),
        "since",
    ),
    (
        "event-types version a.b 2",
        ("GET", "/v1/event-types/a.b/versions/2", None),
        {"version": 2, "createdAt": "2025-01-01T00:00:00.000Z", "schema": {"required": ["x"]}},
        '"required"',
    ),
    ("event-types delete a.b", ("DELETE", "/v1/event-types/a.b", None), None, "Removed a.b."),
    ("events types", ("GET", "/v1/webhooks/test/events", None), _list(EVENT_TYPE), "It happened"),
    ("events example a.b", ("GET", "/v1/webhooks/test/example/a.b", None), {"event": "a.b"}, "a.b"),
    (
        "deliveries list --team t --webhook wh_1 --status failed --type a.b --since 2025-07-15T10:30:00Z --cursor c",
        (
            "GET",
            "/v1/deliveries?teamId=t&webhookId=wh_1&status=failed&event=a.b&since=2025-07-15T10%3A30%3A00.000Z&cursor=c",
            None,
        ),
        _list(DELIVERY),
        "timed out · 10 s",
    ),
    (
        "deliveries list --event-id evt_1 --status failed --status cancelled --outcome http_error --http-status 5xx",
        (
            "GET",
            "/v1/deliveries?eventId=evt_1&status=failed&status=cancelled&outcome=http_error&httpStatus=5xx",
            None,
        ),
        _list({**DELIVERY, "cancelReason": "webhook_disabled"}),
        "cancelled: webhook disabled",
    ),
    (
        "deliveries show dlv_1",
        ("GET", "/v1/deliveries/dlv_1", None),
        {**DELIVERY, "attempts": [ATTEMPT], "queuedAgainAs": []},
        "The receiver answered 500",
    ),
    (
        "deliveries show dlv_1",
        ("GET", "/v1/deliveries/dlv_1", None),
        {**DELIVERY, "attempts": [], "queuedAgainAs": [{"kind": "recover", "deliveryId": "dlv_2"}]},
        "recovered as       dlv_2",
    ),
    ("deliveries resend dlv_1", ("POST", "/v1/deliveries/dlv_1/resend", {}), DELIVERY, "dlv_1"),
    ("credits show --team t", ("GET", "/v1/credits?teamId=t", None), CREDIT, "-4"),
    (
        "credits grant --team t --amount 5 --note hi",
        ("POST", "/v1/credits/grants", {"teamId": "t", "amount": 5, "note": "hi"}),
        ENTRY,
        "+5",
    ),
    ("webhooks statistics wh_1", ("GET", "/v1/webhooks/wh_1/statistics", None), STATISTICS, "1.31 s"),
    (
        "webhooks statistics wh_1 --range 7d",
        ("GET", "/v1/webhooks/wh_1/statistics?range=7d", None),
        STATISTICS,
        "503 Service Unavailable (1,204 attempts of the newest hours)",
    ),
    ("system", ("GET", "/v1/system", None), {"node": "n", "minutes": [MINUTE]}, "2.75 ms"),
    ("system", ("GET", "/v1/system", None), {"node": "n", "minutes": [MINUTE]}, "100,000+"),
    ("system", ("GET", "/v1/system", None), {"node": "hooks-1", "minutes": []}, "hooks-1 started less than a minute"),
    ("nodes", ("GET", "/v1/nodes", None), _list(NODE), "210 ms"),
    ("nodes", ("GET", "/v1/nodes", None), _list({**NODE, "differences": ["a is 1 on b"]}), "same: a is 1 on b.\n"),
    ("nodes --limit 5", ("GET", "/v1/nodes?limit=5", None), _list({**NODE, "endedBecause": "stopped"}), "stopped"),
    ("nodes drain hooks-1", ("POST", "/v1/nodes/hooks-1/drain", {}), {"items": [DRAINING]}, "draining"),
    ("credits entries", ("GET", "/v1/credits/entries", None), _list(ENTRY), "hi"),
]


@pytest.mark.parametrize(("command", "request_", "answer", "shown"), CASES, ids=[case[0][:40] for case in CASES])
def test_a_command_makes_the_request_of_the_contract_and_shows_the_answer(
    run: Any, api: Any, command: str, request_: tuple[str, str, Any], answer: Any, shown: str
) -> None:
    api.answers = [(204, "") if answer is None else (200, json.dumps(answer, ensure_ascii=False))]
    ended = run(*command.split(" "))
    assert (ended.code, ended.err) == (0, "")
    method, target, body = request_
    assert (api.last.method, api.last.target) == (method, target)
    assert (json.loads(api.last.body) if api.last.body else None) == body
    assert shown in ended.out


WITH_JSON = [case for case in CASES if case[2] is not None and not case[0].startswith("events example")]


@pytest.mark.parametrize(
    ("command", "request_", "answer", "shown"), WITH_JSON, ids=[case[0][:40] for case in WITH_JSON]
)
def test_with_json_the_answer_is_printed_exactly_as_it_came(
    run: Any, api: Any, command: str, request_: Any, answer: Any, shown: str
) -> None:
    odd = json.dumps(answer, ensure_ascii=False, indent=1).replace('": ', '" :   ')
    api.answers = [(200, odd)]
    ended = run(*command.split(" "), "--json")
    assert (ended.code, ended.out, ended.err) == (0, odd + "\n", "")


def test_draining_waits_until_the_node_has_no_shards_or_has_ended(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.cli.nodes.time.sleep", lambda _: None)
    for last in ({**DRAINING, "shards": 0}, {**DRAINING, "state": "ended"}):
        other = {**NODE, "name": "hooks-2"}
        answers = [{"items": [DRAINING]}, _list(other, {**DRAINING, "shards": 12}), _list(other, last)]
        api.answers, api.asked = [(200, json.dumps(answer)) for answer in answers], []
        assert run("nodes", "drain", "hooks-1", "--wait").code == 0
        assert [asked.method for asked in api.asked] == ["POST", "GET", "GET"]


def test_the_key_goes_out_as_a_bearer_token(run: Any, api: Any) -> None:
    api.answers = [(200, json.dumps(CREDIT))]
    run("credits", "show")
    assert api.last.headers["authorization"] == "Bearer a-key-of-the-test"


def test_all_pages_are_followed_and_printed_as_one(run: Any, api: Any) -> None:
    first = json.dumps({"items": [TEAM], "nextCursor": "c+1"})
    api.answers = [(200, first), (200, json.dumps(_list({**TEAM, "id": "u"})))]
    ended = run("teams", "list", "--all", "--json")
    assert [item["id"] for item in json.loads(ended.out)["items"]] == ["t", "u"]
    assert json.loads(ended.out)["nextCursor"] is None
    assert [asked.target for asked in api.asked] == ["/v1/teams", "/v1/teams?cursor=c%2B1"]


def test_one_page_says_how_to_go_on(run: Any, api: Any) -> None:
    api.answers = [(200, json.dumps({"items": [TEAM], "nextCursor": "c1"}))]
    ended = run("teams", "list")
    assert "--cursor c1" in ended.out
    assert len(api.asked) == 1


def test_an_idempotency_key_goes_out_as_its_header(run: Any, api: Any) -> None:
    api.answers = [(202, json.dumps(RECEIPT))]
    run("events", "send", "--type", "a.b", "--data", "{}", "--idempotency-key", "once")
    assert api.last.headers["idempotency-key"] == "once"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b'{"event":1}\n{"event":2}\n', "application/x-ndjson"), (b' [{"event":1}]', "application/json")],
)
def test_a_batch_is_sent_byte_for_byte(run: Any, api: Any, tmp_path: Path, content: bytes, media_type: str) -> None:
    api.answers = [(202, json.dumps({"receipts": [RECEIPT]}))] * 2
    (tmp_path / "events").write_bytes(content)
    assert "evt_1" in run("events", "batch", str(tmp_path / "events")).out
    assert run("events", "batch", "-", stdin=content).code == 0
    assert [(asked.target, asked.body) for asked in api.asked] == [("/v1/events/batch", content)] * 2
    assert api.last.headers["content-type"] == media_type


def test_data_comes_from_a_file_or_from_standard_input(run: Any, api: Any, tmp_path: Path) -> None:
    api.answers = [(202, json.dumps(RECEIPT))] * 2
    (tmp_path / "data.json").write_text('{"from": "file"}')
    run("events", "send", "--type", "a.b", "--data", f"@{tmp_path / 'data.json'}")
    run("events", "send", "--type", "a.b", "--data", "-", stdin=b'{"from": "stdin"}')
    assert [json.loads(asked.body)["data"]["from"] for asked in api.asked] == ["file", "stdin"]


def test_a_secret_comes_from_a_file_without_its_line_break(run: Any, api: Any, tmp_path: Path) -> None:
    api.answers = [(201, json.dumps(WEBHOOK))]
    (tmp_path / "secret").write_text("s3cret\n")
    run("webhooks", "update", "wh_1", "--secret-file", str(tmp_path / "secret"))
    assert json.loads(api.last.body) == {"secret": "s3cret"}


def test_secret_headers_come_from_files_and_from_standard_input(run: Any, api: Any, tmp_path: Path) -> None:
    api.answers = [(201, json.dumps(WEBHOOK))]
    (tmp_path / "token").write_text("Bearer s3cret\n")
    named = ("--secret-header", f"Authorization={tmp_path / 'token'}", "--secret-header", "X-Api-Key=-")
    run("webhooks", "update", "wh_1", *named, stdin=b"k3y\n")
    assert json.loads(api.last.body)["headers"] == [
        {"name": "Authorization", "secret": True, "value": "Bearer s3cret"},
        {"name": "X-Api-Key", "secret": True, "value": "k3y"},
    ]
    ended = run("webhooks", "update", "wh_1", "--header", "X-Tenant")
    assert (ended.code, "--header takes NAME=VALUE" in ended.err) == (2, True)


def test_secret_options_that_exclude_each_other_send_nothing(run: Any, api: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    ended = run("webhooks", "update", "wh_1", "--secret-file", str(tmp_path / "secret"), "--generate-secret")
    assert ended.code == 2
    assert run("webhooks", "update", "wh_1", "--no-secret", "--generate-secret").code == 2
    assert api.asked == []


def test_the_request_of_the_last_attempt_is_shown_as_it_was_sent(run: Any, api: Any) -> None:
    request = {"line": "POST /in HTTP/1.1", "headers": [["Authorization", "•••"]], "isCertain": False}
    shown = {**DELIVERY, "attempts": [{**ATTEMPT, "request": request}], "queuedAgainAs": []}
    api.answers = [(200, json.dumps(shown))]
    out = run("deliveries", "show", "dlv_1").out
    assert "request of the last attempt, as it would be now" in out
    assert "Authorization: •••" in out


def test_a_receivers_answer_cannot_steer_the_terminal(run: Any, api: Any) -> None:
    api.answers = [(200, json.dumps({**DELIVERY, "attempts": [ATTEMPT], "queuedAgainAs": []}))]
    ended = run("deliveries", "show", "dlv_1")
    assert "\x1b" not in ended.out
    assert "oh \\x1b[2Jno [red]" in ended.out


def test_a_delivery_that_waits_for_credits_says_so(run: Any, api: Any) -> None:
    api.answers = [(200, json.dumps(_list({**DELIVERY, "status": "pending", "waitingForCredits": True})))]
    assert "pending, waits for credits" in run("deliveries", "list").out


def test_an_age_is_a_time_before_now() -> None:
    now = datetime(2025, 7, 15, 10, 30, tzinfo=UTC)
    assert to_rfc3339(parse_time("90m", now)) == "2025-07-15T09:00:00.000Z"
    assert to_rfc3339(parse_time("7d", now)) == "2025-07-08T10:30:00.000Z"


def test_a_time_without_an_offset_is_utc() -> None:
    assert parse_time("2025-07-15T10:30:00") == datetime(2025, 7, 15, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "5", "1w", "", "-3h", "9999999d"])
def test_what_is_no_time_is_wrong_usage(run: Any, api: Any, text: str) -> None:
    ended = run("deliveries", "list", f"--since={text}")
    assert ended.code == 2
    assert api.asked == []


@pytest.mark.parametrize(
    "command",
    [
        ("teams", "create", "--name", "Acme"),
        ("keys", "create", "--team", "t", "--name", "CI"),
        ("credits", "grant", "--team", "t", "--amount", "-5", "--note", "twice"),
        ("webhooks", "create", "--name", "n", "--url", "https://example.com", "--event", "*"),
        ("webhooks", "rotate-secret", "wh_1"),
        ("webhooks", "test", "--type", "a.b"),
        ("webhooks", "recover", "wh_1", "--since", "1h"),
        ("deliveries", "resend", "dlv_1"),
    ],
    ids=" ".join,
)
def test_what_makes_something_takes_an_idempotency_key(run: Any, api: Any, command: tuple[str, ...]) -> None:
    api.answers = [(201, "{}")]
    run(*command, "--idempotency-key", "once", "--json")
    assert api.last.headers["idempotency-key"] == "once"
