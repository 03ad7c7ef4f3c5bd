"""The tables of what is counted by the hour and by the day; `daemon.store.schema` has all tables."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from daemon.domain.latencies import LATENCY_EDGES_MS
from daemon.store.tables import metadata


def _tally(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


# How many attempts of an hour took at most so many ms, but longer than those of the column before.
LATENCY_COLUMNS = (*(f"latency_{edge}" for edge in LATENCY_EDGES_MS), "latency_more")

# How many deliveries of a webhook ended in the hour that began at `hour`, and what its attempts took.
webhook_hours = Table(
    "webhook_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, primary_key=True),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    _tally("cancelled"),
    *map(_tally, LATENCY_COLUMNS),
)

# How many attempts of a webhook failed in the hour that began at `hour`, by what happened.
webhook_errors = Table(
    "webhook_errors",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("webhook_id", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),  # 0: there was none
    Column("attempts", Integer, nullable=False),
)

# What a team's debits consumed on the UTC day that began at `day`.
credit_days = Table(
    "credit_days",
    metadata,
    Column("team_id", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("consumed", BigInteger, nullable=False),
)
