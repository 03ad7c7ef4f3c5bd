"""What is shown of a request is what was sent, to the byte."""

from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest

from daemon.crypto.vault import Vault
from daemon.delivery.attempt import make_attempt
from daemon.delivery.own_headers import opened_headers
from daemon.delivery.sent_request import sent_request
from daemon.domain.custom_headers import CustomHeader
from daemon.domain.model import Attempt, Delivery, DeliveryStatus, Event, Webhook, Work
from daemon.domain.sealed import Sealed
from daemon.domain.webhook_options import WebhookOptions
from tests.support.mock_transport import MockTransport

AT, BODY = 1_800_000_000_123, b'{"event":"a.b"}'
VAULT = Vault([bytes(32)])
SECRETS = (None, "a secret of its own", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
WEBHOOK = Webhook(
    id="wh_1",
    team_id="team_1",
    name="CRM",
    url="https://crm.example.com/hooks?x=1",
    secret=None,
    events=("*",),
    created_at=AT - 9,
    updated_at=AT - 9,
)
DELIVERY = Delivery(1, "dlv_1", "evt_1", "a.b", "wh_1", "team_1", DeliveryStatus.PENDING, 0, None, AT, None, None, True)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENT = Event("evt_1", "team_1", "a.b", AT, BODY, AT, test=True, traceparent=TRACE)


async def sent(webhook: Webhook, number: int) -> tuple[str, Sequence[tuple[str, str]], Attempt]:
    """Make an attempt; return the path and headers that arrived."""
    requests: list[httpx.Request] = []

    async def receive(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    work = Work(
        1,
        DELIVERY.id,
        DELIVERY.event_id,
        DELIVERY.event_type,
        BODY,
        created_at=0,
        test=DELIVERY.test,
        traceparent=TRACE,
    )
    outcome = await make_attempt(
        MockTransport(receive),
        webhook,
        work,
        number,
        timeout_s=10,
        timestamp_s=AT // 1000,
        secrets=VAULT.secrets_of(webhook, AT),
        own_headers=opened_headers(webhook, VAULT),
    )
    [request] = requests
    headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
    return request.url.raw_path.decode(), headers, Attempt(number, AT, outcome)


def sealed(secret: str | None) -> str | None:
    return None if secret is None else VAULT.seal(secret, "wh_1")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", SECRETS)
@pytest.mark.parametrize("number", [1, 3])
async def test_the_request_is_shown_as_it_arrived(secret: str | None, before: str | None, number: int) -> None:
    webhook = replace(
        WEBHOOK,
        secret=sealed(secret),
        previous_secret=sealed(before),
        previous_secret_expires_at=None if before is None else AT + 1,
    )
    path, headers, attempt = await sent(webhook, number)
    shown = sent_request(webhook, DELIVERY, EVENT, attempt, VAULT)
    assert shown.line == f"POST {path} HTTP/1.1"
    assert list(shown.headers) == headers
    assert shown.is_certain


async def test_a_secret_header_of_its_own_is_sent_and_hidden() -> None:
    headers = (
        CustomHeader("Authorization", Sealed(VAULT.seal("s3cret", "wh_1")), secret=True),
        CustomHeader("X-A", "1"),
    )
    webhook = replace(WEBHOOK, options=WebhookOptions(headers=headers))
    _, arrived, attempt = await sent(webhook, 1)
    shown = sent_request(webhook, DELIVERY, EVENT, attempt, VAULT).headers
    assert arrived[-2:] == [("Authorization", "s3cret"), ("X-A", "1")]
    assert list(shown) == [*arrived[:-2], ("Authorization", "•••"), ("X-A", "1")]


async def test_after_the_webhook_was_changed_it_is_not_called_certain() -> None:
    _, _, attempt = await sent(WEBHOOK, 1)
    changed = replace(WEBHOOK, url="https://new.example.com/", updated_at=AT + 1)
    assert not sent_request(changed, DELIVERY, EVENT, attempt, VAULT).is_certain


async def test_a_secret_that_cannot_be_opened_leaves_the_rest_to_be_shown() -> None:
    _, _, attempt = await sent(WEBHOOK, 1)
    shown = sent_request(replace(WEBHOOK, secret=VAULT.seal("s" * 20, "wh_2")), DELIVERY, EVENT, attempt, VAULT)
    assert not shown.is_certain
    assert dict(shown.headers)["webhook-id"] == "dlv_1"
