"""Reading submitted events: from a request to what the router takes (contract "HTTP API")."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
from pydantic import Field

from api.http.errors import ApiError, too_large, wrong_field
from api.http.idempotency import IdempotencyHeaders, read_idempotency
from api.http.json_body import JSON, NDJSON, parse_in_thread, read_bytes, require_media_type
from api.http.route import Call
from api.http.wire import format_time, parse_time
from api.limits.rate_limit import tokens_for
from api.limits.sizes import KIB, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from api.routes.envelope import Envelope, read_event, read_events, require_depth, wrong_fields_of
from api.routes.event_terms import read_terms
from api.routes.schema_checks import require_schemas
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
        submission = await _read(call, raw, lambda call: _read_one(call, raw, now))
        await require_schemas(call, submission, "$")
        return submission


async def read_batch(call: Call) -> Submission:
    """Return all events of the request, a JSON array or NDJSON. Raises ApiError (400, 404, 413, 415, 422)."""
    with _counting_invalid(call):
        media_type = require_media_type(call.request, JSON, NDJSON)
        raw = await _read_charged(call)
        now = call.handles.now_ms()
        submission = await _read(call, raw, lambda call: _read_many(call, raw, media_type=media_type, now=now))
        await require_schemas(call, submission, "$[{}]")
        return submission


async def _read(call: Call, raw: bytes, read: Callable[[Call], Submission]) -> Submission:
    """Return what is submitted. What is refused is read once more if another node has changed the event types."""
    if call.handles.follow is None:
        return await parse_in_thread(raw, lambda: read(call), call.run_in_thread)
    known, first = call.handles.event_types.known, replace(call, mistakes=call.mistakes.copy())
    try:
        return await parse_in_thread(raw, lambda: read(first), call.run_in_thread)
    except ApiError as error:
        if not any(wrong.path.endswith(".event") for wrong in error.errors):
            raise
        await call.handles.follow()
        if (newer := call.handles.event_types.known) is known:
            raise
    again = replace(call, known=replace(call.known, events=newer.every, archived=newer.archived))
    return await parse_in_thread(raw, lambda: read(again), call.run_in_thread)


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


def _read_one(call: Call, raw: bytes, now: int) -> Submission:
    events: list[NewEvent] = []
    with call.mistakes:
        envelope = read_event(raw, call.known)
        events.append(_new_event(call, envelope, path="$", now=now, traceparent=_traceparent(call)))
    return _submission(call, raw, events)


def _read_many(call: Call, raw: bytes, media_type: str, now: int) -> Submission:
    events: list[NewEvent] = []
    with call.mistakes:
        events = _all_events(call, raw, media_type=media_type, now=now)
    return _submission(call, raw, events)


def _submission(call: Call, raw: bytes, events: Sequence[NewEvent]) -> Submission:
    """Return what is submitted. Raises ApiError if there is any mistake in the request."""
    idempotency = None
    with call.mistakes:
        idempotency = read_idempotency(call.principal, call.request, raw)
    call.mistakes.raise_if_any()
    return Submission(tuple(events), idempotency, key_id=call.principal.key_id)


def _all_events(call: Call, raw: bytes, media_type: str, now: int) -> list[NewEvent]:
    """Return the events of a batch but those that are wrong, whose mistakes are noted."""
    events: list[NewEvent] = []
    mistakes, traceparent, index = call.mistakes, _traceparent(call), -1
    for index, envelope in enumerate(read_events(raw, media_type, call.known)):
        if index == MAX_BATCH_EVENTS:
            raise too_large(f"a batch has at most {MAX_BATCH_EVENTS:,} events")
        if mistakes.enough:
            mistakes.stop()
            break
        with mistakes:
            if isinstance(envelope, ApiError):
                raise envelope
            events.append(_new_event(call, envelope, path=f"$[{index}]", now=now, traceparent=traceparent))
    if index < 0:
        raise wrong_field("$", "the batch holds no event")
    return events


def _new_event(call: Call, envelope: Envelope, path: str, now: int, traceparent: str | None) -> NewEvent:
    timestamp, team_id = _time_of(envelope, now), call.principal.team_id or envelope.team_id
    if timestamp is None or team_id is None or not _may_be(call, envelope):
        raise wrong_fields_of(envelope, path, call.known)
    data = bytes(envelope.data)
    require_depth(data, path)
    body = _body(envelope.event, team_id, timestamp=format_time(timestamp), data=data)
    if len(body) > MAX_EVENT_BYTES:
        raise too_large(f"an event has at most {MAX_EVENT_BYTES // KIB} KiB", path)
    has_none = envelope.deliver_at is None and envelope.expires_at is None and envelope.priority is None
    terms = None if has_none else read_terms(envelope, path, now=now, known=call.known)
    return NewEvent(team_id, envelope.event, timestamp=timestamp, body=body, traceparent=traceparent, terms=terms)


def _may_be(call: Call, envelope: Envelope) -> bool:
    """Whether there is such an event type, and the team is the key's own.

    Whether the one that an operator names is a team, the router says: it knows without a database read.
    """
    is_own = call.principal.is_operator or envelope.team_id in (None, call.principal.team_id)
    known = call.known
    return is_own and envelope.event in known.events and envelope.event not in known.archived


def _time_of(envelope: Envelope, now: int) -> int | None:
    try:
        return now if envelope.timestamp is None else parse_time(envelope.timestamp)
    except ValueError:
        return None


def _traceparent(call: Call) -> str | None:
    return parse_traceparent(call.request.headers.get("traceparent"))


@contextmanager
def _counting_invalid(call: Call) -> Iterator[None]:
    try:
        yield
    except ApiError:
        call.handles.metrics.submissions_refused[Refusal.INVALID].inc()
        raise
