"""The tables. `seq` is the order of acceptance: pages and queues use it, ids are for external use.

What is specific to one engine, such as table layout or which rows an index covers, is in the migrations.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from daemon.store.erasure_schema import erasures as erasures
from daemon.store.event_type_schema import event_type_versions as event_type_versions
from daemon.store.event_type_schema import event_types as event_types
from daemon.store.outboxes import mails as mails
from daemon.store.outboxes import operational_events as operational_events
from daemon.store.tables import metadata as metadata
from daemon.store.tables import seq
from daemon.store.tally_schema import LATENCY_COLUMNS as LATENCY_COLUMNS
from daemon.store.tally_schema import credit_days as credit_days
from daemon.store.tally_schema import webhook_errors as webhook_errors
from daemon.store.tally_schema import webhook_hours as webhook_hours
from daemon.store.waiting_schema import expiries as expiries
from daemon.store.waiting_schema import set_aside as set_aside

# The newest migration: a database at this revision starts without loading Alembic (a test keeps the two together).
HEAD_REVISION = "0034"


teams = Table(
    "teams",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("notification_emails", Text, nullable=False),  # JSON array
    Column("balance", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("max_webhooks", Integer),  # NULL: the setting's default
    Column("low_credits", BigInteger),  # below it the team is told; NULL: never
    Column("time_zone", Text),  # its name; NULL: UTC
)

api_keys = Table(
    "api_keys",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the key
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("role", Text, nullable=False),
    Column("last_used_at", BigInteger),
    Index("ix_api_keys_team", "team_id", "seq"),
)

ended_sessions = Table(  # of the console: few, and gone when they would have expired
    "ended_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
Index("ix_ended_sessions_expiry", ended_sessions.c.expires_at)

webhooks = Table(
    "webhooks",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text),  # sealed, like previous_secret
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
    Column("signature_switches_at", BigInteger),
    Column("recovering_since", BigInteger),
    Column("paused_at", BigInteger),
    Column("resumes_at", BigInteger),
    Column("live", Boolean, nullable=False),
    Column("about", Text, nullable=False),
    Column("body_format", Text, nullable=False),
    Column("options", Text),  # JSON object; NULL: all as usual
    Index("ix_webhooks_team", "team_id", "seq"),
    Index("ix_webhooks_about", "about", "team_id"),
    Index("ix_webhooks_paused", "paused_at", "id"),
    Index("ix_webhooks_resuming", "resumes_at", "id"),
    Index("ix_webhooks_live", "live", "deleted_at", "id"),
)
Index("ix_webhooks_team_active", webhooks.c.team_id, webhooks.c.active, webhooks.c.seq)  # of those not deleted

events = Table(
    "events",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("traceparent", Text),
    Column("key_id", Text),  # whose key it came with; NULL: nobody knows
    Column("deliver_at", BigInteger),  # NULL: at once
    Column("expires_at", BigInteger),  # NULL: never
    Column("erased_at", BigInteger),  # its body is empty then
    Column("low", Boolean),  # its priority; NULL: normal
    Index("ix_events_team", "team_id", "seq"),
)

# The deliveries of a large submission's events of one team that are still to be made: from `next_seq` on.
fan_outs = Table(
    "fan_outs",
    metadata,
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),  # of its events
    Column("last_seq", BigInteger, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("next_place", Integer, nullable=False),  # among the webhooks of that event
    Column("remaining", Integer, nullable=False),  # deliveries
    Column("accepted_at", BigInteger, nullable=False),
    Column("webhooks", Text, nullable=False),  # JSON object: per event type the ids of the webhooks
    Index("ix_fan_outs_team", "team_id", "first_seq"),
)

# Webhooks disabled or deleted in the meantime: their deliveries of events up to `last_seq`, and after that of the
# previous row, are created as cancelled.
fan_out_cancellations = Table(
    "fan_out_cancellations",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("last_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("cancelled_at", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    seq(),
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
    Column("origin", Text),  # how it was queued again; NULL: it was made of its event
    Column("origin_id", Text),  # the delivery that it was queued again for, if there was one
    Index("ix_deliveries_event", "event_id"),
    Index("ix_deliveries_team", "team_id", "seq"),
    Index("ix_deliveries_team_status", "team_id", "status", "seq"),
    Index("ix_deliveries_webhook", "webhook_id", "seq"),
    Index("ix_deliveries_webhook_status", "webhook_id", "status", "seq"),
)

# Pending deliveries of a webhook up to `through_seq`, except `except_seq` or `except_seqs`, that are still to be
# cancelled.
cancellations = Table(
    "cancellations",
    metadata,
    seq(),
    Column("webhook_id", Text, nullable=False),
    Column("through_seq", BigInteger, nullable=False),
    Column("except_seq", BigInteger),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("cancelled", Integer, nullable=False),  # so far
    Column("except_seqs", Text),
    Index("ix_cancellations_webhook", "webhook_id", "seq"),
)

# The earliest and the latest time among the rows of a table in this range of `seq`.
time_blocks = Table(
    "time_blocks",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("earliest", BigInteger, nullable=False),
    Column("latest", BigInteger, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("headers", Text, nullable=False),  # JSON array of [name, value]
    Column("body", LargeBinary, nullable=False),
    Column("error", Text),
)


credit_entries = Table(
    "credit_entries",
    metadata,
    seq(),
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

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("receipts", Text, nullable=False),  # JSON array of [event id, number of deliveries]; of events only
    Column("created_at", BigInteger, nullable=False),
    Index("ix_idempotency_keys_age", "created_at"),
)

# The answer to a request that created something, for its retries with the same idempotency key.
kept_answers = Table(
    "kept_answers",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("answer", Text, nullable=False),  # sealed
    Column("created_at", BigInteger, nullable=False),
    Index("ix_kept_answers_age", "created_at"),
)

# Who changed what: rows are only added, and the oldest deleted.
audit_entries = Table(
    "audit_entries",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("key_id", Text, nullable=False),  # `operator`: the operator's, `daemon`: nobody asked
    Column("key_name", Text, nullable=False),
    Column("address", Text),  # from where
    Column("action", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("changes", Text, nullable=False),  # JSON object: what became of each field
    Index("ix_audit_entries_team", "team_id", "seq"),
)

portal_links = Table(
    "portal_links",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the token
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("once", Boolean, nullable=False),
    Column("return_url", Text),
    Column("used_at", BigInteger),  # the last sign-in
    Column("revoked_at", BigInteger),
    Index("ix_portal_links_team", "team_id", "seq"),
)
Index("ix_portal_links_expiry", portal_links.c.expires_at)

# Notification addresses that were asked whether they want a team's mails; kept for as long as the mail is valid.
address_confirmations = Table(
    "address_confirmations",
    metadata,
    seq(),
    Column("mail_id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("mailbox", Text, nullable=False),  # the same for all addresses of one mailbox
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the mail's token
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # confirmed, removed, or asked anew
    Index("ix_address_confirmations_team", "team_id", "seq"),
    Index("ix_address_confirmations_mailbox", "mailbox", "created_at"),
)
Index("ix_address_confirmations_expiry", address_confirmations.c.expires_at)

# Many deliveries that are resent or cancelled for one request; rows of a team beyond the newest are deleted.
bulk_jobs = Table(
    "bulk_jobs",
    metadata,
    seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("wanted", Text, nullable=False),  # JSON object: a filter
    Column("by_id", Boolean, nullable=False),
    Column("seqs", Text),  # JSON array of the deliveries that were named; NULL: none were, or it is over
    Column("through_seq", BigInteger, nullable=False),  # of deliveries, like after_seq
    Column("status", Text, nullable=False),
    Column("total", Integer),  # NULL: too many to count
    Column("done", Integer, nullable=False),
    Column("after_seq", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("key_id", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Index("ix_bulk_jobs_team", "team_id", "seq"),
    Index("ix_bulk_jobs_team_status", "team_id", "status", "seq"),
    Index("ix_bulk_jobs_status", "status", "seq"),
)

# One row: the database's own id, how many transactions it has had, and the last plausible time.
daemon_state = Table(
    "daemon_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("database_id", Text, nullable=False),
    Column("commit_number", BigInteger, nullable=False),
    Column("trusted_time", BigInteger),
)

# The columns of a delivery that was never attempted: all others are NULL.
NEW_DELIVERY_COLUMNS = (
    "seq",
    "id",
    "event_id",
    "event_type",
    "webhook_id",
    "team_id",
    "status",
    "attempts_made",
    "created_at",
    "test",
)
