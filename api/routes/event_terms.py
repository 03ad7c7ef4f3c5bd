"""The terms on which an event is delivered, as they are submitted and shown (contract "Terms of an event")."""

from typing import Any

from pydantic import Field

from api.http.errors import wrong_field
from api.http.known import Known
from api.http.wire import Output, OutputTime, format_optional_time, parse_time
from api.routes.envelope import Envelope, wrong_fields_of
from daemon.domain.delivery_terms import MOST_AHEAD_MS, DeliveryTerms, Priority

_MOST_DAYS = MOST_AHEAD_MS // 86_400_000


class ShownTerms(Output):
    """On what terms an event is delivered."""

    deliver_at: OutputTime | None = Field(
        description="The time before which it is not delivered; null if it was to be delivered at once."
    )
    expires_at: OutputTime | None = Field(
        description="The time after which it is not delivered any more; null if it does not expire."
    )
    priority: Priority = Field(description="Whether it is delivered behind others: `low`, else `normal`.")


def read_terms(envelope: Envelope, path: str, *, now: int, known: Known) -> DeliveryTerms:
    """Return the terms that a submitted event has. Raises ApiError (422) naming a wrong one."""
    try:
        deliver_at, expires_at = _time(envelope.deliver_at), _time(envelope.expires_at)
        is_low = envelope.priority is not None and Priority(envelope.priority) is Priority.LOW
    except ValueError:
        raise wrong_fields_of(envelope, path, known) from None
    for name, at in (("deliverAt", deliver_at), ("expiresAt", expires_at)):
        if at is not None and at > now + MOST_AHEAD_MS:
            raise wrong_field(f"{path}.{name}", f"expected a time at most {_MOST_DAYS} days ahead")
    if deliver_at is not None and expires_at is not None and expires_at <= deliver_at:
        raise wrong_field(f"{path}.expiresAt", "expected a time after deliverAt")
    return DeliveryTerms(deliver_at=deliver_at, expires_at=expires_at, low=is_low)


def _time(given: str | None) -> int | None:
    return None if given is None else parse_time(given)


def shown_terms(terms: DeliveryTerms | None) -> dict[str, Any]:
    """Return the members of ShownTerms, by their names here."""
    if terms is None:
        return {"deliver_at": None, "expires_at": None, "priority": Priority.NORMAL}
    return {
        "deliver_at": format_optional_time(terms.deliver_at),
        "expires_at": format_optional_time(terms.expires_at),
        "priority": Priority.LOW if terms.low else Priority.NORMAL,
    }
