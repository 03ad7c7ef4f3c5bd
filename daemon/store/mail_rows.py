"""Rows of `mails` to values and back."""

from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import Row

from daemon.domain.mails import Mail, MailKind
from daemon.domain.model import FailedDelivery, OutcomeKind
from daemon.store.rows import check_row, texts, to_json


def mail(row: Row[Any]) -> Mail:
    """Return the Mail of a row of `mails`, followed by its team's name and time zone."""
    check_row("mails", row)
    failures = tuple(
        FailedDelivery(**{**failure, "outcome": OutcomeKind(failure["outcome"])})
        for failure in orjson.loads(row.failures)
    )
    return Mail(
        id=row.id,
        team_id=row.team_id,
        recipients=texts(row.recipients),
        webhook_id=row.webhook_id,
        webhook_name=row.webhook_name,
        webhook_url=row.webhook_url,
        disabled_at=row.disabled_at,
        failures=failures,
        created_at=row.created_at,
        attempts_made=row.attempts_made,
        next_attempt_at=row.next_attempt_at,
        team_name=row.team_name,
        kind=MailKind(row.kind),
        balance=row.balance,
        time_zone=row.time_zone or "UTC",
    )


def mail_row(value: Mail) -> dict[str, Any]:
    """Return the columns of a mail that waits to be sent for the first time."""
    return {
        "id": value.id,
        "team_id": value.team_id,
        "webhook_id": value.webhook_id,
        "webhook_name": value.webhook_name,
        "webhook_url": value.webhook_url,
        "disabled_at": value.disabled_at,
        "failures": to_json([asdict(failure) for failure in value.failures]),
        "recipients": to_json(value.recipients),
        "created_at": value.created_at,
        "attempts_made": 0,
        "next_attempt_at": value.created_at,
        "kind": value.kind,
        "balance": value.balance,
    }
