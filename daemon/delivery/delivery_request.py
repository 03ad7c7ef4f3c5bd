"""The signed POST of an attempt: which headers a delivery has (contract "Payload and headers of a delivery")."""

from daemon import __version__
from daemon.crypto.signing import Secrets, signature_headers
from daemon.delivery.own_headers import Headers
from daemon.delivery.slack import slack_body
from daemon.domain.model import Webhook, Work
from daemon.domain.operations import BodyFormat
from daemon.egress.post import Post, header_fields, make_post

USER_AGENT = f"kakiyo-webhooks/{__version__}"
UNSIGNED = Secrets()
_ALWAYS = header_fields(
    (
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),  # the part of the response that is kept is for people to read
    )
)


def build_post(
    webhook: Webhook, work: Work, number: int, *, timestamp_s: int, secrets: Secrets, own_headers: Headers = ()
) -> Post:
    """Return the signed POST of an attempt, with its headers (contract "Payload and headers of a delivery").

    `own_headers` are the webhook's own, behind those of the daemon. Raises httpx.LocalProtocolError. The work's body
    must have been read.
    """
    body = work.body
    assert body is not None, "the body is read before the attempt"
    if webhook.body_format is BodyFormat.SLACK:
        body = slack_body(body)
    headers = [
        ("webhook-id", work.delivery_id),
        ("webhook-timestamp", str(timestamp_s)),
        ("X-Kakiyo-Event", work.event_type),
        ("X-Kakiyo-Delivery", work.delivery_id),
        ("X-Kakiyo-Attempt", str(number)),
        *signature_headers(secrets, work.delivery_id, timestamp_s=timestamp_s, body=body),
    ]
    if work.test:
        headers.append(("X-Kakiyo-Test", "true"))
    if work.traceparent is not None:
        headers.append(("traceparent", work.traceparent))
    headers.extend(own_headers)
    return make_post(webhook.url, headers, body=body, always=_ALWAYS)
