"""Rows of `address_confirmations` to values."""

from typing import Any

from sqlalchemy import Row

from daemon.domain.team_addresses import PendingAddress
from daemon.store.rows import check_row


def pending_address(row: Row[Any]) -> PendingAddress:
    """Return the PendingAddress of a row of `address_confirmations`."""
    check_row("address_confirmations", row)
    return PendingAddress(
        mail_id=row.mail_id,
        team_id=row.team_id,
        email=row.email,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
