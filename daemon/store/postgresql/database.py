"""The PostgreSQL database, open; and one sentence when it cannot be used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, TypeGuard

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from daemon.domain.errors import StoreUnavailable
from daemon.domain.printable import in_one_line
from daemon.files.disk_usage import DiskUse
from daemon.store import request_commands
from daemon.store.commands import AcceptEvents, RecordAttempt
from daemon.store.engine import Apply, DatabaseAway, DatabaseRefused
from daemon.store.hold_commands import ChangeHolds, PruneHolds
from daemon.store.nodes import Change, Fence, PruneFeed
from daemon.store.postgresql import holds, pipeline, requests
from daemon.store.postgresql.accepting import accept_events
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.connections import (
    coordinating_engine,
    migrating_engine,
    reading_engine,
    renew_if_lost,
    writing_engine,
)
from daemon.store.postgresql.doubtful_commit import Fate, fate_of
from daemon.store.postgresql.failures import is_conflict, is_failure, unavailable
from daemon.store.postgresql.feed import changes_of_all, prune_feed, publish
from daemon.store.postgresql.fence import refusal_of, require_life
from daemon.store.postgresql.newest import bring_to_newest, require_usable
from daemon.store.postgresql.sequences import SharedSequences
from daemon.store.postgresql.silence import Deadlines
from daemon.store.progress import Progress
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import ReleaseSpace
from daemon.store.writes.credits import ON_DEBIT


def _leave_space(_connection: Connection, commands: Sequence[Any], _sequences: Sequences) -> list[bool]:
    """Release nothing: the server's own vacuum does."""
    return [False] * len(commands)


_OWN_COMMANDS: Mapping[type, Apply] = {
    ReleaseSpace: _leave_space,
    AcceptEvents: accept_events,
    PruneFeed: prune_feed,
    request_commands.AskRequest: requests.ask_requests,
    request_commands.AnswerRequest: requests.answer_requests,
    request_commands.SettleRequest: requests.settle_requests,
    request_commands.WithdrawRequest: requests.withdraw_requests,
    request_commands.KeepAnswer: requests.keep_answers,
    request_commands.PruneRequests: requests.prune_requests,
    ChangeHolds: holds.change_holds,
    PruneHolds: holds.prune_holds,
}


_IN_DOUBT = (
    "the database was lost while it committed, so this may have been kept: repeat it with the same Idempotency-Key, or "
    "look at what there is"
)
# One that waits for a synchronous standby takes as long as that one is away: then it is in doubt.
_LONGEST_TRANSACTION_S, _LONGEST_READ_S, _LONGEST_COORDINATION_S = 10.0, 5.0, 3.0


