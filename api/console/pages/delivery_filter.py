"""The filter of a list of deliveries: read from the query, and shown again in the form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from api.console.session.page_request import PageRequest
from api.http.wire import parse_http_statuses
from daemon.domain.causes import OUTCOME_WORDS
from daemon.domain.model import DeliveryStatus, OutcomeKind
from daemon.store.reads.delivery_reads import DeliveryFilter

# The format of <input type="datetime-local">, taken as UTC.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
EXPECTED_TIME = "Enter a date and a time, such as 2026-11-24T14:30."
_UNKNOWN_STATUS = "Choose one of the states in the list."
_UNKNOWN_CAUSE = "Choose one of the results in the list, or name an HTTP status."
INVERTED = "This is before the time in From."
UNKNOWN_EVENT = "Choose one of the events in the list."
_FIELDS = ("status", "webhook", "event", "cause", "since", "until")
# Statuses that are often wanted together, and what the form calls them.
STATUS_CHOICES: Mapping[str, str] = MappingProxyType(
    {
        **{status.value: status.value for status in DeliveryStatus},
        "failed,cancelled": "failed or cancelled",
        "pending,failed,cancelled": "not succeeded",
    }
)
# How the last attempt ended: an HTTP status, the hundreds of one, or what happened instead of an answer.
CAUSE_CHOICES: Mapping[str, str] = MappingProxyType(
    {
        **{f"{hundreds}xx": f"HTTP {hundreds}xx" for hundreds in (2, 3, 4, 5)},
        **{kind.value: words for kind, words in OUTCOME_WORDS.items()},
    }
)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """The fields as given, the filter that they mean, and the mistakes in them, by field."""

    given: dict[str, str]
    wanted: DeliveryFilter
    mistakes: dict[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether any field is filled in."""
        return any(self.given.values())


def read_filter(request: PageRequest, webhook_id: str | None = None) -> Filter:
    """Return the filter in the query, for the page of one webhook or for the team's list."""
    given = {name: request.query(name)[:_LONGEST] for name in _FIELDS}
    mistakes: dict[str, str] = {}
    if given["status"] and not set(given["status"].split(",")) <= set(DeliveryStatus):
        mistakes["status"] = _UNKNOWN_STATUS
    if given["event"] and given["event"] not in request.handles.catalogue:
        mistakes["event"] = UNKNOWN_EVENT
    times = {"since": parse_form_time(given["since"]), "until": until_end_of(given["until"])}
    mistakes |= {name: EXPECTED_TIME for name, time in times.items() if given[name] and time is None}
    outcome, http_statuses = _read_cause(given["cause"])
    if given["cause"] and outcome is None and http_statuses is None:
        mistakes["cause"] = _UNKNOWN_CAUSE
    until = times["until"]
    if times["since"] is not None and until is not None and until < times["since"]:
        mistakes["until"] = INVERTED
    wanted = DeliveryFilter(
        team_id=request.team_id,
        webhook_id=webhook_id or given["webhook"] or None,
        statuses=tuple(map(DeliveryStatus, given["status"].split(",")))
        if given["status"] and "status" not in mistakes
        else (),
        event_type=given["event"] if given["event"] and "event" not in mistakes else None,
        outcome=outcome,
        http_statuses=http_statuses,
        since=times["since"],
        until=until,
    )
    return Filter(given, wanted, mistakes)


def _read_cause(text: str) -> tuple[OutcomeKind | None, range | None]:
    """Return the outcome or the HTTP statuses that a cause stands for, neither if it is none."""
    if text in set(OutcomeKind):
        return OutcomeKind(text), None
    try:
        return None, parse_http_statuses(text)
    except ValueError:
        return None, None


def parse_form_time(text: str) -> int | None:
    """Return the milliseconds of what <input type="datetime-local"> sends, taken as UTC; None if it is not a time."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def until_end_of(text: str) -> int | None:
    """Return the last millisecond that a time means: until 14:30 means until the end of that minute."""
    time = parse_form_time(text)
    return None if time is None else time + _precision_ms(text) - 1


def _precision_ms(text: str) -> int:
    return 60_000 if text.count(":") == 1 else 1_000 if "." not in text else 1
