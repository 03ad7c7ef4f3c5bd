"""Which deliveries of a team are meant, as requests say it (contract "HTTP API")."""

from typing import Annotated

from pydantic import Field

from api.http.known import AnyEventName
from api.http.wire import HttpStatuses, Input, InputMoment
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import DeliveryStatus, OutcomeKind


class DeliveryChoice(Input):
    """Which deliveries of a team are meant."""

    webhook_id: str | None = Field(None, description="Only those to this webhook.")
    event_id: str | None = Field(None, description="Only those of this event.")
    status: list[Annotated[DeliveryStatus, Field(strict=False)]] | None = Field(
        None, description="Only those in this state; give it several times for several states.", min_length=1
    )
    event: AnyEventName | None = Field(None, description="Only those of this event type.")
    outcome: OutcomeKind | None = Field(None, description="Only those whose last attempt ended so.", strict=False)
    http_status: HttpStatuses | None = Field(
        None,
        description="Only those whose last attempt was answered so: a status like 503, or 4xx for all of 400 to 499.",
    )
    since: InputMoment | None = Field(
        None, description="Only those created at this time or later: RFC 3339, or an age like 15m, 2h or 7d."
    )
    until: InputMoment | None = Field(
        None, description="Only those created at this time or earlier: RFC 3339, or an age like 15m, 2h or 7d."
    )


def filter_meant(
    choice: DeliveryChoice, team_id: str | None, *, since: int | None, until: int | None
) -> DeliveryFilter:
    """Return the filter that these fields mean, with these times in the place of theirs."""
    return DeliveryFilter(
        team_id=team_id,
        webhook_id=choice.webhook_id,
        event_id=choice.event_id,
        statuses=tuple(choice.status or ()),
        event_type=choice.event,
        outcome=choice.outcome,
        http_statuses=choice.http_status,
        since=since,
        until=until,
    )