@dataclass(slots=True)
class PostgresqlDatabase:
    """The database, open: a `daemon.store.engine.Engine`.

    `writer` is that single connection, open for good; one that was lost is made anew by the next transaction. Without
    a `fence` nobody else may write. `pays_from_holds` says that credits are enforced over several nodes.
    """

    writing: Engine
    writer: Connection
    reading: Engine
    coordinating: Engine
    sequences: SharedSequences
    progress: Progress
    fence: Fence | None = None
    transactions: int = 0
    doubtful_commits: int = 0
    pays_from_holds: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)
    _changes: list[Change] = field(default_factory=list)

    @property
    def own_commands(self) -> Mapping[type, Apply]:
        """What this engine does otherwise."""
        return _OWN_COMMANDS

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction, and count it if it changed something; see `daemon.store.engine`.

        If the connection is lost during COMMIT, the server is asked what became of it.
        """
        node = None if self.fence is None else self.fence.begin()
        number = None
        self._changes.clear()
        renew_if_lost(self.writer)
        if self.pays_from_holds and node is not None:
            self.pay_from_holds_of(node)
        used: Any = self.writer.connection.driver_connection
        self.deadlines.begin(used, _LONGEST_TRANSACTION_S)
        pipeline.begin(self.writer)
        try:
            with self.writer.begin():
                yield self.writer
                # Last: all nodes wait for the row that this locks.
                publish(self.writer, self._changes)
                number = pipeline.number_of(self.writer)
                if number is not None and node is not None:
                    require_life(self.writer, node)
        except BaseException as error:
            # A server that answered has said the last word.
            is_in_doubt = used.closed
            pipeline.roll_back(self.writer)  # a failed COMMIT may have left it open, though Core takes it for ended
            if (refusal := refusal_of(error)) is not None:
                raise refusal from None
            if number is None or not is_in_doubt or not isinstance(error, DatabaseError):
                raise
            self._settle(number, error)
        finally:
            self.deadlines.end(used)
        self.transactions += number is not None

    def _settle(self, number: str, error: DatabaseError) -> None:
        """Return if the transaction with this id was committed in spite of an error in COMMIT, else raise."""
        self.doubtful_commits += 1
        match fate_of(self.writing, number):
            case Fate.COMMITTED:
                return
            case Fate.UNDONE:
                raise error
            case Fate.UNKNOWN:
                raise StoreUnavailable(_IN_DOUBT) from error

    def publish(self, commands: Sequence[Any], answers: Sequence[Any]) -> None:
        """Tell other nodes, in this transaction, what these commands changed that they keep in memory."""
        if self.fence is not None:
            self._changes += changes_of_all(commands, answers)

    def arrange(self, batch: Sequence[Any]) -> Sequence[int] | None:
        """Bring the outcomes together, and last: they lock teams, in one statement in the order of their ids.

        But none changes places with a change of holds, which relies on what was queued before it.
        """
        changes = accumulate(type(command) is ChangeHolds for command in batch)
        keys = [(part, type(command) is RecordAttempt) for part, command in zip(changes, batch, strict=True)]
        if keys == sorted(keys):
            return None
        return sorted(range(len(batch)), key=keys.__getitem__)

    def is_conflict(self, error: Exception) -> bool:
        """Whether the server ended the transaction because of another one."""
        return is_conflict(error)

    def pay_from_holds_of(self, node: int) -> None:
        """Have what is charged from now on taken from this node's holds, too (`daemon.store.postgresql.holds`)."""
        self.writer.execution_options(**{ON_DEBIT: partial(holds.spend, node)})

    def is_failure(self, error: Exception) -> TypeGuard[DatabaseError]:
        """Whether the database itself failed: gone, stopped, full, out of connections."""
        return is_failure(error)

    def unavailable(self, error: DatabaseError) -> StoreUnavailable:
        """Return the error that callers get for a failure."""
        return unavailable(error)

    def checkpoint_apart(self) -> None:
        """Nothing to do: the server makes its own."""

    def is_checkpoint_due(self) -> bool:
        """Never."""
        return False

    def disk_use(self) -> DiskUse:
        """Return the size of the database; how much room its host has is the host's to say."""
        try:
            with self.reading.connect() as connection:
                size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        except DatabaseError as error:
            raise OSError(in_one_line(error.orig)) from error
        return DiskUse(database=size)

    def lost_commits(self) -> int:
        """None: what the server acknowledged it has, unless a standby that lagged behind was promoted."""
        return 0

    def close(self) -> None:
        """Close every connection."""
        self.reading.dispose()
        self.coordinating.dispose()
        self.writer.close()
        self.writing.dispose()


def open_database(address: Address, progress: Progress | None = None) -> PostgresqlDatabase:
    """Open the database and bring it to the newest revision; an empty one gets our tables.

    Raises DatabaseAway when its server cannot be reached or takes no writes now, and DatabaseRefused when the database
    is another program's, was made by a newer version, or is of a kind that cannot be used.
    """
    address.require_valid()
    writing = writing_engine(address)
    try:
        with migrating_engine(address).begin() as connection:
            require_usable(connection)
            bring_to_newest(connection)
        writer = writing.connect()
    except DatabaseRefused as refusal:
        writing.dispose()
        raise type(refusal)(f"{address}: {refusal}") from None
    except SQLAlchemyError as error:
        writing.dispose()
        kind = DatabaseAway if is_failure(error) else DatabaseRefused
        said = in_one_line(getattr(error, "orig", error))
        raise kind(f"{address}: cannot be opened ({said}): check the address and the server") from None
    opened = PostgresqlDatabase(
        writing=writing,
        writer=writer,
        reading=reading_engine(address),
        coordinating=coordinating_engine(address),
        sequences=SharedSequences(),
        progress=progress or Progress(),
    )
    opened.deadlines.watch(opened.reading, _LONGEST_READ_S)
    opened.deadlines.watch(opened.coordinating, _LONGEST_COORDINATION_S)
    return opened
