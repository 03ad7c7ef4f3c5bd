"""Which deliveries a list shows: what the address says, read and shown again in the form."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.console.session.page_request import PageRequest
from daemon.domain.model import DeliveryStatus
from daemon.store.reads.api_reads import DeliveryFilter

# As <input type="datetime-local"> has it, which we read as UTC.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
EXPECTED_TIME = "Enter a date and a time, such as 2026-11-24T14:30."
_UNKNOWN_STATUS = "Choose one of the states in the list."
_UNKNOWN_EVENT = "Choose one of the events in the list."
_FIELDS = ("status", "event", "since", "until", "webhook")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """The fields as they were given, what they stand for, and what is wrong with them, by field."""

    given: dict[str, str]
    wanted: DeliveryFilter
    mistakes: dict[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether it leaves anything out."""
        return any(self.given.values())


def read_filter(request: PageRequest, webhook_id: str | None = None) -> Filter:
    """Return the filter that the address asks for, of one webhook's page or of the whole team's list."""
    given = {name: request.query(name)[:_LONGEST] for name in _FIELDS}
    mistakes: dict[str, str] = {}
    if given["status"] and given["status"] not in set(DeliveryStatus):
        mistakes["status"] = _UNKNOWN_STATUS
    if given["event"] and given["event"] not in request.handles.catalogue:
        mistakes["event"] = _UNKNOWN_EVENT
    times = {name: parse_form_time(given[name]) for name in ("since", "until")}
    mistakes |= {name: EXPECTED_TIME for name, time in times.items() if given[name] and time is None}
    until = times["until"]
    wanted = DeliveryFilter(
        team_id=request.team_id,
        webhook_id=webhook_id or given["webhook"] or None,
        status=DeliveryStatus(given["status"]) if given["status"] and "status" not in mistakes else None,
        event_type=given["event"] if given["event"] and "event" not in mistakes else None,
        since=times["since"],
        until=None if until is None else until + _whole(given["until"]) - 1,
    )
    return Filter(given, wanted, mistakes)


def parse_form_time(text: str) -> int | None:
    """Return the milliseconds of what <input type="datetime-local"> sends, read as UTC; None if it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _whole(text: str) -> int:
    """Return how many milliseconds the last digit stands for: until 14:30 is until that minute's end."""
    return 60_000 if text.count(":") == 1 else 1_000 if "." not in text else 1
