"""Reading submitted events: from a request to what the router takes (contract "HTTP API")."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from pydantic import Field

from api.http.errors import ApiError, too_large, unknown_team, wrong_field
from api.http.idempotency import IdempotencyHeaders, read_idempotency
from api.http.json_body import JSON, NDJSON, parse_in_thread, read_bytes, require_media_type
from api.http.route import Call
from api.http.wire import format_time, parse_time
from api.limits.rate_limit import tokens_for
from api.limits.sizes import KIB, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from api.routes.envelope import Envelope, read_event, read_events, require_depth
from daemon.domain.submission import NewEvent, Submission
from daemon.domain.trace_context import parse_traceparent
from daemon.telemetry.metrics import Refusal


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
    if call.request.content_length is None:  # otherwise it was charged when the request was admitted
        call.charge(tokens_for(size_bytes=len(raw)))
    return raw


def serialise(event_type: str, team_id: str, timestamp: int, data: Any) -> bytes:
    """Return the body of an event's deliveries (contract "Payload and headers of a delivery"); `timestamp` is in ms."""
    return _body(event_type, team_id, timestamp=format_time(timestamp), data=orjson.dumps(data))


def _body(event_type: str, team_id: str, timestamp: str, data: bytes) -> bytes:
    envelope = orjson.dumps({"event": event_type, "teamId": team_id, "timestamp": timestamp})
    return b'%s,"data":%s}' % (envelope[:-1], data)


def require_event_type(call: Call, event_type: str, path: str) -> None:
    """Raise ApiError (422) if there is no such event type."""
    if event_type not in call.handles.catalogue:
        raise wrong_field(path, "unknown event type: GET /v1/webhooks/test/events lists them")


def _read_one(call: Call, raw: bytes, now: int) -> Submission:
    return Submission(
        (_new_event(call, read_event(raw), path="$", now=now, traceparent=_traceparent(call)),),
        read_idempotency(call.principal, call.request, raw),
        key_id=call.principal.key_id,
    )


def _read_many(call: Call, raw: bytes, media_type: str, now: int) -> Submission:
    events: list[NewEvent] = []
    traceparent = _traceparent(call)
    for envelope in read_events(raw, media_type):
        if len(events) == MAX_BATCH_EVENTS:
            raise too_large(f"a batch has at most {MAX_BATCH_EVENTS:,} events")
        events.append(_new_event(call, envelope, path=f"$[{len(events)}]", now=now, traceparent=traceparent))
    if not events:
        raise wrong_field("$", "the batch holds no event")
    idempotency = read_idempotency(call.principal, call.request, raw)
    return Submission(tuple(events), idempotency, key_id=call.principal.key_id)


def _new_event(call: Call, envelope: Envelope, path: str, now: int, traceparent: str | None) -> NewEvent:
    timestamp = _time_of(envelope, path, now)
    data = bytes(envelope.data)
    require_depth(data, path)
    team_id = _team_of(call, envelope.team_id, f"{path}.teamId")
    require_event_type(call, envelope.event, f"{path}.event")
    body = _body(envelope.event, team_id, timestamp=format_time(timestamp), data=data)
    if len(body) > MAX_EVENT_BYTES:
        raise too_large(f"an event has at most {MAX_EVENT_BYTES // KIB} KiB", path)
    return NewEvent(team_id, envelope.event, timestamp=timestamp, body=body, traceparent=traceparent)


def _time_of(envelope: Envelope, path: str, now: int) -> int:
    try:
        return now if envelope.timestamp is None else parse_time(envelope.timestamp)
    except ValueError as error:
        raise wrong_field(f"{path}.timestamp", str(error)) from None


def _traceparent(call: Call) -> str | None:
    return parse_traceparent(call.request.headers.get("traceparent"))


def _team_of(call: Call, given: str | None, path: str) -> str:
    """The router checks that an operator's team exists: it knows without a database read."""
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
