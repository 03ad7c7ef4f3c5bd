"""The tables of event types that were added while the daemon ran."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Table, Text

from daemon.store.tables import metadata

event_types = Table(
    "event_types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("example", Text, nullable=False),  # JSON object
    Column("validates", Boolean, nullable=False),
    Column("version", Integer),  # the newest; NULL: there is no schema
    Column("deprecated_at", BigInteger),
    Column("archived_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

event_type_versions = Table(
    "event_type_versions",
    metadata,
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("schema", Text, nullable=False),  # a JSON Schema: an object, true or false
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "version"),
)
