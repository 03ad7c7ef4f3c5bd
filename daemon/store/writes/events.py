"""Writes: events, their deliveries, and the idempotency keys that make a repetition harmless."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from msgspec import structs
from sqlalchemy import Connection

from daemon.domain.delivery_terms import DeliveryTerms
from daemon.domain.model import MAX_INLINE_BODY_BYTES, DeliveryStatus, Work
from daemon.domain.submission import FanOut, Idempotency, MatchedEvent, Receipt
from daemon.store.bulk import InsertRows, Row, send_rows
from daemon.store.commands import Accepted, AcceptEvents
from daemon.store.rows import receipts as read_receipts
from daemon.store.schema import NEW_DELIVERY_COLUMNS, deliveries, events, idempotency_keys
from daemon.store.sequences import Sequences
from daemon.store.writes.fan_outs import fan_out_row, insert_fan_outs
from daemon.store.writes.idempotency import FirstUses, first_uses, key_conflict
from daemon.store.writes.terms import TermRows, event_terms_row, is_later, keep_terms, low_row

_First = tuple[bytes, tuple[Receipt, ...]]  # the first request's fingerprint and what it was answered


def accept_events(
    connection: Connection, commands: Sequence[AcceptEvents], sequences: Sequences
) -> list[Accepted | Exception]:
    """Keep all the submissions' events and deliveries; repeated ones get their first receipts and keep nothing."""
    used = first_uses(connection, [command.idempotency for command in commands if command.idempotency])
    first = {name: (row.fingerprint, _receipts(row.receipts)) for name, row in used.rows.items()}
    rows = _new_rows(connection, commands, sequences)
    answers = [_accept(command, first, used=used, rows=rows) for command in commands]
    send_rows(connection, _INSERT_EVENTS, rows.events)
    insert_deliveries(connection, rows.deliveries)
    keep_terms(connection, rows.terms)
    send_rows(connection, _INSERT_KEYS, rows.keys)
    insert_fan_outs(connection, rows.fan_outs)
    return answers


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is to be inserted, by table; and the numbers of the events and deliveries among it."""

    event_seqs: Iterator[int]
    delivery_seqs: Iterator[int]
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    keys: list[Row] = field(default_factory=list)
    fan_outs: list[dict[str, Any]] = field(default_factory=list)
    terms: TermRows = field(default_factory=TermRows)


def _new_rows(connection: Connection, commands: Sequence[AcceptEvents], sequences: Sequences) -> _Rows:
    matched = [matched for command in commands for matched in command.events]
    deliveries_made = sum(len(one.deliveries) for one in matched)
    return _Rows(
        sequences.take_events(connection, len(matched)), sequences.take_deliveries(connection, deliveries_made)
    )


_INSERT_EVENTS = InsertRows(
    events, ("seq", "id", "team_id", "type", "timestamp", "body", "accepted_at", "test", "traceparent", "key_id")
)
_INSERT_DELIVERIES = InsertRows(deliveries, NEW_DELIVERY_COLUMNS)
_INSERT_REQUEUED = InsertRows(deliveries, (*NEW_DELIVERY_COLUMNS, "origin", "origin_id"))
_INSERT_KEYS = InsertRows(idempotency_keys, ("scope", "key", "fingerprint", "receipts", "created_at"))


def insert_deliveries(connection: Connection, rows: Sequence[Row]) -> None:
    """Keep deliveries that were never attempted, as `delivery_row` makes them."""
    send_rows(connection, _INSERT_DELIVERIES, rows)


def insert_requeued(connection: Connection, rows: Sequence[Row]) -> None:
    """Keep deliveries that are queued again: what `delivery_row` makes, then their origin and its delivery's id."""
    send_rows(connection, _INSERT_REQUEUED, rows)


def _accept(
    command: AcceptEvents,
    first: dict[tuple[str, str], _First],
    used: FirstUses,
    rows: _Rows,
) -> Accepted | Exception:
    name = command.idempotency and (command.idempotency.scope, command.idempotency.key)
    if command.idempotency and name in first:
        return _replayed(command.idempotency, first[name])
    first_row, times = len(rows.events), rows.terms.kept
    work = tuple(
        _keep(matched, rows) if matched.event.terms is None else _keep_on_terms(matched, matched.event.terms, rows)
        for matched in command.events
    )
    fan_outs = _fan_outs(command, [row[0] for row in rows.events[first_row:]]) if command.fan_outs else ()
    rows.fan_outs.extend(fan_out_row(fan_out, command.fan_outs[fan_out.team_id], command.now) for fan_out in fan_outs)
    receipts = tuple(Receipt(matched.event.id, matched.delivery_count) for matched in command.events)
    if command.idempotency and name:
        first[name] = (command.idempotency.fingerprint, receipts)
        rows.keys.append(_key_row(command.idempotency, receipts, used.time_of_use(command.now)))
    due_at = rows.terms.first_time(behind=times) if rows.terms.kept != times else None
    all_work = tuple(pair for pairs in work for pair in pairs)
    return Accepted(receipts, all_work, fan_outs=fan_outs, due_at=due_at)


