"""All rows of every table go from one engine to the other and back, unchanged, and a difference is found."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from daemon.crypto.vault import Vault, generate_key
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql import transfers
from daemon.store.postgresql import whole_tables as postgresql
from daemon.store.postgresql.address import Address
from daemon.store.sqlite import whole_tables as sqlite
from daemon.store.sqlite.inspect import inspect_database
from daemon.store.whole_tables import TABLES, Page, PagesOf, TableSum, difference
from tests.store.every_table import make_every_table
from tests.support.postgresql import PostgresqlServer

OTHERS = ("nextval('credit_entries_seq_seq')", "nextval('event_order')", "nextval('delivery_order')")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("every_table") / "x.db"
    make_every_table(path, Vault([generate_key()]))
    return path


def copy_out(source: Path, address: Address) -> None:
    """Copy a file into an empty database."""
    with transfers.receiving(address, None) as target, sqlite.reading(source) as reading:
        for table in TABLES:
            postgresql.write_pages(target, table, sqlite.pages(reading, table))
        postgresql.set_sequences(target)


def copy_back(address: Address, path: Path) -> Path:
    with transfers.giving(address) as source, sqlite.writing(path) as target:
        for table in TABLES:
            sqlite.write_pages(target, table, postgresql.pages(source, table))
    return path


def rows_in(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: sorted(connection.execute(f"SELECT * FROM {table.name}").fetchall(), key=repr)
            for table in TABLES
        }


def sums(pages_of: PagesOf) -> list[TableSum]:
    found = []
    for table in TABLES:
        found.append(summed := TableSum(table.name))
        for page in pages_of(table):
            summed.add(page)
    return found


def test_every_table_goes_there_and_back_unchanged(
    source: Path, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    with postgresql_server.database() as address:
        copy_out(source, address)
        with transfers.giving(address) as there, sqlite.reading(source) as here:
            summed = sums(partial(sqlite.pages, here))
            assert difference(summed, sums(partial(postgresql.pages, there))) is None
            assert postgresql.size_and_rows(there)[1] == sqlite.size_and_rows(here)[1]
        back = copy_back(address, tmp_path / "back.db")
    assert all(one.rows for one in summed)
    assert rows_in(back) == rows_in(source)
    inspect_database(back, full=True)


def test_numbers_go_on_behind_the_highest(source: Path, postgresql_server: PostgresqlServer) -> None:
    with postgresql_server.database() as address:
        copy_out(source, address)
        with address.connect({}) as connection:
            found = connection.execute(f"SELECT {', '.join(OTHERS)}".encode()).fetchone()
    assert found == (2**62 + 1, 51, 51)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ([(1, "a", -7), (2, "b", 9)], "the credits in table credit_entries add up to 2 instead of 3"),
        ([(1, "a", -7)], "table credit_entries has 1 rows instead of 2"),
        ([(1, "a", -7), (2, "c", 10)], "table credit_entries has other rows"),
        ([(1, "a", -7), (2, None, 10)], "table credit_entries has other rows"),
        ([(1, "a", 10), (2, "b", -7)], "table credit_entries has other rows"),
        ([(2, "b", 10), (1, "a", -7)], None),
    ],
)
def test_a_difference_is_found_whatever_the_order(changed: Page, words: str | None) -> None:
    def summed(rows: Page) -> list[TableSum]:
        one = TableSum("credit_entries")
        # id, team, amount: a row of the ledger has its amount in the fourth column
        one.add([(seq, seq, text, amount) for seq, text, amount in rows])
        return [one]

    assert difference(summed([(1, "a", -7), (2, "b", 10)]), summed(changed)) == words


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET body = CAST('{' || char(0) AS BLOB) WHERE seq = 50", ("table events, row 50", "body")),
        (
            "UPDATE attempts SET duration_ms = 2147483648 WHERE number = 3",
            ("table attempts, row 50, 3", "duration_ms", "32 bits"),
        ),
    ],
)
def test_what_only_one_engine_can_hold_is_named_with_table_and_row(
    source: Path, tmp_path: Path, statement: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(source.read_bytes())
    assert sqlite.cell_of_this_engine_alone(path) is None
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    said = sqlite.cell_of_this_engine_alone(path)
    assert said is not None
    assert not [word for word in words if word not in said], said


def test_a_file_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="no file can be written there"), sqlite.writing(tmp_path):
        pass
