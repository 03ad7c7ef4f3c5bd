"""Writes and reads: the deliveries of large submissions, created in batches after the commit that accepted them.

A fan-out is what one submission contains for one team: a range of events, and per event type the webhooks that
subscribed when it was accepted; per event, by its id, which of them it is for, if not for all. Invariant: the
deliveries before (`next_seq`, `next_place`) are made, the others are not, and `remaining` counts these.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Select, case, delete, func, insert, select, update
from sqlalchemy import Row as TableRow

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.ids import fan_out_delivery_id
from daemon.domain.model import MAX_INLINE_BODY_BYTES, CancelReason, DeliveryStatus, Work
from daemon.domain.submission import FanOut, chosen_of
from daemon.store.bulk import InsertRows, Row, TextOf, execute_rows
from daemon.store.commands import Cancelled, CancelledDelivery
from daemon.store.fan_out_commands import MadeDeliveries, MakeDeliveries
from daemon.store.rows import to_json
from daemon.store.schema import NEW_DELIVERY_COLUMNS, deliveries, events, fan_out_cancellations, fan_outs, webhooks
from daemon.store.sequences import Sequences
from daemon.store.writes.counters import count_cancelled
from daemon.store.writes.terms import TermRows, is_later, keep_terms, low_row

_COLUMNS = (*NEW_DELIVERY_COLUMNS, "completed_at", "cancel_reason")
_INSERT = InsertRows(deliveries, _COLUMNS, usually_many=True)
_PENDING, _CANCELLED = DeliveryStatus.PENDING.value, DeliveryStatus.CANCELLED.value
_LIGHT_BODY = case((func.length(events.c.body) <= MAX_INLINE_BODY_BYTES, TextOf(events.c.body)), else_=None)


def fan_out_row(fan_out: FanOut, webhook_ids: Mapping[str, Sequence[str]], now: int) -> dict[str, Any]:
    """Return the row of a fan-out that begins; `webhook_ids` are by event type."""
    return {
        "first_seq": fan_out.first_seq,
        "last_seq": fan_out.last_seq,
        "team_id": fan_out.team_id,
        "next_seq": fan_out.first_seq,
        "next_place": 0,
        "remaining": fan_out.remaining,
        "accepted_at": now,
        "webhooks": to_json(webhook_ids),
    }


def insert_fan_outs(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep new fan-outs, as `fan_out_row` makes them."""
    if rows:
        connection.execute(insert(fan_outs), rows)


def unfinished_fan_outs(connection: Connection, team_id: str | None = None) -> list[FanOut]:
    """Return all fan-outs that are not finished, or a team's, in the order of acceptance."""
    query = select(fan_outs.c.first_seq, fan_outs.c.last_seq, fan_outs.c.team_id, fan_outs.c.remaining)
    query = query if team_id is None else query.where(fan_outs.c.team_id == team_id)
    return [FanOut(*row) for row in connection.execute(query.order_by(fan_outs.c.first_seq))]


def cancel_deferred_deliveries(connection: Connection, webhook_id: str, reason: CancelReason, now: int) -> None:
    """Arrange for the deliveries still to be created for this webhook to be cancelled as they are created."""
    team_id = select(webhooks.c.team_id).where(webhooks.c.id == webhook_id).scalar_subquery()
    last = connection.execute(select(func.max(fan_outs.c.last_seq)).where(fan_outs.c.team_id == team_id)).scalar()
    if last is None:
        return
    # What an earlier one covers keeps its reason and its time.
    this = fan_out_cancellations.c.webhook_id == webhook_id, fan_out_cancellations.c.last_seq >= last
    if connection.execute(select(fan_out_cancellations.c.last_seq).where(*this).limit(1)).first() is None:
        row = {"webhook_id": webhook_id, "last_seq": last, "reason": reason.value, "cancelled_at": now}
        connection.execute(insert(fan_out_cancellations), [row])


def make_deliveries(
    connection: Connection, commands: Sequence[MakeDeliveries], sequences: Sequences
) -> list[MadeDeliveries]:
    """Make the next deliveries of these teams' fan-outs."""
    return [_make_piece(connection, command, sequences) for command in commands]


@dataclass(slots=True)
class _Piece:
    """What one command makes: rows, and the work that goes to the actors."""

    left: int
    seqs: Iterator[int]
    rows: list[Row] = field(default_factory=list)
    terms: TermRows = field(default_factory=TermRows)
    work: list[tuple[str, Work]] = field(default_factory=list)
    cancelled: dict[tuple[str, CancelReason], list[CancelledDelivery]] = field(default_factory=dict)
    cancelled_at: Counter[tuple[str, int]] = field(default_factory=Counter)  # by webhook and time


@dataclass(frozen=True, slots=True)
class _Cancellation:
    last_seq: int
    reason: CancelReason
    at: int


# By webhook, in the order in which they were made.
_Cancellations = Mapping[str, Sequence[_Cancellation]]


def _make_piece(connection: Connection, command: MakeDeliveries, sequences: Sequences) -> MadeDeliveries:
    piece = _Piece(command.limit, sequences.take_deliveries(connection, command.limit))
    cancellations = _cancellations(connection, command.team_id)
    while piece.left and (row := _first(connection, command)) is not None:
        _make_of(connection, row, piece=piece, cancellations=cancellations)
    execute_rows(connection, _INSERT, piece.rows)
    keep_terms(connection, piece.terms)
    count_cancelled(connection, piece.cancelled_at)
    row = _first(connection, command)
    if row is None:
        _delete_cancellations(connection)
    return MadeDeliveries(
        made=len(piece.rows) + len(piece.terms.later),
        work=tuple(piece.work),
        cancelled={whose: Cancelled(len(those), tuple(those)) for whose, those in piece.cancelled.items()},
        next_first_seq=None if row is None else row.first_seq,
        set_aside=tuple(webhook_id for _, webhook_id, *_ in piece.terms.aside),
        due_at=piece.terms.first_time(),
    )


