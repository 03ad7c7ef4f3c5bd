"""Which deliveries are meant, as a value: it can be written as JSON and read back exactly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.domain.clock import rfc_3339
from daemon.domain.model import DeliveryStatus, OutcomeKind


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant; None, and no statuses, mean any.

    `since` and `until` bound `created_at`, both included. `outcome` and `http_statuses` are those of the last attempt;
    the latter are one, or one of the hundreds (4xx).
    """

    team_id: str | None = None
    webhook_id: str | None = None
    event_id: str | None = None
    statuses: tuple[DeliveryStatus, ...] = ()
    event_type: str | None = None
    outcome: OutcomeKind | None = None
    http_statuses: range | None = None
    since: int | None = None
    until: int | None = None


def members_of(wanted: DeliveryFilter) -> dict[str, Any]:
    """Return what a filter asks for beside its team, by the names of the API, times in milliseconds."""
    members = {
        "webhookId": wanted.webhook_id,
        "eventId": wanted.event_id,
        "status": [status.value for status in wanted.statuses] or None,
        "event": wanted.event_type,
        "outcome": wanted.outcome and wanted.outcome.value,
        "httpStatus": wanted.http_statuses and http_statuses_in_words(wanted.http_statuses),
        "since": wanted.since,
        "until": wanted.until,
    }
    return {name: value for name, value in members.items() if value is not None}


def filter_in_words(wanted: DeliveryFilter) -> dict[str, Any]:
    """Return the same with times as the API writes them."""
    members = members_of(wanted)
    return {name: rfc_3339(value) if name in ("since", "until") else value for name, value in members.items()}


def filter_from(team_id: str, members: Mapping[str, Any]) -> DeliveryFilter:
    """Return the filter of this team that `members_of` wrote. Raises ValueError for words that are none of ours."""
    outcome, http_status = members.get("outcome"), members.get("httpStatus")
    return DeliveryFilter(
        team_id=team_id,
        webhook_id=members.get("webhookId"),
        event_id=members.get("eventId"),
        statuses=tuple(map(DeliveryStatus, members.get("status", ()))),
        event_type=members.get("event"),
        outcome=None if outcome is None else OutcomeKind(outcome),
        http_statuses=None if http_status is None else parse_http_statuses(http_status),
        since=members.get("since"),
        until=members.get("until"),
    )


def http_statuses_in_words(statuses: range) -> str:
    """Return `503` for one status, `5xx` for a hundred of them."""
    return str(statuses.start) if len(statuses) == 1 else f"{statuses.start // 100}xx"


def parse_http_statuses(value: object) -> range:
    """Return the statuses that `503` or `5xx` means. Raises ValueError."""
    if not isinstance(value, str) or not re.fullmatch(r"[1-5](\d\d|xx)", value, re.ASCII):
        raise ValueError("expected a status like 503, or a class like 5xx")
    if value.endswith("xx"):
        return range(int(value[0]) * 100, int(value[0]) * 100 + 100)
    return range(int(value), int(value) + 1)
