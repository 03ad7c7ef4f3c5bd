"""The rows of many deliveries, as the daemon would have written them one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.routes.submission import serialise
from daemon.domain.clock import clock_of
from daemon.domain.event_types import build_catalogue
from daemon.domain.model import Attempt, DeliveryStatus, Outcome, OutcomeKind
from daemon.store.rows import attempt_row
from daemon.store.schema import NEW_DELIVERY_COLUMNS, attempts
from daemon.store.writes.events import delivery_row

EVENT_TYPE = "linkedin.message.received"
PRICE = 2
_DATA = dict(build_catalogue(())[EVENT_TYPE].example)
_DELIVERED = Outcome(OutcomeKind.DELIVERED, 12, 200, (("server", "nginx"), ("content-length", "2")), b"ok")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A registered webhook and its team: where deliveries go."""

    webhook_id: str
    team_id: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Events accepted in turns of these webhooks, evenly from `since` to `until` (ms), each with one delivery."""

    targets: Sequence[Target]
    count: int
    first_event_seq: int
    first_delivery_seq: int
    since: int
    until: int

    def event_rows(self) -> Iterator[Row]:
        """Yield the events."""
        for number, (target, event_id, at) in enumerate(self._each(), self.first_event_seq):
            yield {
                "seq": number,
                "id": event_id,
                "team_id": target.team_id,
                "type": EVENT_TYPE,
                "timestamp": at,
                "body": serialise(EVENT_TYPE, target.team_id, at, _DATA),
                "accepted_at": at,
                "test": 0,
            }

    def pending_rows(self) -> Iterator[Row]:
        """Yield the deliveries, none of them attempted."""
        name = id_stem("dlv", self.until)
        for seq, (target, event_id, at) in enumerate(self._each(), self.first_delivery_seq):
            row = delivery_row(seq, f"{name}{seq:016d}", event_id, EVENT_TYPE, target.webhook_id, target.team_id, at, 0)
            yield dict(zip(NEW_DELIVERY_COLUMNS, row, strict=True))

    def succeeded_rows(self) -> Iterator[Row]:
        """Yield the deliveries, each succeeded with its first attempt."""
        for row in self.pending_rows():
            ended_at = row["created_at"] + _DELIVERED.duration_ms
            yield row | {"status": DeliveryStatus.SUCCEEDED.value, "attempts_made": 1, "completed_at": ended_at}

    def attempt_rows(self) -> Iterator[Row]:
        """Yield the attempts of succeeded deliveries."""
        for seq, (_, _, at) in enumerate(self._each(), self.first_delivery_seq):
            yield dict(zip(attempts.c.keys(), attempt_row(seq, Attempt(1, at, _DELIVERED)), strict=True))

    def debit_rows(self) -> Iterator[Row]:
        """Yield the debits of succeeded deliveries, the first ones of their teams."""
        name = id_stem("crd", self.until)
        for number, row in enumerate(self.succeeded_rows()):
            yield {
                "id": f"{name}{row['seq']:016d}",
                "team_id": row["team_id"],
                "amount": -PRICE,
                "balance_after": -PRICE * (number // len(self.targets) + 1),
                "created_at": row["completed_at"],
                "delivery_id": row["id"],
            }

    def _each(self) -> Iterator[tuple[Target, str, int]]:
        """Yield each delivery's target, event id and time."""
        name = id_stem("evt", self.until)
        for number in range(self.count):
            at = self.since + (self.until - self.since) * number // self.count
            yield self.targets[number % len(self.targets)], f"{name}{self.first_event_seq + number:016d}", at


def id_stem(prefix: str, at: int) -> str:
    """Return an id of the daemon's own form without its last 16 characters, which are to be made unique."""
    return clock_of(lambda: at).new_id(prefix)[:-16]
