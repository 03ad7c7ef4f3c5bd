"""Rows to values and back. Data that no version of ours writes is refused: DamagedRow says which cell it is in."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Row

from daemon.domain.audit import Actor, AuditAction, AuditEntry
from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import (
    ApiKey,
    Attempt,
    CancelReason,
    CreditEntry,
    Delivery,
    DisabledReason,
    FailedDelivery,
    KeyRole,
    LastAttempt,
    Origin,
    Outcome,
    OutcomeKind,
    Team,
    Webhook,
    Work,
)
from daemon.domain.operations import About, BodyFormat
from daemon.domain.portal_links import PortalLink
from daemon.domain.printable import printable
from daemon.domain.webhook_options import options_from_text, options_to_text
from daemon.store.cells import Kind, kind_of
from daemon.store.schema import metadata
from daemon.store.stored_status import PENDING_ASIDE, PENDING_LOW, status_of


class DamagedRow(StoreUnavailable):
    """A row holds what we never write: the message says which, and what to do. Others are as they were."""


# Each table's columns in their order: name, what it holds, and whether NULL is allowed.
_COLUMNS: Mapping[str, tuple[tuple[str, Kind, bool], ...]] = {
    table.name: tuple((column.name, kind_of(column), bool(column.nullable)) for column in table.columns)
    for table in metadata.sorted_tables
}
_BY_NAME = {(table, name): (kind, nullable) for table, columns in _COLUMNS.items() for name, kind, nullable in columns}


def right(table: str, column: str, value: Any) -> Any:
    """Return what was read from a cell of this column. Raises DamagedRow unless it is what we write there."""
    kind, nullable = _BY_NAME[table, column]
    if not (nullable if value is None else kind.holds(value)):
        raise _damaged(f"table {table}", column, kind)
    return value


def check_row(table: str, row: Row[Any]) -> None:
    """Check a row that begins with all columns of this table. Raises DamagedRow if a cell holds what we never write."""
    for (name, kind, nullable), value in zip(_COLUMNS[table], row, strict=False):
        if not (nullable if value is None else kind.holds(value)):
            raise _damaged(f"table {table}, row {printable(str(row[0])[:60])}", name, kind)


def _damaged(where: str, column: str, kind: Kind) -> DamagedRow:
    return DamagedRow(f"{where}: the column {column} does not hold {kind.words}: run doctor, and restore a backup")


def to_json(value: Any) -> str:
    """Return JSON text for a column that holds a list or a mapping."""
    return orjson.dumps(value).decode()


def texts(column: str) -> tuple[str, ...]:
    """Return what a column with a JSON array of texts holds."""
    return tuple(orjson.loads(column))


def team(row: Row[Any]) -> Team:
    """Return the Team of a row of `teams`."""
    check_row("teams", row)
    return Team(
        id=row.id,
        name=row.name,
        notification_emails=tuple(orjson.loads(row.notification_emails)),
        created_at=row.created_at,
        max_webhooks=row.max_webhooks,
        low_credits=row.low_credits,
        time_zone=row.time_zone or "UTC",
    )


def team_row(value: Team) -> dict[str, Any]:
    """Return the columns of `teams` that a Team decides (not the balance)."""
    return {
        "id": value.id,
        "name": value.name,
        "notification_emails": to_json(value.notification_emails),
        "created_at": value.created_at,
        "max_webhooks": value.max_webhooks,
        "low_credits": value.low_credits,
        "time_zone": value.time_zone,
    }


def api_key(row: Row[Any]) -> ApiKey:
    """Return the ApiKey of a row of `api_keys`."""
    check_row("api_keys", row)
    return ApiKey(
        id=row.id,
        team_id=row.team_id,
        name=row.name,
        created_at=row.created_at,
        role=KeyRole(row.role),
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def audit_entry(row: Row[Any]) -> AuditEntry:
    """Return the AuditEntry of a row of `audit_entries`."""
    check_row("audit_entries", row)
    return AuditEntry(
        id=row.id,
        team_id=row.team_id,
        created_at=row.created_at,
        by=Actor(row.key_id, row.key_name, row.address),
        action=AuditAction(row.action),
        subject_id=row.subject_id,
        changes=orjson.loads(row.changes),
    )


def portal_link(row: Row[Any]) -> PortalLink:
    """Return the PortalLink of a row of `portal_links`."""
    check_row("portal_links", row)
    return PortalLink(**{name: getattr(row, name) for name in PortalLink.__struct_fields__})


def webhook(row: Row[Any]) -> Webhook:
    """Return the Webhook of a row of `webhooks`."""
    check_row("webhooks", row)
    return Webhook(
        id=row.id,
        team_id=row.team_id,
        name=row.name,
        url=row.url,
        secret=row.secret,
        events=tuple(orjson.loads(row.events)),
        active=row.active,
        consecutive_failures=row.consecutive_failures,
        disabled_reason=DisabledReason(row.disabled_reason) if row.disabled_reason else None,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        previous_secret=row.previous_secret,
        previous_secret_expires_at=row.previous_secret_expires_at,
        signature_switches_at=row.signature_switches_at,
        recovering_since=row.recovering_since,
        paused_at=row.paused_at,
        resumes_at=row.resumes_at,
        live=row.live,
        about=About(row.about),
        body_format=BodyFormat(row.body_format),
        options=options_from_text(row.options),
    )


def webhook_row(value: Webhook) -> dict[str, Any]:
    """Return the columns of `webhooks` for a Webhook."""
    return {
        "id": value.id,
        "team_id": value.team_id,
        "name": value.name,
        "url": value.url,
        "secret": value.secret,
        "events": to_json(value.events),
        "active": value.active,
        "consecutive_failures": value.consecutive_failures,
        "disabled_reason": value.disabled_reason,
        "disabled_at": value.disabled_at,
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "deleted_at": value.deleted_at,
        "previous_secret": value.previous_secret,
        "previous_secret_expires_at": value.previous_secret_expires_at,
        "signature_switches_at": value.signature_switches_at,
        "recovering_since": value.recovering_since,
        "paused_at": value.paused_at,
        "resumes_at": value.resumes_at,
        "live": value.live,
        "about": value.about,
        "body_format": value.body_format,
        "options": options_to_text(value.options),
    }


def delivery(row: Row[Any]) -> Delivery:
    """Return the Delivery of a row of `deliveries`."""
    check_row("deliveries", row)
    return Delivery(
        seq=row.seq,
        id=row.id,
        event_id=row.event_id,
        event_type=row.event_type,
        webhook_id=row.webhook_id,
        team_id=row.team_id,
        status=status_of(row.status),
        attempts_made=row.attempts_made,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        completed_at=row.completed_at,
        cancel_reason=CancelReason(row.cancel_reason) if row.cancel_reason else None,
        test=row.test,
        origin=Origin(row.origin) if row.origin else None,
        origin_id=row.origin_id,
        waits_aside=row.status == PENDING_ASIDE,
        is_low=row.status == PENDING_LOW,
    )


def attempt(row: Row[Any]) -> Attempt:
    """Return the Attempt of a row of `attempts`."""
    check_row("attempts", row)
    headers = tuple((name, value) for name, value in orjson.loads(row.headers))
    outcome = Outcome(
        kind=OutcomeKind(row.outcome),
        duration_ms=row.duration_ms,
        status=row.status,
        headers=headers,
        body=row.body,
        error=row.error,
    )
    return Attempt(row.number, row.started_at, outcome)


def last_attempt(row: Row[*tuple[Any, ...]]) -> LastAttempt:
    """Return the LastAttempt of a row with its columns of `attempts`."""
    return LastAttempt(
        outcome=OutcomeKind(right("attempts", "outcome", row.outcome)),
        status=right("attempts", "status", row.status),
        duration_ms=right("attempts", "duration_ms", row.duration_ms),
        error=right("attempts", "error", row.error),
    )


def failed_delivery(row: Row[Any]) -> FailedDelivery:
    """Return the FailedDelivery of a row with its columns: of the delivery, its event and its last attempt."""
    return FailedDelivery(
        delivery_id=right("deliveries", "id", row.id),
        event_type=right("deliveries", "event_type", row.event_type),
        accepted_at=right("events", "accepted_at", row.accepted_at),
        failed_at=right("deliveries", "completed_at", row.completed_at),
        outcome=OutcomeKind(right("attempts", "outcome", row.outcome)),
        status=right("attempts", "status", row.status),
        error=right("attempts", "error", row.error),
    )


def work(row: Sequence[Any]) -> Work:
    """Return the Work of a pending delivery's columns, in the order of its fields."""
    seq, delivery_id, event_id, event_type, body, created_at, made, due_at, test, trace, expires_at, status = row
    times = (due_at is None or type(due_at) is int) and (expires_at is None or type(expires_at) is int)
    numbers = type(made) is int and type(created_at) is int and times
    texts = type(delivery_id) is type(event_type) is str and (trace is None or type(trace) is str)
    if not (numbers and texts and (body is None or type(body) is str)):
        raise DamagedRow(f"table deliveries, row {seq}: it cannot be sent: run doctor, and restore a backup")
    light = None if body is None else body.encode()
    return Work(
        seq=seq,
        delivery_id=delivery_id,
        event_id=event_id,
        event_type=event_type,
        body=light,
        created_at=created_at,
        attempts_made=made,
        next_attempt_at=due_at,
        test=bool(test),
        traceparent=trace,
        expires_at=expires_at,
        low=status == PENDING_LOW,
    )


def receipts(text: Any) -> list[tuple[str, int]]:
    """Return the ids of events and the numbers of their deliveries that a column `receipts` has."""
    return [(event_id, count) for event_id, count in orjson.loads(right("idempotency_keys", "receipts", text))]


def attempt_row(delivery_seq: int, value: Attempt) -> tuple[Any, ...]:
    """Return the columns of `attempts`, in their order, for an Attempt of this delivery."""
    outcome = value.outcome
    return (
        delivery_seq,
        value.number,
        value.started_at,
        outcome.duration_ms,
        outcome.kind.value,
        outcome.status,
        to_json(outcome.headers),
        outcome.body,
        outcome.error,
    )


def credit_entry(row: Row[Any]) -> CreditEntry:
    """Return the CreditEntry of a row of `credit_entries`."""
    check_row("credit_entries", row)
    return CreditEntry(
        id=row.id,
        team_id=row.team_id,
        amount=row.amount,
        balance_after=row.balance_after,
        created_at=row.created_at,
        delivery_id=row.delivery_id,
        note=row.note,
    )
