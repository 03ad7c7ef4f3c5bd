"""What is submitted and what is answered: the values passed to the router and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.model import Event


class NewEvent(Struct, frozen=True, gc=False):
    """An event to be accepted; `body` is its payload, serialised once, `timestamp` in milliseconds.

    With `only_webhook_id` it goes only to that webhook, provided it subscribes to the event.
    """

    team_id: str
    type: str
    timestamp: int
    body: bytes
    test: bool = False
    only_webhook_id: str | None = None
    traceparent: str | None = None
    terms: DeliveryTerms | None = None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's promise that the same `key` means the same request; `fingerprint` is a digest of it.

    `scope` is whose key it is (`daemon.crypto.idempotency.scope_of`): two callers may use the same key.
    """

    scope: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """Events that are accepted together or not at all, in this order; `key_id` is whose key they came with."""

    events: tuple[NewEvent, ...]
    idempotency: Idempotency | None = None
    key_id: str = ""


class Receipt(Struct, frozen=True, gc=False, eq=False):
    """The answer for one accepted event: its id, and how many deliveries were created for it.

    `replayed` says that they were made for an earlier submission with the same idempotency key.
    """

    event_id: str
    deliveries: int
    replayed: bool = False

    def __eq__(self, other: object) -> bool:
        """Whether it is the same answer, be it replayed or not."""
        return isinstance(other, Receipt) and (self.event_id, self.deliveries) == (other.event_id, other.deliveries)

    def __hash__(self) -> int:
        return hash(self.event_id)


class MatchedEvent(Struct, frozen=True, gc=False):
    """An accepted event and the webhooks that subscribe to it, each with the id of the delivery to it.

    `deferred_deliveries` is how many deliveries are created for it later, by its team's fan-out; it then has none here.
    """

    event: Event
    deliveries: tuple[tuple[str, str], ...]  # (delivery id, webhook id)
    deferred_deliveries: int = 0

    @property
    def delivery_count(self) -> int:
        """How many deliveries there are of it, or will be."""
        return len(self.deliveries) + self.deferred_deliveries


def places_of(chosen: Sequence[str], webhook_ids: Sequence[str]) -> str:
    """Return which of the webhooks are chosen, as a text of one bit for each: many events may choose among many."""
    of_event = set(chosen)
    return f"{sum(1 << place for place, webhook_id in enumerate(webhook_ids) if webhook_id in of_event):x}"


def chosen_of(places: str, webhook_ids: Sequence[str]) -> list[str]:
    """Return those of the webhooks that `places_of` tells."""
    bits = int(places, 16)
    return [webhook_id for place, webhook_id in enumerate(webhook_ids) if bits >> place & 1]


@dataclass(frozen=True, slots=True)
class FanOut:
    """Deliveries that are still to be made: `remaining` of one team's events from `first_seq` to `last_seq`."""

    first_seq: int
    last_seq: int
    team_id: str
    remaining: int
