"""The tables of what waits to be sent or submitted: part of `daemon.store.schema`."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from daemon.store.tables import metadata, seq

mails = Table(
    "mails",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("webhook_id", Text, nullable=False),
    Column("webhook_name", Text, nullable=False),
    Column("webhook_url", Text, nullable=False),
    Column("disabled_at", BigInteger, nullable=False),
    Column("failures", Text, nullable=False),  # JSON array of FailedDelivery, oldest first
    Column("recipients", Text, nullable=False),  # JSON array: those who still wait for it
    Column("created_at", BigInteger, nullable=False),
    Column("attempts_made", Integer, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("last_error", Text),
    Column("kind", Text, nullable=False),
    Column("balance", BigInteger),  # of a mail about credits, in which what is said of a webhook is empty
)
Index("ix_mails_waiting", mails.c.next_attempt_at)  # of those not sent

# What operational webhooks are still to be told: gone once it is submitted as an event.
operational_events = Table(
    "operational_events",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),  # whose webhooks are told
    Column("type", Text, nullable=False),
    Column("about_team_id", Text, nullable=False),
    Column("webhook_id", Text),  # NULL: it is about credits
    Column("facts", Text, nullable=False),  # JSON object
    Column("created_at", BigInteger, nullable=False),
    Index("ix_operational_events_webhook", "webhook_id", "type"),
)
