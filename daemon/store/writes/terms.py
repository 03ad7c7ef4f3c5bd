"""Writes: events with terms, and their deliveries that wait aside until it is time (contract "Terms of an event").

What has no terms is kept as if there were none of this: these rows have statements of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, update

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.store.bulk import InsertRows, Row, UpdateRows, given_rows, send_rows
from daemon.store.schema import NEW_DELIVERY_COLUMNS, deliveries, events
from daemon.store.stored_status import PENDING_ASIDE, PENDING_LOW
from daemon.store.writes.aside import aside_row, insert_aside
from daemon.store.writes.expiries import insert_expiries

_INSERT_LATER = InsertRows(deliveries, (*NEW_DELIVERY_COLUMNS, "next_attempt_at"))
_STATUS, _WEBHOOK = (NEW_DELIVERY_COLUMNS.index(name) for name in ("status", "webhook_id"))
_given = given_rows(seq=events.c.seq, deliver_at=events.c.deliver_at, expires_at=events.c.expires_at, low=events.c.low)
_SET_TERMS = UpdateRows(
    _given,
    update(events)
    .where(events.c.seq == _given.c.seq)
    .values(deliver_at=_given.c.deliver_at, expires_at=_given.c.expires_at, low=_given.c.low),
)


@dataclass(frozen=True, slots=True)
class TermRows:
    """What is to be kept beside usual rows: terms of events, deliveries that wait aside, and when they expire."""

    events: list[Row] = field(default_factory=list)
    later: list[Row] = field(default_factory=list)
    aside: list[Row] = field(default_factory=list)
    expiries: list[Row] = field(default_factory=list)

    def keep_later(self, rows: Iterable[Row], terms: DeliveryTerms) -> None:
        """Have deliveries, as `delivery_row` makes them, wait aside until the time of these terms."""
        assert terms.deliver_at is not None, "only what has a time waits for it"
        for row in rows:
            self.later.append((*row[:_STATUS], PENDING_ASIDE, *row[_STATUS + 1 :], terms.deliver_at))
            self.aside.append(aside_row(row[0], row[_WEBHOOK], due_at=terms.deliver_at, counted_from=None))

    def keep_expiry(self, rows: Iterable[Row], terms: DeliveryTerms) -> None:
        """Have deliveries, as `delivery_row` makes them, expire at the time of these terms, if they have one."""
        if terms.expires_at is not None:
            self.expiries.extend((row[0], row[_WEBHOOK], terms.expires_at) for row in rows)

    @property
    def kept(self) -> tuple[int, int]:
        """How many times were kept."""
        return len(self.aside), len(self.expiries)

    def first_time(self, behind: tuple[int, int] = (0, 0)) -> int | None:
        """Return the first time at which something is to happen, but for those that were kept first."""
        aside, expiries = behind
        times = [*(at for _, _, at, _ in self.aside[aside:]), *(at for _, _, at in self.expiries[expiries:])]
        return min(times, default=None)


def keep_terms(connection: Connection, rows: TermRows) -> None:
    """Keep what is to be kept of events that are there, and their deliveries."""
    for statement, some in ((_SET_TERMS, rows.events), (_INSERT_LATER, rows.later)):
        if some:
            send_rows(connection, statement, some)
    insert_aside(connection, rows.aside)
    insert_expiries(connection, rows.expiries)


def event_terms_row(seq: int, terms: DeliveryTerms) -> Row:
    """Return the row of an event's terms."""
    return (seq, terms.deliver_at, terms.expires_at, 1 if terms.low else None)


def low_row(row: Row) -> Row:
    """Return the row of a delivery of low priority, of what `delivery_row` made."""
    return (*row[:_STATUS], PENDING_LOW, *row[_STATUS + 1 :])


def is_later(terms: DeliveryTerms, now: int) -> bool:
    """Whether what is delivered on these terms is to be delivered later than `now`."""
    return terms.deliver_at is not None and terms.deliver_at > now
