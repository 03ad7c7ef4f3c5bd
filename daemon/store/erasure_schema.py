"""The table of what is being erased."""

from sqlalchemy import BigInteger, Column, Table, Text

from daemon.store.tables import metadata, seq

# Erased events of which deliveries behind `after_seq` still have what their receivers answered.
erasures = Table(
    "erasures",
    metadata,
    seq(),
    Column("event_id", Text, nullable=False, unique=True),
    Column("team_id", Text, nullable=False),
    Column("after_seq", BigInteger, nullable=False),
)
