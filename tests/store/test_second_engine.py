"""What the store executes can be compiled for another engine, here PostgreSQL (architecture "The store's engine")."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Connection, Dialect, Engine, event
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.ext.compiler import compiles

from daemon.store.bulk import JsonRows, TextOf
from daemon.store.commands import Command
from daemon.store.sqlite.database import Database
from daemon.store.writes import attempts, credits
from daemon.store.writes.batch import run_batch
from tests.store.filling import accept, found
from tests.store.test_plans import READS, WRITES

POSTGRESQL: Dialect = dialect()  # type: ignore[no-untyped-call]  # as SQLAlchemy has it


@compiles(JsonRows, "postgresql")
def _json_rows(element: JsonRows, compiler: Any, **options: Any) -> str:
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **options)})), '[]')"


@compiles(TextOf, "postgresql")
def _text_of(element: TextOf, compiler: Any, **options: Any) -> str:
    return f"convert_from({compiler.process(element.clauses, **options)}, 'UTF8')"


@contextmanager
def asked_of(engine: Engine) -> Iterator[list[ClauseElement | str]]:
    """What Core is given to execute within the block, before it is compiled for any engine."""
    asked: list[ClauseElement | str] = []

    def note(_connection: Connection, what: ClauseElement, *_: object) -> None:
        asked.append(what)

    def note_text(
        _connection: Connection, _cursor: object, statement: str, _: object, context: Any, *__: object
    ) -> None:
        if context.compiled is None:
            asked.append(statement)

    event.listen(engine, "before_execute", note)
    event.listen(engine, "before_cursor_execute", note_text)
    yield asked
    event.remove(engine, "before_execute", note)
    event.remove(engine, "before_cursor_execute", note_text)


def require_possible(asked: list[ClauseElement | str]) -> None:
    """Compile all of it. Text would be SQLite's own: only the beginning of its transactions may be."""
    assert asked
    for statement in asked:
        if isinstance(statement, str):
            assert statement.startswith("BEGIN")
        else:
            statement.compile(dialect=POSTGRESQL)


@pytest.mark.parametrize("query", [query for query, _ in READS.values()], ids=READS)
def test_a_read_can_be_asked_of_another_engine(database: Database, query: Callable[[Connection], object]) -> None:
    found(database)
    accept(database, range(3))
    with asked_of(database.reading) as asked, database.reading.connect() as connection:
        query(connection)
    require_possible(asked)


@pytest.mark.parametrize("command", WRITES.values(), ids=WRITES)
def test_a_write_can_be_asked_of_another_engine(database: Database, command: Command[Any]) -> None:
    found(database)
    accept(database, range(3))
    with asked_of(database.writing) as asked:
        run_batch(database, [command])
    require_possible(asked)


def test_an_update_from_rows_names_them_and_their_columns() -> None:
    for statement in (attempts._MOVE_DELIVERIES, credits._CHANGE_BALANCES):
        text = str(statement.update.compile(dialect=POSTGRESQL, compile_kwargs={"literal_binds": True}))
        assert " FROM given WHERE " in text
        assert all(str(column) in text for column in statement.given.c)
