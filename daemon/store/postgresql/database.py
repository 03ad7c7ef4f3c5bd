"""The PostgreSQL database, open; and one sentence when it cannot be used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

import psycopg
from sqlalchemy import URL, Connection, Engine, inspect
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from daemon.domain.errors import StoreUnavailable
from daemon.domain.printable import in_one_line
from daemon.files.disk_usage import DiskUse
from daemon.store import request_commands
from daemon.store.engine import Apply, DatabaseRefused
from daemon.store.hold_commands import ChangeHolds
from daemon.store.migrate import known_revisions, migrate
from daemon.store.postgresql import holds, requests
from daemon.store.postgresql.connections import reading_engine, writing_engine
from daemon.store.postgresql.failures import is_failure, unavailable
from daemon.store.progress import Progress
from daemon.store.schema import HEAD_REVISION
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import ReleaseSpace
from daemon.store.writes.credits import ON_DEBIT


def _leave_space(_connection: Connection, commands: Sequence[Any], _sequences: Sequences) -> list[bool]:
    """Release nothing: the server's own vacuum does."""
    return [False] * len(commands)


_HAS_CHANGED = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"
_OWN_COMMANDS: Mapping[type, Apply] = {
    ReleaseSpace: _leave_space,
    request_commands.AskRequest: requests.ask_requests,
    request_commands.AnswerRequest: requests.answer_requests,
    request_commands.SettleRequest: requests.settle_requests,
    request_commands.WithdrawRequest: requests.withdraw_requests,
    request_commands.KeepAnswer: requests.keep_answers,
    request_commands.PruneRequests: requests.prune_requests,
    ChangeHolds: holds.change_holds,
}


@dataclass(slots=True)
class PostgresqlDatabase:
    """The database, open: a `daemon.store.engine.Engine`.

    `writer` is that single connection, open for good; one that was lost is made anew by the next transaction.
    """

    writing: Engine
    writer: Connection
    reading: Engine
    sequences: Sequences
    progress: Progress
    transactions: int = 0

    @property
    def own_commands(self) -> Mapping[type, Apply]:
        """What this engine does otherwise."""
        return _OWN_COMMANDS

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction, and count it if it changed something."""
        try:
            with self.writer.begin():
                yield self.writer
                changed = self.writer.exec_driver_sql(_HAS_CHANGED).scalar_one()
        except BaseException:
            self._undo()
            raise
        self.transactions += changed

    def _undo(self) -> None:
        """End a transaction that a failed COMMIT may have left open, though Core takes it for ended."""
        if not self.writer.invalidated:
            with suppress(psycopg.Error):  # the connection is lost: so is the transaction
                self.writer.connection.rollback()

    def pay_from_holds_of(self, node: int) -> None:
        """Have what is charged from now on taken from this node's holds, too (`daemon.store.postgresql.holds`)."""
        self.writer.execution_options(**{ON_DEBIT: partial(holds.spend, node)})

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed: gone, stopped, full, out of connections."""
        return is_failure(error)

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return the error that callers get for a failure."""
        return unavailable(error)

    def is_checkpoint_due(self) -> bool:
        """Never: the server makes its own."""
        return False

    def disk_use(self) -> DiskUse:
        """Return the size of the database; how much room its host has is the host's to say."""
        with self.reading.connect() as connection:
            size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return DiskUse(database=size, wal=0, free=0, size=0)

    def lost_commits(self) -> int:
        """None: what the server acknowledged it has, unless a standby that lagged behind was promoted."""
        return 0

    def close(self) -> None:
        """Close every connection."""
        self.reading.dispose()
        self.writer.close()
        self.writing.dispose()


def open_database(url: URL, progress: Progress | None = None) -> PostgresqlDatabase:
    """Open the database and bring it to the newest revision; an empty one gets our tables.

    Raises DatabaseRefused when it cannot be reached, is another program's, or was made by a newer version.
    """
    writing = writing_engine(url)
    try:
        with writing.begin() as connection:
            _bring_to_newest(connection)
        with writing.connect() as connection:
            sequences = Sequences(connection)
    except DatabaseRefused:
        writing.dispose()
        raise
    except SQLAlchemyError as error:
        writing.dispose()
        said = in_one_line(getattr(error, "orig", error))
        raise DatabaseRefused(f"{_shown(url)}: cannot be opened ({said}): check the address and the server") from None
    return PostgresqlDatabase(
        writing=writing,
        writer=writing.connect(),
        reading=reading_engine(url),
        sequences=sequences,
        progress=progress or Progress(),
    )


def _bring_to_newest(connection: Connection) -> None:
    # Nodes that start together migrate one after the other.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('kakiyo-webhooks migrations'))")
    tables = inspect(connection).get_table_names()
    if not tables:
        migrate(connection)
        return
    if "alembic_version" not in tables:
        raise DatabaseRefused(f"{_shown(connection.engine.url)}: is another program's: choose an empty database")
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    if revision == HEAD_REVISION:
        return
    if revision not in known_revisions():
        raise DatabaseRefused(
            f"{_shown(connection.engine.url)}: was made by a newer version (revision {revision}): install that version"
        )
    migrate(connection)


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
