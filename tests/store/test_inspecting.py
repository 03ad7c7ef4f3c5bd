"""Whether a database file is whole and ours, before anything depends on it."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.store.engine import DatabaseRefused
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite import inspect
from daemon.store.sqlite.database import open_database
from daemon.store.sqlite.inspect import inspect_database
from tests.store.filling import accept, found, recording, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with 300 deliveries, 7 of them pending."""
    path = tmp_path / "x.db"
    database = open_database(path)
    found(database)
    for work in accept(database, range(300))[:293]:
        run(database, recording(work, 1))
    database.close()
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_inspecting_our_database_tells_its_revision_and_what_is_pending(path: Path) -> None:
    contents = inspect_database(path)
    assert contents.revision == HEAD_REVISION
    assert contents.pending == 7
    assert contents.pages * 4096 == path.stat().st_size


def test_a_damaged_page_is_found_wherever_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT max(rootpage) FROM sqlite_schema").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(DatabaseRefused, match=r"^is damaged \([^\n]+\): use an undamaged backup$"):
        inspect_database(path)


def test_a_truncated_file_is_damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 10])
    with pytest.raises(DatabaseRefused, match=r"^is damaged"):
        inspect_database(path)


@pytest.mark.parametrize("content", [b"", b"a letter".ljust(5000)], ids=["nothing", "a letter"])
def test_a_file_that_is_not_our_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(DatabaseRefused, match=r"^is (not a database of Kakiyo|damaged)"):
        inspect_database(tmp_path / "x.db")


@pytest.mark.parametrize(
    "statement", ["DROP TABLE deliveries", "DELETE FROM alembic_version", "DROP TABLE alembic_version"]
)
def test_the_database_of_another_program_is_refused(path: Path, statement: str) -> None:
    change(path, statement)
    with pytest.raises(DatabaseRefused, match=r"^is not a database of Kakiyo Webhooks"):
        inspect_database(path)


def test_ctrl_c_ends_a_long_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setattr(inspect, "_check_signals", interrupt)
    monkeypatch.setattr(inspect, "_SIGNAL_CHECK_STEPS", 10)
    with pytest.raises(KeyboardInterrupt):
        inspect_database(path)
