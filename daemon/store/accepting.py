"""Writes: events, their deliveries, and the idempotency keys that make a repetition harmless."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, tuple_

from daemon.errors import IdempotencyConflict
from daemon.model import LIGHT_BODY_BYTES, DeliveryStatus, Work
from daemon.store.commands import Accepted, AcceptEvents, ForgetIdempotencyKeys
from daemon.store.schema import deliveries, events, idempotency_keys
from daemon.store.sequences import Sequences
from daemon.submission import Idempotency, MatchedEvent, Receipt

IDEMPOTENCY_WINDOW_MS = 24 * 3600 * 1000

_First = tuple[bytes, tuple[Receipt, ...]]  # the first request's fingerprint and what it was answered


def accept_events(
    connection: Connection, commands: Sequence[AcceptEvents], sequences: Sequences
) -> list[Accepted | Exception]:
    """Keep all the submissions' events and deliveries; repeated ones get their first receipts and keep nothing."""
    first = _first_uses(connection, commands)
    rows: dict[str, list[dict[str, Any]]] = {"events": [], "deliveries": [], "keys": []}
    answers = [_accept(command, first, rows, sequences) for command in commands]
    for table, table_rows in (
        (events, rows["events"]),
        (deliveries, rows["deliveries"]),
        (idempotency_keys, rows["keys"]),
    ):
        if table_rows:
            connection.execute(insert(table), table_rows)
    return answers


def forget_idempotency_keys(
    connection: Connection, commands: Sequence[ForgetIdempotencyKeys], _sequences: Sequences
) -> list[None]:
    """Delete the keys that are older than their window."""
    before = max(command.before for command in commands)
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < before))
    return [None] * len(commands)


def _accept(
    command: AcceptEvents,
    first: dict[tuple[str, str], _First],
    rows: dict[str, list[dict[str, Any]]],
    sequences: Sequences,
) -> Accepted | Exception:
    name = command.idempotency and (command.idempotency.scope, command.idempotency.key)
    if command.idempotency and name in first:
        return _replayed(command.idempotency, first[name])
    work = tuple(_keep(matched, rows, sequences) for matched in command.events)
    receipts = tuple(Receipt(matched.event.id, len(matched.deliveries)) for matched in command.events)
    if command.idempotency and name:
        first[name] = (command.idempotency.fingerprint, receipts)
        rows["keys"].append(_key_row(command.idempotency, receipts, command.now))
    return Accepted(receipts, tuple(pair for pairs in work for pair in pairs))


def _replayed(idempotency: Idempotency, first: _First) -> Accepted | Exception:
    fingerprint, receipts = first
    if fingerprint != idempotency.fingerprint:
        return IdempotencyConflict("this idempotency key was used with another body: use a new key for a new request")
    return Accepted(receipts, replayed=True)


def _keep(matched: MatchedEvent, rows: dict[str, list[dict[str, Any]]], sequences: Sequences) -> list[tuple[str, Work]]:
    event = matched.event
    rows["events"].append(
        {
            "seq": sequences.next_event(),
            "id": event.id,
            "team_id": event.team_id,
            "type": event.type,
            "timestamp": event.timestamp,
            "body": event.body,
            "accepted_at": event.accepted_at,
            "test": event.test,
        }
    )
    work = []
    body = event.body if len(event.body) <= LIGHT_BODY_BYTES else None
    for delivery_id, webhook_id in matched.deliveries:
        seq = sequences.next_delivery()
        rows["deliveries"].append(
            delivery_row(
                seq, delivery_id, event.id, event.type, webhook_id, event.team_id, event.accepted_at, event.test
            )
        )
        work.append((webhook_id, Work(seq, delivery_id, event.id, event.type, body, test=event.test)))
    return work


def delivery_row(
    seq: int, delivery_id: str, event_id: str, event_type: str, webhook_id: str, team_id: str, now: int, test: bool
) -> dict[str, Any]:
    """Return the row of a delivery that was never attempted."""
    return {
        "seq": seq,
        "id": delivery_id,
        "event_id": event_id,
        "event_type": event_type,
        "webhook_id": webhook_id,
        "team_id": team_id,
        "status": DeliveryStatus.PENDING,
        "attempts_made": 0,
        "created_at": now,
        "test": test,
    }


def _key_row(idempotency: Idempotency, receipts: tuple[Receipt, ...], now: int) -> dict[str, Any]:
    return {
        "scope": idempotency.scope,
        "key": idempotency.key,
        "fingerprint": idempotency.fingerprint,
        "receipts": orjson.dumps([[receipt.event_id, receipt.deliveries] for receipt in receipts]).decode(),
        "created_at": now,
    }


def _first_uses(connection: Connection, commands: Sequence[AcceptEvents]) -> dict[tuple[str, str], _First]:
    used = [(command.idempotency, command.now) for command in commands if command.idempotency]
    if not used:
        return {}
    oldest = min(now for _, now in used) - IDEMPOTENCY_WINDOW_MS
    names = [(idempotency.scope, idempotency.key) for idempotency, _ in used]
    same = tuple_(idempotency_keys.c.scope, idempotency_keys.c.key).in_(names)
    connection.execute(delete(idempotency_keys).where(same, idempotency_keys.c.created_at <= oldest))
    found = connection.execute(select(idempotency_keys).where(same))
    return {(row.scope, row.key): (row.fingerprint, _receipts(row.receipts)) for row in found}


def _receipts(stored: str) -> tuple[Receipt, ...]:
    return tuple(Receipt(event_id, deliveries) for event_id, deliveries in orjson.loads(stored))
