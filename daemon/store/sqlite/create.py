"""Creating a database as the migrations would, without running them: they take longer than the rest of a start."""

import uuid

from sqlalchemy import Connection

from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.structure import structure_at


def create_newest(connection: Connection) -> None:
    """Create the tables, indexes and rows of the newest revision in an empty database."""
    for sql in structure_at(HEAD_REVISION).values():
        if sql:  # the indexes of PRIMARY KEY and UNIQUE have none: their tables create them
            connection.exec_driver_sql(sql)
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD_REVISION,))
    connection.exec_driver_sql(
        "INSERT INTO daemon_state (id, database_id, commit_number) VALUES (1, ?, 0)", (uuid.uuid4().hex,)
    )
