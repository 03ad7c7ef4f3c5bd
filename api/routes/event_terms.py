"""The terms on which an event is delivered, as they are submitted and shown (contract "Terms of an event")."""

from pydantic import Field

from api.http.errors import wrong_field
from api.http.known import Known
from api.http.wire import Output, OutputTime, format_optional_time, parse_time
from api.routes.envelope import Envelope, wrong_fields_of
from daemon.domain.delivery_terms import MOST_AHEAD_MS, DeliveryTerms

_MOST_DAYS = MOST_AHEAD_MS // 86_400_000


class ShownTerms(Output):
    """On what terms an event is delivered."""

    deliver_at: OutputTime | None = Field(
        description="The time before which it is not delivered; null if it was to be delivered at once."
    )


def read_terms(envelope: Envelope, path: str, *, now: int, known: Known) -> DeliveryTerms:
    """Return the terms that a submitted event has. Raises ApiError (422) naming a wrong one."""
    try:
        deliver_at = None if envelope.deliver_at is None else parse_time(envelope.deliver_at)
    except ValueError:
        raise wrong_fields_of(envelope, path, known) from None
    if deliver_at is not None and deliver_at > now + MOST_AHEAD_MS:
        raise wrong_field(f"{path}.deliverAt", f"expected a time at most {_MOST_DAYS} days ahead")
    return DeliveryTerms(deliver_at=deliver_at)


def shown_terms(terms: DeliveryTerms | None) -> dict[str, str | None]:
    """Return the members of ShownTerms, by their names here."""
    return {"deliver_at": format_optional_time(None if terms is None else terms.deliver_at)}
