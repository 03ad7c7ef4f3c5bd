"""What a past attempt sent, for display: `delivery_request.build_post` signs the same bytes in the same way."""

from dataclasses import dataclass

from daemon.crypto.signing import Secrets
from daemon.crypto.vault import Vault, VaultError
from daemon.delivery.delivery_request import build_post
from daemon.delivery.own_headers import shown_headers
from daemon.domain.model import Attempt, Delivery, Event, Webhook, Work
from daemon.egress.post import parsed_fields, request_start


@dataclass(frozen=True, slots=True)
class SentRequest:
    """The request line and the header fields of an attempt, in their order.

    Unless `is_certain`, the webhook has changed since: URL and secret may differ from those used at the time.
    """

    line: str
    headers: tuple[tuple[str, str], ...]
    is_certain: bool


def sent_request(webhook: Webhook, delivery: Delivery, event: Event, attempt: Attempt, vault: Vault) -> SentRequest:
    """Return what this attempt of a delivery of `event` sent (contract "Payload and headers of a delivery").

    What is secret in the webhook's own headers is hidden.
    """
    work = Work(
        seq=delivery.seq,
        delivery_id=delivery.id,
        event_id=event.id,
        event_type=event.type,
        body=event.body,
        created_at=delivery.created_at,
        test=delivery.test,
        traceparent=event.traceparent,
    )
    secrets = _secrets_at(webhook, attempt.started_at, vault)
    post = build_post(
        webhook,
        work,
        number=attempt.number,
        timestamp_s=attempt.started_at // 1000,
        secrets=secrets or Secrets(),
    )
    line, _, host = request_start(post.url).partition(b"\r\n")
    headers = parsed_fields(host + post.fields) + shown_headers(webhook)
    return SentRequest(
        line.decode("latin-1"), headers, secrets is not None and webhook.updated_at <= attempt.started_at
    )


def _secrets_at(webhook: Webhook, time_ms: int, vault: Vault) -> Secrets | None:
    try:
        return vault.secrets_of(webhook, time_ms)
    except VaultError:
        return None
