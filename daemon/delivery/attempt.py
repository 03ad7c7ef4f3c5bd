"""One attempt: add headers, sign, send, return the outcome (contract "An attempt"). No SQL, no retry decision."""

from collections.abc import Sequence
from dataclasses import replace

import httpx
import trio

from daemon import __version__
from daemon.crypto.signing import Secrets, signature_headers
from daemon.domain.model import Outcome, OutcomeKind, Webhook, Work
from daemon.egress.errors import (
    BlockedAddress,
    ConnectionBroken,
    DnsError,
    EgressError,
    NoLookupPlace,
    OutOfDescriptors,
    TlsError,
)
from daemon.egress.post import Post, header_fields, make_post
from daemon.egress.response import Response
from daemon.egress.transport import Transport

KEPT_BODY = 4 * 1024
_KEPT_HEADERS = 50
_KEPT_HEADER_BYTES = 8 * 1024
USER_AGENT = f"kakiyo-webhooks/{__version__}"
_ALWAYS = header_fields(
    (
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),  # the part of the response that is kept is for people to read
    )
)
UNSIGNED = Secrets()
_REDIRECTS = (301, 302, 303, 307, 308)

_Failure = tuple[OutcomeKind, str]


async def make_attempt(
    transport: Transport,
    webhook: Webhook,
    work: Work,
    number: int,
    *,
    timeout_s: float,
    timestamp_s: int,
    secrets: Secrets = UNSIGNED,
) -> Outcome:
    """Make attempt `number` (from 1) of a delivery and return its outcome; raises nothing but Cancelled.

    `secrets` are the webhook's, decrypted: they sign this attempt. `timestamp_s` is when it began (Unix seconds).

    One deadline of `timeout_s` seconds covers everything: DNS, connect, TLS, sending, the response's head and the
    first 4 KiB of its body. A response counts when it is complete or those 4 KiB are full. An exception that is not
    httpx's is a bug in our own code and propagates, so that supervision sees it.
    """
    started, response, detail = trio.current_time(), Response(KEPT_BODY), None
    try:
        post = build_post(webhook, work, number=number, timestamp_s=timestamp_s, secrets=secrets)
        with trio.CancelScope(deadline=started + timeout_s) as deadline:
            await transport.send(post, response)
        failure = _timeout(response, timeout_s) if deadline.cancelled_caught else _failure_of(response)
    except httpx.TransportError as error:
        failure, detail = (_kind_of(error), str(error)), _detail_of(error)
    outcome = _outcome(response, failure, round((trio.current_time() - started) * 1000))
    return outcome if detail is None else replace(outcome, detail=detail)


def build_post(webhook: Webhook, work: Work, number: int, timestamp_s: int, secrets: Secrets) -> Post:
    """Return the signed POST of an attempt, with its headers (contract "Payload and headers of a delivery").

    Raises httpx.LocalProtocolError. The work's body must have been read.
    """
    body = work.body
    assert body is not None, "the body is read before the attempt"
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
    return make_post(webhook.url, headers, body=body, always=_ALWAYS)


def _outcome(response: Response, failure: _Failure | None, duration_ms: int) -> Outcome:
    kind, error = failure or (OutcomeKind.DELIVERED, None)
    if response.status is None:
        return Outcome(kind, duration_ms, error=error)
    return Outcome(
        kind=kind,
        duration_ms=duration_ms,
        status=response.status,
        headers=_kept_headers(response.headers),
        body=bytes(response.body),
        error=error,
    )


def _failure_of(response: Response) -> _Failure | None:
    status = response.status
    assert status is not None, "a sufficient response has a status"
    if 200 <= status < 300:
        return None
    hint = ", and redirects are not followed" if status in _REDIRECTS and _has_location(response) else ""
    return OutcomeKind.HTTP_ERROR, f"the receiver answered {status}{hint}"


def _has_location(response: Response) -> bool:
    return any(name.lower() == b"location" for name, _ in response.headers)


def _timeout(response: Response, timeout_s: float) -> _Failure:
    within = f"within {timeout_s:g} s"
    if response.status is not None:
        sentence = f"the receiver answered {response.status} but did not finish its response {within}"
    else:
        sentence = f"no response {within} (stopped while {response.stage})"
    return OutcomeKind.TIMEOUT, sentence


def _detail_of(error: Exception) -> str | None:
    return error.detail if isinstance(error, EgressError | ConnectionBroken) else None


def _kind_of(error: Exception) -> OutcomeKind:
    match error:
        case BlockedAddress():
            return OutcomeKind.BLOCKED_ADDRESS
        case DnsError():
            return OutcomeKind.DNS_ERROR
        case TlsError():
            return OutcomeKind.TLS_ERROR
        case OutOfDescriptors() | NoLookupPlace():
            return OutcomeKind.INTERRUPTED
        case httpx.ConnectError():
            return OutcomeKind.CONNECT_ERROR
        case httpx.TimeoutException():
            return OutcomeKind.TIMEOUT
        case _:
            return OutcomeKind.PROTOCOL_ERROR


def _kept_headers(fields: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    room = _KEPT_HEADER_BYTES
    for name, value in fields:
        size = len(name) + len(value)
        if size <= room:  # an oversized one does not hide the others
            room -= size
            kept.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))
            if len(kept) == _KEPT_HEADERS:
                break
    return tuple(kept)
