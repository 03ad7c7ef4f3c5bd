"""Statements that go to the server together, in libpq's pipeline mode: one round trip for all of them.

Theory of operation:

- Psycopg's cursors cost more than the statements: each looks at every value's type, and keeps what only a cursor needs.
  Here a statement is a constant, and its values are bytes already (`daemon.store.postgresql.binary`). The connection
  is psycopg's, and so are its state, its errors, and how a result's values are read.
- What goes together ends with one Sync. The server carries it out in order, and after an error leaves out the rest
  until the Sync. So a COMMIT among it is carried out only if all before it were. When the Sync is answered, everything
  has been, and the connection is out of pipeline mode again: cursors can use it until the next exchange.
- Any other end leaves nobody knowing what the server has done, so the connection is closed. Whoever sent a COMMIT tells
  the two apart by that: if the connection lives, the server's word is final.
- A statement is prepared by its first use, in the same round trip, and known by a name of its own from then on. A
  Parse is not undone by a rollback, but it is left out behind an error: a name is kept only if its own Parse was
  answered. A name is never given twice in a session. Psycopg has all that is prepared forgotten, ours too, when it
  carries out a ROLLBACK, so ours is made here (`roll_back`). If a name is not known all the same, or a plan no longer
  fits a table that was changed, the connection is closed, and the transaction can be tried again over a new one.
- Through a pooler each transaction may have another session. Then nothing is prepared, as in psycopg.
- Values are arrays, so one plan fits all numbers of rows. The server makes its lasting plan from the sixth use on,
  perhaps while a table is empty; the settings of the connection (`daemon.store.postgresql.connections`) and the
  statements' own form keep it from reading whole tables.
"""

import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import abc
from psycopg.adapt import Transformer
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

Values = Sequence[bytes | None]
# What only a new connection mends: a name that the server does not know, and a plan whose result has changed.
OUTDATED = (InvalidSqlStatementName, FeatureNotSupported)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement with `$1` and so on for its values. Each is its own, whatever its text: make it once."""

    text: str


_Sent = Sequence[tuple[Statement, Values]]
_ROLLBACK = Statement("ROLLBACK")


@dataclass(slots=True)
class Exchange:
    """What is exchanged over one connection, by one thread at a time."""

    connection: psycopg.Connection[Any]
    _names: dict[Statement, bytes] = field(default_factory=dict)
    _names_given: int = 0
    _reader: abc.Transformer = field(init=False)
    _socket: select.poll = field(default_factory=select.poll)

    def __post_init__(self) -> None:
        self._reader = Transformer(self.connection)

    def carry_out(self, statements: _Sent) -> list[PGresult]:
        """Carry out statements; return the result of each.

        Raises psycopg.Error for the first that fails; the rest was left out, and its transaction must end. If the
        connection is closed then, it is unknown what became of them.
        """
        results: list[PGresult] = []
        try:
            new_names = self._send_all(statements)
            self._receive_all(results)
            self.connection.pgconn.exit_pipeline_mode()
        except BaseException:
            self.connection.close()
            _raise_failure(results)  # what the server said before it hung up
            raise
        answers = list(self._answers(statements, new_names, iter(results)))
        try:
            _raise_failure(answers)
        except OUTDATED:
            self.connection.close()
            raise
        return answers

    def rows_of(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Return the rows of a result, as Python's values."""
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    @property
    def has_own_session(self) -> bool:
        """Whether the server's session is this connection's for good: it is not through a pooler."""
        return self.connection.prepare_threshold is not None

    def is_idle(self) -> bool:
        """Whether no transaction is open."""
        return self.connection.pgconn.transaction_status == TransactionStatus.IDLE

    def roll_back(self) -> None:
        """End an open transaction without keeping it. Raises psycopg.Error if the connection is lost."""
        if self.connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self.carry_out([(_ROLLBACK, ())])

    def _send_all(self, statements: _Sent) -> Sequence[bytes | None]:
        """Send statements; return for each the name under which it is being prepared, None if that was done before."""
        pgconn = self.connection.pgconn
        pgconn.enter_pipeline_mode()
        new_names = [self._send(statement, values) for statement, values in statements]
        pgconn.pipeline_sync()
        self._socket.register(pgconn.socket, select.POLLIN | select.POLLOUT)
        while pgconn.flush():
            # What the server answers meanwhile is read, or neither side could go on.
            if any(event & select.POLLIN for _, event in self._socket.poll()):
                pgconn.consume_input()
        return new_names

    def _send(self, statement: Statement, values: Values) -> bytes | None:
        pgconn, formats = self.connection.pgconn, [Format.BINARY] * len(values)
        if not self.has_own_session:
            pgconn.send_query_params(
                statement.text.encode(), values, param_formats=formats, result_format=Format.BINARY
            )
            return None
        name, new_name = self._names.get(statement), None
        if name is None:
            self._names_given += 1
            name = new_name = f"exchange_{self._names_given}".encode()
            pgconn.send_prepare(name, statement.text.encode())
        pgconn.send_query_prepared(name, values, param_formats=formats, result_format=Format.BINARY)
        return new_name

    def _receive_all(self, results: list[PGresult]) -> None:
        """Add to the results what the server answers until the Sync."""
        pgconn, is_after_last = self.connection.pgconn, False
        self._socket.register(pgconn.socket, select.POLLIN)
        while True:
            while pgconn.is_busy():
                self._socket.poll()
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                # One of these follows each answer. A second one: nothing is expected any more, and there was no Sync.
                if is_after_last:
                    raise psycopg.OperationalError("the connection is lost")
                is_after_last = True
                continue
            is_after_last = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                return
            results.append(result)

    def _answers(
        self, statements: _Sent, new_names: Sequence[bytes | None], results: Iterator[PGresult]
    ) -> Iterator[PGresult]:
        """Return each statement's result, that of its preparation if that failed; keep the names that are valid."""
        for (statement, _), new_name in zip(statements, new_names, strict=True):
            if new_name is None:
                yield next(results)
                continue
            prepared, carried_out = next(results), next(results)
            if prepared.status == ExecStatus.COMMAND_OK:
                self._names[statement] = new_name
                yield carried_out
            else:
                yield prepared


def _raise_failure(results: Sequence[PGresult]) -> None:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
