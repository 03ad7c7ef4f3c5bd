"""Attempts as they go over the wire: what was sent, and what came back (contract "HTTP API")."""

from collections.abc import Sequence

import trio
from pydantic import Field

from api.http.route import Call
from api.http.wire import Output, OutputTime, format_time
from daemon.delivery.sent_request import SentRequest
from daemon.domain.model import Attempt as MadeAttempt
from daemon.domain.model import Delivery, OutcomeKind
from daemon.store.reads import actor_reads, api_reads


class AttemptRequest(Output):
    """The request of an attempt, without its body, which is that of its event."""

    line: str = Field(description="The request line.")
    headers: list[list[str]] = Field(
        description="Pairs of name and value, in their order; `•••` stands for what is secret in the webhook's own."
    )
    is_certain: bool = Field(
        description="false if the webhook was changed since: URL, secret and headers are the present ones then."
    )


class Attempt(Output):
    """One POST to the webhook's URL, and what came back."""

    number: int = Field(description="From 1.")
    started_at: OutputTime = Field(description="When it began.")
    duration_ms: int = Field(description="Milliseconds until the response arrived or the attempt failed.")
    outcome: OutcomeKind = Field(description="What happened on the wire.")
    status: int | None = Field(description="The HTTP status, if one arrived.")
    error: str | None = Field(description="One sentence: why it failed.")
    response_headers: list[list[str]] = Field(description="Pairs of name and value, bounded.")
    response_body: str = Field(description="The first 4 KiB; what is not UTF-8 is replaced.")
    request: AttemptRequest | None = Field(description="What was sent; null if nothing is known of the webhook.")


async def show_attempts(call: Call, delivery: Delivery, attempts: Sequence[MadeAttempt]) -> list[Attempt]:
    """Return what is shown of a delivery's attempts."""
    if not attempts:
        return []
    reader = call.handles.reader
    webhook = await reader.fetch(actor_reads.webhook_or_deleted, delivery.webhook_id)
    event = await reader.fetch(api_reads.get_event, delivery.event_id)
    shown = []
    for attempt in attempts:
        sent = None
        if webhook is not None and event is not None:
            sent = call.handles.sent_request(webhook, delivery, event=event, attempt=attempt)
            await trio.lowlevel.checkpoint()  # it was signed anew, and may be long
        shown.append(_show_attempt(attempt, sent))
    return shown


def _show_attempt(attempt: MadeAttempt, sent: SentRequest | None) -> Attempt:
    outcome = attempt.outcome
    return Attempt(
        number=attempt.number,
        started_at=format_time(attempt.started_at),
        duration_ms=outcome.duration_ms,
        outcome=outcome.kind,
        status=outcome.status,
        error=outcome.error,
        response_headers=[list(header) for header in outcome.headers],
        response_body=outcome.body.decode(errors="replace"),
        request=None if sent is None else _show_request(sent),
    )


def _show_request(sent: SentRequest) -> AttemptRequest:
    return AttemptRequest(line=sent.line, headers=[list(pair) for pair in sent.headers], is_certain=sent.is_certain)


ATTEMPT_EXAMPLE = {
    "number": 1,
    "startedAt": "2025-07-15T10:30:00.125Z",
    "durationMs": 185,
    "outcome": "http_error",
    "status": 503,
    "error": "the receiver answered 503",
    "responseHeaders": [["content-type", "text/plain"]],
    "responseBody": "try later",
    "request": {
        "line": "POST /hooks/kakiyo HTTP/1.1",
        "headers": [["Host", "crm.example.com"], ["X-Kakiyo-Attempt", "1"], ["Authorization", "•••"]],
        "isCertain": True,
    },
}
