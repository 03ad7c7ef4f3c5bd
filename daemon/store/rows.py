"""Rows to values and back."""

from typing import Any

import orjson
from sqlalchemy import Row

from daemon.domain.model import (
    ApiKey,
    Attempt,
    CancelReason,
    CreditEntry,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Event,
    FailedDelivery,
    Mail,
    Outcome,
    OutcomeKind,
    Team,
    Webhook,
)


def to_json(value: Any) -> str:
    """Return JSON text for a column that holds a list or a mapping."""
    return orjson.dumps(value).decode()


def team(row: Row[Any]) -> Team:
    """Return the Team of a row of `teams`."""
    return Team(row.id, row.name, tuple(orjson.loads(row.notification_emails)), row.created_at, row.max_webhooks)


def team_row(value: Team) -> dict[str, Any]:
    """Return the columns of `teams` that a Team decides (not the balance)."""
    return {
        "id": value.id,
        "name": value.name,
        "notification_emails": to_json(value.notification_emails),
        "created_at": value.created_at,
        "max_webhooks": value.max_webhooks,
    }


def api_key(row: Row[Any]) -> ApiKey:
    """Return the ApiKey of a row of `api_keys`."""
    return ApiKey(row.id, row.team_id, row.name, row.created_at, row.revoked_at)


def webhook(row: Row[Any]) -> Webhook:
    """Return the Webhook of a row of `webhooks`."""
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
    }


def event(row: Row[Any]) -> Event:
    """Return the Event of a row of `events`."""
    return Event(row.id, row.team_id, row.type, row.timestamp, row.body, row.accepted_at, row.test, row.traceparent)


def delivery(row: Row[Any]) -> Delivery:
    """Return the Delivery of a row of `deliveries`."""
    return Delivery(
        row.seq,
        row.id,
        row.event_id,
        row.event_type,
        row.webhook_id,
        row.team_id,
        DeliveryStatus(row.status),
        row.attempts_made,
        row.next_attempt_at,
        row.created_at,
        row.completed_at,
        CancelReason(row.cancel_reason) if row.cancel_reason else None,
        row.test,
    )


def attempt(row: Row[Any]) -> Attempt:
    """Return the Attempt of a row of `attempts`."""
    headers = tuple((name, value) for name, value in orjson.loads(row.headers))
    outcome = Outcome(OutcomeKind(row.outcome), row.duration_ms, row.status, headers, row.body, row.error)
    return Attempt(row.number, row.started_at, outcome)


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
    return CreditEntry(row.id, row.team_id, row.amount, row.balance_after, row.created_at, row.delivery_id, row.note)


def mail(row: Row[Any]) -> Mail:
    """Return the Mail of a row of `mails`."""
    failures = tuple(
        FailedDelivery(**{**failure, "outcome": OutcomeKind(failure["outcome"])})
        for failure in orjson.loads(row.failures)
    )
    return Mail(
        row.id,
        row.team_id,
        tuple(orjson.loads(row.recipients)),
        row.webhook_id,
        row.webhook_name,
        row.webhook_url,
        row.disabled_at,
        failures,
        row.created_at,
        row.attempts_made,
        row.next_attempt_at,
    )
