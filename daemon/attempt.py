"""One attempt: sign, send, and say what happened on the wire (SPEC "An attempt"). No SQL, no retry decision."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import httpx
import trio

from daemon import __version__
from daemon.clock import NowMs
from daemon.egress.errors import BlockedAddress, DnsError, OutOfDescriptors, TlsError
from daemon.model import Outcome, OutcomeKind, Webhook, Work
from daemon.signing import Secrets, signature_headers

KEPT_BODY = 4 * 1024
_KEPT_HEADERS = 50
_KEPT_HEADER_BYTES = 8 * 1024
USER_AGENT = f"kakiyo-webhooks/{__version__}"
UNSIGNED = Secrets()


_Failure = tuple[OutcomeKind, str]


@dataclass(slots=True)
class _Received:
    """What has arrived so far; it outlives the cancel of a deadline."""

    response: httpx.Response | None = None
    body: bytearray = field(default_factory=bytearray)


async def make_attempt(
    transport: httpx.AsyncBaseTransport,
    webhook: Webhook,
    work: Work,
    number: int,
    *,
    timeout_s: float,
    now_ms: NowMs,
    secrets: Secrets = UNSIGNED,
    user_agent: str = USER_AGENT,
) -> Outcome:
    """Make attempt `number` (from 1) of a delivery and return its outcome; raises nothing but Cancelled.

    `secrets` are the webhook's, opened: what signs this attempt.

    One deadline of `timeout_s` seconds holds for everything: DNS, connect, TLS, sending, the response's head and the
    first 4 KiB of its body. A response counts when it is complete or those 4 KiB are full. An exception that is none
    of httpx's is a mistake in our own code and comes out, so that supervision sees it.
    """
    started = trio.current_time()
    received = _Received()
    try:
        request = build_request(webhook, work, number, now_ms() // 1000, secrets, user_agent)
        with trio.move_on_after(timeout_s) as deadline:
            await _exchange(transport, request, received)
        failure = _timeout(request, received, timeout_s) if deadline.cancelled_caught else _judge(received.response)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        failure = (_kind_of(error), str(error))
    return _outcome(received, failure, round((trio.current_time() - started) * 1000))


def build_request(
    webhook: Webhook, work: Work, number: int, timestamp_s: int, secrets: Secrets, user_agent: str
) -> httpx.Request:
    """Return the signed request of an attempt, with the headers of SPEC "Payload and headers".

    Raises httpx.InvalidURL. The work's body must have been read.
    """
    body = work.body
    assert body is not None, "the body is read before the attempt"
    url = _parsed(webhook.url)
    headers = [
        ("Host", url.netloc.decode("ascii")),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", user_agent),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),  # what is kept of the response is for people to read
        ("webhook-id", work.delivery_id),
        ("webhook-timestamp", str(timestamp_s)),
        ("X-Kakiyo-Event", work.event_type),
        ("X-Kakiyo-Delivery", work.delivery_id),
        ("X-Kakiyo-Attempt", str(number)),
        *signature_headers(secrets.current, work.delivery_id, timestamp_s, body, secrets.previous),
    ]
    if work.test:
        headers.append(("X-Kakiyo-Test", "true"))
    raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
    # With `stream` httpx takes the headers as they are; with `content` it would copy and search them four times.
    return httpx.Request("POST", url, headers=raw, stream=httpx.ByteStream(body))


@lru_cache(maxsize=4096)
def _parsed(url: str) -> httpx.URL:
    """Parse a webhook's URL once, not at every attempt: httpx takes as long for it as for all the rest of a request."""
    return httpx.URL(url)


async def _exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request, received: _Received) -> None:
    response = received.response = await transport.handle_async_request(request)
    try:
        await _keep_body(response, received.body)
    finally:
        await response.aclose()


async def _keep_body(response: httpx.Response, body: bytearray) -> None:
    """Take the first 4 KiB as they came: never decoded, so that a compressed bomb stays small."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    chunks = aiter(response.stream)
    async for chunk in chunks:
        body += chunk[: KEPT_BODY - len(body)]
        if len(body) == KEPT_BODY:
            break
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()


def _outcome(received: _Received, failure: _Failure | None, duration_ms: int) -> Outcome:
    kind, error = failure or (OutcomeKind.DELIVERED, None)
    if (response := received.response) is None:
        return Outcome(kind, duration_ms, error=error)
    headers = _kept_headers(response.headers.raw)
    return Outcome(kind, duration_ms, response.status_code, headers, bytes(received.body), error)


def _judge(response: httpx.Response | None) -> _Failure | None:
    assert response is not None
    if 200 <= response.status_code < 300:
        return None
    hint = ", and redirects are not followed" if response.has_redirect_location else ""
    return OutcomeKind.HTTP_ERROR, f"the receiver answered {response.status_code}{hint}"


def _timeout(request: httpx.Request, received: _Received, timeout_s: float) -> _Failure:
    within = f"within {timeout_s:g} s"
    if received.response is not None:
        sentence = f"the receiver answered {received.response.status_code} but did not finish its response {within}"
    else:
        sentence = f"no response {within} (stopped while {request.extensions.get('phase', 'sending')})"
    return OutcomeKind.TIMEOUT, sentence


def _kind_of(error: Exception) -> OutcomeKind:
    match error:
        case BlockedAddress() | httpx.InvalidURL():
            return OutcomeKind.BLOCKED_ADDRESS
        case DnsError():
            return OutcomeKind.DNS_ERROR
        case TlsError():
            return OutcomeKind.TLS_ERROR
        case OutOfDescriptors():
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
    for name, value in fields[:_KEPT_HEADERS]:
        room -= len(name) + len(value)
        if room < 0:
            break
        kept.append((name.decode(errors="replace"), value.decode(errors="replace")))
    return tuple(kept)
