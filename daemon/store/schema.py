"""The tables. `seq` is the order of acceptance: pages and queues go by it, ids are for the outside."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

# The newest migration: a database at this revision starts without loading Alembic (a test keeps the two together).
HEAD_REVISION = "0005"

metadata = MetaData()
# On SQLite only INTEGER is the rowid itself; BIGINT would cost a second B-tree.
_Seq = BigInteger().with_variant(Integer(), "sqlite")


def _seq() -> Column[int]:
    return Column("seq", _Seq, primary_key=True, autoincrement=True)


teams = Table(
    "teams",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("notification_emails", Text, nullable=False),  # JSON array
    Column("balance", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the key
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index("ix_api_keys_team", "team_id", "seq"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text),  # sealed, as the previous one
    Column("events", Text, nullable=False),  # JSON array
    Column("active", Boolean, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("disabled_reason", Text),
    Column("disabled_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("previous_secret", Text),
    Column("previous_secret_expires_at", BigInteger),
    Index("ix_webhooks_team", "team_id", "seq"),
)
_not_deleted = webhooks.c.deleted_at.is_(None)
Index("ix_webhooks_team_active", webhooks.c.team_id, webhooks.c.active, webhooks.c.seq, sqlite_where=_not_deleted)

events = Table(
    "events",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("traceparent", Text),
    Index("ix_events_team", "team_id", "seq"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("webhook_id", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts_made", Integer, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("cancel_reason", Text),
    Column("test", Boolean, nullable=False),
    Index("ix_deliveries_event", "event_id"),
    Index("ix_deliveries_team", "team_id", "seq"),
    Index("ix_deliveries_team_status", "team_id", "status", "seq"),
    Index("ix_deliveries_webhook", "webhook_id", "seq"),
    Index("ix_deliveries_webhook_status", "webhook_id", "status", "seq"),
)

# Pending deliveries of a webhook up to `through_seq`, but `except_seq`, that are to be cancelled.
cancellations = Table(
    "cancellations",
    metadata,
    _seq(),
    Column("webhook_id", Text, nullable=False),
    Column("through_seq", BigInteger, nullable=False),
    Column("except_seq", BigInteger),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("cancelled", Integer, nullable=False),  # so far
    Index("ix_cancellations_webhook", "webhook_id", "seq"),
)

# The first and the last time among the rows of a table with these places in the order of acceptance.
time_blocks = Table(
    "time_blocks",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("earliest", BigInteger, nullable=False),
    Column("latest", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_seq", _Seq, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("headers", Text, nullable=False),  # JSON array of [name, value]
    Column("body", LargeBinary, nullable=False),
    Column("error", Text),
    sqlite_with_rowid=False,
)

# How many deliveries of a webhook ended in the hour that began at `hour`.
webhook_hours = Table(
    "webhook_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, primary_key=True),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    sqlite_with_rowid=False,
)

credit_entries = Table(
    "credit_entries",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("delivery_id", Text),
    Column("note", Text),
    UniqueConstraint("delivery_id", name="uq_credit_entries_delivery"),  # a delivery is never charged twice
    Index("ix_credit_entries_team", "team_id", "seq"),
)

# What a team's debits consumed on the UTC day that began at `day`.
credit_days = Table(
    "credit_days",
    metadata,
    Column("team_id", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("consumed", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("receipts", Text, nullable=False),  # JSON array of [event id, number of deliveries]
    Column("created_at", BigInteger, nullable=False),
    Index("ix_idempotency_keys_age", "created_at"),
)

mails = Table(
    "mails",
    metadata,
    _seq(),
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
)
# The migration names the condition for PostgreSQL, too; here that would load its dialect at each start.
Index("ix_mails_waiting", mails.c.next_attempt_at, sqlite_where=mails.c.sent_at.is_(None))