def _fan_outs(command: AcceptEvents, seqs: Sequence[int]) -> tuple[FanOut, ...]:
    """Return the fan-outs of the command, by team; `seqs` are those of its events."""
    first, last, remaining = dict[str, int](), dict[str, int](), Counter[str]()
    for matched, seq in zip(command.events, seqs, strict=True):
        if matched.deferred_deliveries:
            team_id = matched.event.team_id
            first.setdefault(team_id, seq)
            last[team_id] = seq
            remaining[team_id] += matched.deferred_deliveries
    return tuple(
        FanOut(first[team_id], last[team_id], team_id=team_id, remaining=count) for team_id, count in remaining.items()
    )


def _replayed(idempotency: Idempotency, first: _First) -> Accepted | Exception:
    fingerprint, receipts = first
    if fingerprint != idempotency.fingerprint:
        return key_conflict()
    return Accepted(tuple(structs.replace(receipt, replayed=True) for receipt in receipts), replayed=True)


def _keep(matched: MatchedEvent, rows: _Rows) -> list[tuple[str, Work]]:
    event = matched.event
    test = int(event.test)
    rows.events.append(
        (
            next(rows.event_seqs),
            event.id,
            event.team_id,
            event.type,
            event.timestamp,
            event.body,
            event.accepted_at,
            test,
            event.traceparent,
            event.key_id,
        )
    )
    work = []
    body = event.body if len(event.body) <= MAX_INLINE_BODY_BYTES else None
    for delivery_id, webhook_id in matched.deliveries:
        seq = next(rows.delivery_seqs)
        rows.deliveries.append(
            delivery_row(
                seq,
                delivery_id,
                event_id=event.id,
                event_type=event.type,
                webhook_id=webhook_id,
                team_id=event.team_id,
                now=event.accepted_at,
                test=test,
            )
        )
        made = Work(
            seq=seq,
            delivery_id=delivery_id,
            event_id=event.id,
            event_type=event.type,
            body=body,
            created_at=event.accepted_at,
            test=event.test,
            traceparent=event.traceparent,
        )
        work.append((webhook_id, made))
    return work


def _keep_on_terms(matched: MatchedEvent, terms: DeliveryTerms, rows: _Rows) -> Sequence[tuple[str, Work]]:
    """Keep an event and, on its terms, the deliveries; return those that are due at once."""
    first = len(rows.deliveries)
    work = _keep(matched, rows)
    rows.terms.events.append(event_terms_row(rows.events[-1][0], terms))
    rows.terms.keep_expiry(rows.deliveries[first:], terms)
    if not is_later(terms, matched.event.accepted_at):
        if terms.low:
            rows.deliveries[first:] = map(low_row, rows.deliveries[first:])
        return [(one, structs.replace(made, expires_at=terms.expires_at, low=terms.low)) for one, made in work]
    made, rows.deliveries[first:] = rows.deliveries[first:], []
    rows.terms.keep_later(made, terms)
    return ()


def delivery_row(
    seq: int, delivery_id: str, event_id: str, event_type: str, webhook_id: str, team_id: str, now: int, test: int
) -> Row:
    """Return the `NEW_DELIVERY_COLUMNS` of a delivery, for `insert_deliveries`; `test` is 0 or 1."""
    return (seq, delivery_id, event_id, event_type, webhook_id, team_id, _PENDING, 0, now, test)


_PENDING = DeliveryStatus.PENDING.value


def _key_row(idempotency: Idempotency, receipts: tuple[Receipt, ...], now: int) -> Row:
    stored = orjson.dumps([[receipt.event_id, receipt.deliveries] for receipt in receipts]).decode()
    return (idempotency.scope, idempotency.key, idempotency.fingerprint, stored, now)


def _receipts(stored: object) -> tuple[Receipt, ...]:
    return tuple(Receipt(event_id, deliveries) for event_id, deliveries in read_receipts(stored))