def _first(connection: Connection, command: MakeDeliveries) -> TableRow[Any] | None:
    query = select(fan_outs).where(
        fan_outs.c.team_id == command.team_id, fan_outs.c.first_seq <= command.until_first_seq
    )
    # Two nodes may take themselves for the one that makes them, for a moment.
    return connection.execute(query.order_by(fan_outs.c.first_seq).limit(1).with_for_update()).first()


def _cancellations(connection: Connection, team_id: str) -> _Cancellations:
    found: dict[str, list[_Cancellation]] = {}
    of_team = fan_out_cancellations.c.webhook_id.in_(select(webhooks.c.id).where(webhooks.c.team_id == team_id))
    query = select(fan_out_cancellations).where(of_team).order_by(fan_out_cancellations.c.last_seq)
    for row in connection.execute(query):
        cancellation = _Cancellation(row.last_seq, CancelReason(row.reason), row.cancelled_at)
        found.setdefault(row.webhook_id, []).append(cancellation)
    return found


def _make_of(
    connection: Connection,
    fan_out: TableRow[Any],
    piece: _Piece,
    cancellations: _Cancellations,
) -> None:
    """Make the next deliveries of one fan-out, and record how far it got, or that it is finished."""
    by_type: Mapping[str, list[str] | str] = orjson.loads(fan_out.webhooks)
    stands_at, made = (fan_out.next_seq, fan_out.next_place), 0
    with connection.execute(_events_left(fan_out)) as found:
        for event in found:
            webhook_ids = by_type.get(event.type, [])
            if isinstance(places := by_type.get(event.id), str):
                webhook_ids = chosen_of(places, webhook_ids)
            place = fan_out.next_place if event.seq == fan_out.next_seq else 0
            chosen = webhook_ids[place : place + piece.left]
            for webhook_id in chosen:
                covering = (one for one in cancellations.get(webhook_id, ()) if event.seq <= one.last_seq)
                _make_one(event, webhook_id, piece=piece, cancellation=next(covering, None))
            made, piece.left = made + len(chosen), piece.left - len(chosen)
            is_over = place + len(chosen) == len(webhook_ids)
            stands_at = (event.seq + 1, 0) if is_over else (event.seq, place + len(chosen))
            if not piece.left:
                break
    # If the batch is not full, all events have been processed.
    remaining = 0 if piece.left else fan_out.remaining - made
    _note(connection, fan_out.first_seq, stands_at=stands_at, remaining=remaining)


def _events_left(fan_out: TableRow[Any]) -> Select[Any]:
    query = select(events.c.seq, events.c.id, events.c.type, _LIGHT_BODY.label("body"), events.c.accepted_at)
    query = query.add_columns(events.c.deliver_at, events.c.expires_at, events.c.low)
    query = query.add_columns(events.c.team_id, events.c.test, events.c.traceparent).where(
        events.c.team_id == fan_out.team_id
    )
    return query.where(events.c.seq.between(fan_out.next_seq, fan_out.last_seq)).order_by(events.c.seq)


def _note(connection: Connection, first_seq: int, stands_at: tuple[int, int], remaining: int) -> None:
    this = fan_outs.c.first_seq == first_seq
    if remaining:
        next_seq, next_place = stands_at
        state = {"next_seq": next_seq, "next_place": next_place, "remaining": remaining}
        connection.execute(update(fan_outs).where(this).values(**state))
    else:
        connection.execute(delete(fan_outs).where(this))


def _make_one(event: TableRow[Any], webhook_id: str, piece: _Piece, cancellation: _Cancellation | None) -> None:
    seq, delivery_id, test = next(piece.seqs), fan_out_delivery_id(event.id, webhook_id), int(event.test)
    identity = (seq, delivery_id, event.id, event.type, webhook_id, event.team_id)
    if cancellation is not None:
        ended = (cancellation.at, cancellation.reason.value)
        piece.rows.append((*identity, _CANCELLED, 0, event.accepted_at, test, *ended))
        name = CancelledDelivery(delivery_id, event.id, event.type)
        piece.cancelled.setdefault((webhook_id, cancellation.reason), []).append(name)
        piece.cancelled_at[webhook_id, cancellation.at] += 1
        return
    row = (*identity, _PENDING, 0, event.accepted_at, test)
    terms = DeliveryTerms(deliver_at=event.deliver_at, expires_at=event.expires_at, low=bool(event.low))
    piece.terms.keep_expiry([row], terms)
    if is_later(terms, event.accepted_at):
        piece.terms.keep_later([row], terms)
        return
    piece.rows.append((*(low_row(row) if terms.low else row), None, None))
    body = event.body and event.body.encode()
    work = Work(
        seq=seq,
        delivery_id=delivery_id,
        event_id=event.id,
        event_type=event.type,
        body=body,
        created_at=event.accepted_at,
        test=bool(event.test),
        traceparent=event.traceparent,
        expires_at=event.expires_at,
        low=terms.low,
    )
    piece.work.append((webhook_id, work))


def _delete_cancellations(connection: Connection) -> None:
    """Delete those that no unfinished fan-out needs any more."""
    first = connection.execute(select(func.min(fan_outs.c.first_seq))).scalar()
    over = delete(fan_out_cancellations)
    connection.execute(over if first is None else over.where(fan_out_cancellations.c.last_seq < first))
