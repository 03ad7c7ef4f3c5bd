"""The filter of a list of deliveries: read from the query, and shown again in the form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from api.console.pages.time_window import WINDOW_FIELDS, read_window
from api.console.session.page_request import PageRequest
from daemon.domain.causes import OUTCOME_WORDS
from daemon.domain.delivery_filter import DeliveryFilter, parse_http_statuses
from daemon.domain.model import DeliveryStatus, OutcomeKind

_UNKNOWN_STATUS = "Choose one of the states in the list."
_UNKNOWN_CAUSE = "Choose one of the results in the list, or name an HTTP status."
UNKNOWN_EVENT = "Choose one of the events in the list."
_FIELDS = ("status", "webhook", "event", "cause", *WINDOW_FIELDS)
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
    if given["event"] and given["event"] not in request.handles.every_type:
        mistakes["event"] = UNKNOWN_EVENT
    outcome, http_statuses = _read_cause(given["cause"])
    if given["cause"] and outcome is None and http_statuses is None:
        mistakes["cause"] = _UNKNOWN_CAUSE
    window = read_window(request, given)
    wanted = DeliveryFilter(
        team_id=request.team_id,
        webhook_id=webhook_id or given["webhook"] or None,
        statuses=tuple(map(DeliveryStatus, given["status"].split(",")))
        if given["status"] and "status" not in mistakes
        else (),
        event_type=given["event"] if given["event"] and "event" not in mistakes else None,
        outcome=outcome,
        http_statuses=http_statuses,
        since=window.since,
        until=window.until,
    )
    return Filter(given, wanted, {**mistakes, **window.mistakes})


def _read_cause(text: str) -> tuple[OutcomeKind | None, range | None]:
    """Return the outcome or the HTTP statuses that a cause stands for, neither if it is none."""
    if text in set(OutcomeKind):
        return OutcomeKind(text), None
    try:
        return None, parse_http_statuses(text)
    except ValueError:
        return None, None
