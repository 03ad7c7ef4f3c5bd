"""Reading submitted events: from a request to what the router takes (contract "HTTP API")."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from pydantic import Field

from api.http.errors import ApiError, too_large, unknown_team, wrong_field
from api.http.idempotency import IdempotencyHeaders, read_idempotency
from api.http.json_body import (
    JSON,
    NDJSON,
    decode,
    parse_in_thread,
    parse_json,
    read_bytes,
    require_media_type,
    validate,
)
from api.http.route import Call
from api.http.wire import Input, InputTime, format_time
from api.limits.rate_limit import tokens_for
from api.limits.sizes import KIB, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from api.routes.batch_parsing import array_items, line_items
from daemon.domain.submission import NewEvent, Submission
from daemon.domain.trace_context import parse_traceparent
from daemon.telemetry.metrics import Refusal


class SubmittedEvent(Input):
    """An event that happened in the product."""

    event: str = Field(description="Its type, of GET /v1/webhooks/test/events.", examples=["linkedin.message.received"])
    team_id: str | None = Field(None, description="Whose it is. A team's key may leave it out.", examples=["team_acme"])
    data: dict[str, Any] = Field(description="What happened, as any JSON object; it is passed on as it is.")
    timestamp: InputTime | None = Field(None, description="When it happened, with any offset; now, if left out.")


class SubmissionHeaders(IdempotencyHeaders):
    """What a submission may carry beside its body."""

    traceparent: str | None = Field(
        None,
        description="W3C Trace Context: is logged with each step and sent on with each delivery. Ignored if malformed.",
    )


async def read_submission(call: Call) -> Submission:
    """Return the one event of the request. Raises ApiError (400, 404, 413, 415, 422)."""
    with _counting_invalid(call):
        require_media_type(call.request, JSON)
        raw = await _read_charged(call)
        now = call.handles.now_ms()
        return await parse_in_thread(raw, lambda: _read_one(call, raw, now), call.run_in_thread)


async def read_batch(call: Call) -> Submission:
    """Return all events of the request, a JSON array or NDJSON. Raises ApiError (400, 404, 413, 415, 422)."""
    with _counting_invalid(call):
        media_type = require_media_type(call.request, JSON, NDJSON)
        raw = await _read_charged(call)
        now = call.handles.now_ms()
        return await parse_in_thread(
            raw, lambda: _read_many(call, raw, media_type=media_type, now=now), call.run_in_thread
        )


async def _read_charged(call: Call) -> bytes:
    raw = await read_bytes(call.request)
    if call.request.content_length is None:  # else it was charged when the request was let in
        call.charge(tokens_for(size_bytes=len(raw)))
    return raw


def serialise(event_type: str, team_id: str, timestamp: int, data: Any) -> bytes:
    """Return the body of an event's deliveries (contract "Payload and headers of a delivery"); `timestamp` is in ms."""
    return orjson.dumps({"event": event_type, "teamId": team_id, "timestamp": format_time(timestamp), "data": data})


def require_event_type(call: Call, event_type: str, path: str) -> None:
    """Raise ApiError (422) if there is no such event type."""
    if event_type not in call.handles.catalogue:
        raise wrong_field(path, "unknown event type: GET /v1/webhooks/test/events lists them")


def _read_one(call: Call, raw: bytes, now: int) -> Submission:
    return Submission(
        (_read_event(call, parse_json(decode(raw)), path="$", now=now, traceparent=_traceparent(call)),),
        read_idempotency(call.principal, call.request, raw),
    )


def _read_many(call: Call, raw: bytes, media_type: str, now: int) -> Submission:
    return Submission(
        _read_events(call, decode(raw), media_type=media_type, now=now),
        read_idempotency(call.principal, call.request, raw),
    )


def _read_events(call: Call, text: str, media_type: str, now: int) -> tuple[NewEvent, ...]:
    events: list[NewEvent] = []
    traceparent = _traceparent(call)
    for value in array_items(text) if media_type == JSON else line_items(text):
        if len(events) == MAX_BATCH_EVENTS:
            raise too_large(f"a batch has at most {MAX_BATCH_EVENTS:,} events")
        events.append(_read_event(call, value, path=f"$[{len(events)}]", now=now, traceparent=traceparent))
    if not events:
        raise wrong_field("$", "the batch holds no event")
    return tuple(events)


def _read_event(call: Call, value: Any, path: str, now: int, traceparent: str | None) -> NewEvent:
    submitted = validate(value, SubmittedEvent, path)
    team_id = _team_of(call, submitted.team_id, f"{path}.teamId")
    require_event_type(call, submitted.event, f"{path}.event")
    timestamp = now if submitted.timestamp is None else submitted.timestamp
    body = serialise(submitted.event, team_id, timestamp=timestamp, data=submitted.data)
    if len(body) > MAX_EVENT_BYTES:
        raise too_large(f"an event has at most {MAX_EVENT_BYTES // KIB} KiB", path)
    return NewEvent(team_id, submitted.event, timestamp=timestamp, body=body, traceparent=traceparent)


def _traceparent(call: Call) -> str | None:
    return parse_traceparent(call.request.headers.get("traceparent"))


def _team_of(call: Call, given: str | None, path: str) -> str:
    """Whether an operator's team exists is the router's to say: it knows without reading."""
    team_id = call.principal.team_id or given
    if team_id is None:
        raise wrong_field(path, "is missing: the operator must say which team")
    if given not in (None, team_id):
        raise unknown_team(path)
    return team_id


@contextmanager
def _counting_invalid(call: Call) -> Iterator[None]:
    try:
        yield
    except ApiError:
        call.handles.metrics.submissions_refused[Refusal.INVALID].inc()
        raise
