"""A copy of the database: whole, of one moment, in one file."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.store.sqlite.copy import COMPANIONS, CopyFailed, checkpoint_log, copy_database
from tests.faults.disk import small_disk

MEGABYTE = 1_000_000


def nothing(*_: object) -> None:
    pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A database of some steps, with a write-ahead log."""
    path = tmp_path / "source.db"
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE ballast (bytes)")
        connection.execute("CREATE TABLE one (n)")
        connection.execute("CREATE TABLE two (n)")
        connection.executemany("INSERT INTO ballast VALUES (zeroblob(?))", [(MEGABYTE,)] * 5)
    return path


def open_writer(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def insert(connection: sqlite3.Connection, number: int) -> None:
    """Commit a number in two tables at once."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO one VALUES (?)", (number,))
    connection.execute("INSERT INTO two VALUES (?)", (number,))
    connection.execute("COMMIT")


def numbers_in(path: Path, table: str = "one") -> list[int]:
    with closing(open_writer(path)) as connection:
        return [n for (n,) in connection.execute(f"SELECT n FROM {table} ORDER BY n")]


def files_beside(path: Path) -> set[str]:
    return {each.name for each in path.parent.iterdir() if each.name.startswith(path.name)}


def test_commits_during_the_copy_neither_restart_it_nor_get_into_it(source: Path, tmp_path: Path) -> None:
    target, copied = tmp_path / "copy.db", list[int]()
    with closing(open_writer(source)) as writer:
        insert(writer, 0)

        def write_on(done: int, _total: int) -> None:
            copied.append(done)
            assert len(copied) < 100, "it began anew again and again"
            insert(writer, len(copied))

        copy_database(source, target, nothing, write_on)
    assert len(copied) >= 5
    assert copied == sorted(copied)
    assert numbers_in(target) == numbers_in(target, "two") == [0]
    assert numbers_in(source) == list(range(len(copied) + 1))


def test_the_progress_ends_with_every_byte(source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    copy_database(source, tmp_path / "copy.db", nothing, lambda *step: told.append(step))
    assert told[-1] == (source.stat().st_size,) * 2
    assert {total for _, total in told} == {source.stat().st_size}


def test_a_copy_is_one_file_that_needs_no_log(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    copy_database(source, target, nothing, nothing)
    assert files_beside(target) == {"copy.db"}
    with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert files_beside(target) == {"copy.db"}


def test_the_copy_includes_what_a_crash_left_in_the_log(source: Path, tmp_path: Path) -> None:
    left, target = tmp_path / "left.db", tmp_path / "copy.db"
    with closing(open_writer(source)) as writer:
        insert(writer, 7)
        for ending in ("", "-wal"):  # as a kill leaves them
            shutil.copy(str(source) + ending, str(left) + ending)
    copy_database(left, target, nothing, nothing)
    assert numbers_in(target) == [7]


def test_free_space_is_checked_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    def refuse(needed: int) -> None:
        assert needed == source.stat().st_size
        raise CopyFailed("too little room")

    with pytest.raises(CopyFailed, match="too little room"):
        copy_database(source, tmp_path / "copy.db", refuse, nothing)
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.fault("The disk gets full while the database is backed up", "The backup says so and leaves nothing behind")
def test_a_disk_that_fills_up_is_reported_in_one_sentence(source: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "2m") as disk, pytest.raises(CopyFailed, match="the disk is full: free some"):
        copy_database(source, disk / "copy.db", nothing, nothing)


@pytest.mark.parametrize("content", [None, b"no database at all, but a letter home".ljust(5000)])
def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "letter").write_bytes(content)
    with pytest.raises(CopyFailed, match=r"^\S*/letter: .*: "):
        copy_database(tmp_path / "letter", tmp_path / "copy.db", nothing, nothing)


def test_a_log_is_folded_into_its_database(source: Path) -> None:
    writer = open_writer(source)
    insert(writer, 1)
    checkpoint_log(source)  # while somebody has it open: the log stays, empty
    assert source.with_name("source.db-wal").stat().st_size == 0
    writer.close()
    assert numbers_in(source) == [1]


def test_a_log_that_cannot_be_folded_in_is_kept(source: Path) -> None:
    log = source.with_name("source.db-wal")
    source.write_bytes(b"x" * 5000)
    log.write_bytes(b"a log")
    checkpoint_log(source)
    assert source.read_bytes() == b"x" * 5000
    assert log.read_bytes() == b"a log"


def test_the_files_that_sqlite_keeps_beside_a_database_are_known(source: Path) -> None:
    with closing(open_writer(source)) as writer:
        insert(writer, 1)
        beside = files_beside(source) - {source.name}
    assert beside == {"source.db-wal", "source.db-shm"}
    assert {source.name + ending for ending in COMPANIONS} > beside
