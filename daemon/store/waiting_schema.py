"""The tables of what waits for a time of its own."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from daemon.store.tables import metadata

# Pending deliveries that wait until their time is due, and hold no other one of their webhook.
set_aside = Table(
    "set_aside",
    metadata,
    Column("delivery_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("counted_from", BigInteger),  # NULL: the time was asked for, and counts from nothing
    Index("ix_set_aside_due", "due_at", "delivery_seq"),
    Index("ix_set_aside_counted", "counted_from", "delivery_seq"),
)

# When deliveries of events that expire are cancelled, unless they are over by then.
expiries = Table(
    "expiries",
    metadata,
    Column("delivery_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_expiries_due", "expires_at", "delivery_seq"),
)
