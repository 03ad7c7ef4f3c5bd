"""Statements of the writer that wait for each other, so that few round trips carry them all.

A statement whose result nobody needs waits until another one's is needed, or until the transaction ends. The server
carries them out in their order; after one that fails it leaves out the others, and the transaction must end
(`daemon.store.postgresql.exchange`). BEGIN goes with the first of them, COMMIT with the last.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from daemon.store.bulk import Row
from daemon.store.postgresql.exchange import Exchange, Statement, Values

_PIPELINE = "pipeline"
_BEGIN, _COMMIT = Statement("BEGIN"), Statement("COMMIT")
# The transaction's id, if it has changed something.
_NUMBER = Statement("SELECT pg_current_xact_id_if_assigned()::text")


@dataclass(slots=True)
class _Pipeline:
    """What waits on one connection; and the id of its transaction, once it is known, if `is_numbered`."""

    exchange: Exchange
    waiting: list[tuple[Statement, Values]] = field(default_factory=list)
    is_numbered: bool = False
    number: str | None = None


def begin(connection: Connection) -> None:
    """Be told the id of the transaction that is to begin, as soon as it has one, at no round trip of its own."""
    pipeline = _pipeline_of(connection)
    pipeline.waiting.clear()
    pipeline.is_numbered, pipeline.number = True, None


def send(connection: Connection, statement: Statement, values: Values) -> None:
    """Have a statement carried out before the next one whose result is needed, at the latest by `flush`."""
    _pipeline_of(connection).waiting.append((statement, values))


def fetch(connection: Connection, statement: Statement, values: Values) -> tuple[int, list[Row]]:
    """Carry out what waits and this statement; return how many rows it changed or found, and those that it returned.

    Raises SQLAlchemy's DBAPIError, for what waited, too.
    """
    pipeline = _pipeline_of(connection)
    pipeline.waiting.append((statement, values))
    result = _carry_out(connection, pipeline)[-1]
    return result.command_tuples or 0, pipeline.exchange.rows_of(result) if result.nfields else []


def fetch_alone(connection: Connection, statement: Statement, values: Values) -> list[Row]:
    """Carry out one statement as a transaction of its own, unless one is open; return its rows.

    Only for what reads or calls out: nobody could say of a change whether it was kept. Raises SQLAlchemy's DBAPIError.
    """
    pipeline = _pipeline_of(connection)
    if not (pipeline.exchange.has_own_session or connection.in_transaction()):
        connection.begin()  # its settings hold in a transaction only
    [result] = _exchange(connection, pipeline.exchange, [(statement, values)])
    return pipeline.exchange.rows_of(result)


def flush(connection: Connection) -> None:
    """Carry out what waits. Raises SQLAlchemy's DBAPIError."""
    pipeline = _pipeline_of(connection)
    if pipeline.waiting:
        _carry_out(connection, pipeline)


def number_of(connection: Connection) -> str | None:
    """Return the id of this transaction, None if it has changed nothing; only if that is not known, carry out all."""
    pipeline = _pipeline_of(connection)
    if pipeline.number is None and (pipeline.waiting or not pipeline.exchange.is_idle()):
        _carry_out(connection, pipeline)
    return pipeline.number


def commit(connection: Connection) -> None:
    """Carry out what waits, and COMMIT if nothing of it fails.

    Raises SQLAlchemy's DBAPIError. If the connection was lost, it is unknown whether it was committed.
    """
    pipeline = _pipeline_of(connection)
    pipeline.is_numbered = False
    if pipeline.waiting or not pipeline.exchange.is_idle():
        pipeline.waiting.append((_COMMIT, ()))
        _carry_out(connection, pipeline)


def roll_back(connection: Connection) -> None:
    """Leave out what waits, and undo the rest."""
    if connection.invalidated:
        return
    pipeline = _pipeline_of(connection)
    pipeline.waiting.clear()
    with suppress(psycopg.Error):  # the connection is lost: so is the transaction
        pipeline.exchange.roll_back()


def _pipeline_of(connection: Connection) -> _Pipeline:
    known: dict[Any, Any] = connection.info
    pipeline: _Pipeline | None = known.get(_PIPELINE)
    if pipeline is None:
        driver: Any = connection.connection.driver_connection
        pipeline = known[_PIPELINE] = _Pipeline(Exchange(driver))
    return pipeline


def _carry_out(connection: Connection, pipeline: _Pipeline) -> Sequence[PGresult]:
    """Carry out all that waits, in a transaction; return the result of each."""
    waiting, exchange = tuple(pipeline.waiting), pipeline.exchange
    pipeline.waiting.clear()
    begin = [(_BEGIN, ())] if exchange.is_idle() else []
    asks = pipeline.is_numbered and pipeline.number is None
    results = _exchange(connection, exchange, [*begin, *waiting, *([(_NUMBER, ())] if asks else [])])
    if asks:
        [(pipeline.number,)] = exchange.rows_of(results.pop())
    return results[len(begin) :]


def _exchange(
    connection: Connection, exchange: Exchange, statements: Sequence[tuple[Statement, Values]]
) -> list[PGresult]:
    try:
        return exchange.carry_out(statements)
    except psycopg.Error as error:
        if exchange.connection.closed:
            connection.invalidate(error)
        words = "; ".join(statement.text for statement, _ in statements)
        raise DBAPIError.instance(words, None, error, psycopg.Error, dialect=connection.dialect) from error
