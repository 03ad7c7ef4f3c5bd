"""Filters as they go over the wire: a webhook's own, how it fares, and a test of one (contract "Filters")."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.http.auth import owned
from api.http.errors import Code, wrong_field
from api.http.field_errors import unknown_event
from api.http.known import SomeTeam
from api.http.route import Call, Route, json_body
from api.http.wire import Input, InputTime, Output, OutputTime, format_time
from api.routes.submission import serialise
from daemon.delivery.event_filters import FilterFailures
from daemon.filters.language import MOST_CHARACTERS, compile_filter, document_of
from daemon.filters.steps import MOST_STEPS, Budget, FilterFailed
from daemon.store.reads import api_reads

_FILTER = (
    "Which events of the subscribed types it gets: a condition in JMESPath on `event`, `teamId`, `timestamp` and "
    f"`data`, at most {MOST_CHARACTERS:,} characters. null: all."
)
_FAILURES = (
    "How often the filter failed on the node that answers since that started, or since it was changed: a failure "
    "counts as no match. null: never."
)
_EXAMPLE_TEAM = "team_12345abcde"


def _must_compile(text: str) -> str:
    compile_filter(text)
    return text


FilterText = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_must_compile)]


class FilterFields(Input):
    """The filter that a client may send."""

    filter: FilterText | None = Field(default_factory=lambda: None, description=_FILTER)


class Failures(Output):
    """How a filter failed."""

    count: int = Field(description="How often.")
    last_at: OutputTime = Field(description="When it failed last.")
    last_error: str = Field(description="Why it failed last, in one sentence.")


class ShownFilter(Output):
    """The filter of a webhook."""

    filter: str | None = Field(description=_FILTER)


class ShownFilterFailures(Output):
    """How the filter of a webhook fares."""

    filter_failures: Failures | None = Field(description=_FAILURES)


FILTER_EXAMPLE = {"filter": "data.amount > `100` && starts_with(event, 'linkedin.')"}


def shown_failures(failures: FilterFailures | None) -> Failures | None:
    """Return what is shown of them."""
    if failures is None:
        return None
    return Failures(count=failures.count, last_at=format_time(failures.last_at), last_error=failures.last_error)


class TriedEvent(Input):
    """An event as filters see it; what is left out is made up."""

    event: str = Field(description="Its type.", max_length=256)
    data: dict[str, Any] = Field(description="What happened.")
    team_id: SomeTeam = Field(default_factory=lambda: None, description="Whose it is.")
    timestamp: InputTime | None = Field(default_factory=lambda: None, description="When it happened.")


class FilterTest(Input):
    """A filter, and one of the three: an event, the id of one, or a type whose example it is tried on."""

    filter: FilterText = Field(description="The condition, as webhooks have it.")
    event: TriedEvent | None = Field(default_factory=lambda: None, description="The event itself.")
    event_id: str | None = Field(
        default_factory=lambda: None, description="The id of an event that was accepted.", max_length=64
    )
    event_type: str | None = Field(
        default_factory=lambda: None, description="An event type, whose example is taken.", max_length=256
    )


class FilterTried(Output):
    """What a filter says of an event."""

    matched: bool = Field(description="Whether a webhook with this filter would get it.")
    error: str | None = Field(description="Why the filter failed, which counts as no match; null: it did not.")
    steps: int = Field(description=f"How many of the {MOST_STEPS:,} steps that it may take it took.")


async def try_filter(call: Call, body: FilterTest) -> FilterTried:
    """Answer with what the filter says of one event; nothing is kept or sent."""
    if sum(value is not None for value in (body.event, body.event_id, body.event_type)) != 1:
        raise wrong_field("$", "send one of event, eventId and eventType beside the filter")
    return tried(body.filter, await _body_of(call, body))


def tried(text: str, event_body: bytes) -> FilterTried:
    """Return what a filter, which is one, says of the event with this body."""
    budget = Budget(MOST_STEPS)
    try:
        matched, error = compile_filter(text).takes(document_of(event_body), budget), None
    except FilterFailed as failure:
        matched, error = False, str(failure)
    return FilterTried(matched=matched, error=error, steps=min(budget.spent, MOST_STEPS))


async def _body_of(call: Call, body: FilterTest) -> bytes:
    if body.event_id is not None:
        return owned(call, await call.handles.reader.fetch(api_reads.get_event, body.event_id), "event").body
    if body.event is not None:
        return _body_of_given(call, body.event)
    return example_body(call, body.event_type or "")


def example_body(call: Call, event_type: str, path: str = "$.eventType") -> bytes:
    """Return the body of the example of an event type. Raises ApiError (422)."""
    known = call.handles.every_type.get(event_type)
    if known is None:
        raise wrong_field(path, unknown_event(event_type, call.handles.catalogue))
    team_id = call.principal.team_id or _EXAMPLE_TEAM
    return serialise(event_type, team_id, timestamp=call.handles.now_ms(), data=dict(known.example))


def _body_of_given(call: Call, event: TriedEvent) -> bytes:
    team_id = event.team_id or call.principal.team_id or _EXAMPLE_TEAM
    timestamp = call.handles.now_ms() if event.timestamp is None else event.timestamp
    return serialise(event.event, team_id, timestamp=timestamp, data=event.data)


ROUTES = (
    Route(
        "POST",
        "/v1/webhooks/filter/test",
        try_filter,
        tag="Testing",
        summary="Try a filter",
        description=(
            "Says whether a webhook with this filter would get an event: one of the team's own by `eventId`, the "
            "example of an `eventType`, or `event` as it is sent. Nothing is kept or sent. A text that is no filter is "
            "refused with the place."
        ),
        body=json_body(
            FilterTest,
            {"filter": "contains(data.message, 'Yes')", "eventType": "linkedin.message.received"},
        ),
        status=HTTPStatus.OK,
        answer=FilterTried,
        example={"matched": True, "error": None, "steps": 6},
        refusals=(Code.NOT_FOUND,),
    ),
)
