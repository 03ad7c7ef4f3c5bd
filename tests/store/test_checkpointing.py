"""The write-ahead log is copied into the database beside the commits, never by one."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing
from sqlalchemy import Connection

from daemon.actors.threads import RunInThread, run_inline
from daemon.config.settings import LogSettings
from daemon.maintenance.checkpointer import Checkpointer
from daemon.store.commands import CreateTeam
from daemon.store.reads.reader import Reader
from daemon.store.sqlite.checkpoint import CHECKPOINT_FRAMES, WriteAheadLog
from daemon.store.sqlite.database import Database
from daemon.store.store import Store
from daemon.store.writes.writer import Writer
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import make_metrics
from tests.store.filling import a_team, run
from tests.support.telemetry import make_telemetry

_PAGE = 4_096

Result = TypeVar("Result")


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@contextmanager
def long_read(database: Database) -> Iterator[Connection]:
    """A read that goes on, as a backup's does: what is committed meanwhile stays in the log."""
    with database.reading.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM teams").scalar()
        yield connection


def grow(database: Database, frames: int, name: str = "ballast") -> None:
    """Commit at least so many frames."""
    with database.writer.begin():
        database.writer.exec_driver_sql(f"CREATE TABLE {name} AS SELECT zeroblob({frames * _PAGE})")


@asynccontextmanager
async def checkpointing(database: Database, run_in_thread: RunInThread) -> AsyncIterator[tuple[Writer, BytesIO]]:
    """A writer and a checkpointer that run, and what they log."""
    sink = BytesIO()
    log = make_logger(LogSettings(format="json"), sink)
    database.checkpoint_apart()
    writer = Writer(database, run_inline, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        store = Store(Reader(database, run_inline), writer)
        nursery.start_soon(
            Checkpointer(store=store, telemetry=make_telemetry(log), wal=database.wal, run_in_thread=run_in_thread).run
        )
        yield writer, sink
        nursery.cancel_scope.cancel()


def test_the_length_of_the_log_is_known_from_two_of_its_frames(database: Database) -> None:
    database.checkpoint_apart()
    grow(database, 50)
    frames = database.wal.checkpoint().frames
    assert database.wal.holds(frames)
    assert not database.wal.holds(frames + 1)


def test_frames_from_before_the_log_was_restarted_do_not_count(database: Database) -> None:
    database.checkpoint_apart()
    grow(database, 50)
    assert database.wal.checkpoint().is_whole
    run(database, CreateTeam(a_team(7)))
    assert database.wal.holds(1)
    assert not database.wal.holds(50)


def test_an_open_read_keeps_later_commits_in_the_log(database: Database) -> None:
    database.checkpoint_apart()
    with long_read(database):
        grow(database, 50)
        assert not database.wal.checkpoint().is_whole
    assert database.wal.checkpoint().is_whole


@pytest.mark.fault(
    "A backup or another long read lets the write-ahead log grow, and ends",
    "No commit copies the log into the database: that is done beside the commits, and the log begins anew",
)
async def test_no_commit_copies_a_log_that_has_grown(
    database: Database, autojump_clock: trio.testing.MockClock
) -> None:
    held = trio.Event()

    async def hold(work: Callable[[], Result], /) -> Result:
        await held.wait()
        return await run_inline(work)

    async with checkpointing(database, hold) as (writer, _):
        with long_read(database):
            grow(database, 2 * CHECKPOINT_FRAMES)
        before = database.path.stat().st_size
        for number in range(5):
            await writer.execute(CreateTeam(a_team(number)))
        assert database.path.stat().st_size == before
        held.set()
        await trio.sleep(1)
        assert database.path.stat().st_size > before + 2 * CHECKPOINT_FRAMES * _PAGE
        await writer.execute(CreateTeam(a_team(9)))
        assert not database.wal.holds(CHECKPOINT_FRAMES)


async def test_commits_wait_for_a_copying_that_is_slower_than_they_are(
    database: Database, autojump_clock: trio.testing.MockClock
) -> None:
    async def slowly(work: Callable[[], Result], /) -> Result:
        if work == database.wal.checkpoint:
            await trio.sleep(1)
        return await run_inline(work)

    async with checkpointing(database, slowly) as (writer, _):
        for number in range(300):
            await writer.execute(CreateTeam(a_team(number, emails=("x" * 400_000,))))
            assert not database.wal.holds(3 * CHECKPOINT_FRAMES)
        assert trio.current_time() > 5


async def test_a_large_log_is_reported_once_and_copied_when_the_read_ends(
    database: Database, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.maintenance.checkpointer.LARGE_LOG_FRAMES", CHECKPOINT_FRAMES + 100)
    async with checkpointing(database, run_inline) as (writer, sink):
        with long_read(database):
            grow(database, CHECKPOINT_FRAMES + 1)
            await writer.execute(CreateTeam(a_team(1)))
            await trio.sleep(10)
            assert b"write_ahead_log_large" not in sink.getvalue()
            grow(database, 200, "more")
            await trio.sleep(10)
            assert sink.getvalue().count(b"write_ahead_log_large") == 1
            before = database.path.stat().st_size
        await trio.sleep(2)  # and nothing is committed
        assert database.path.stat().st_size > before


def test_before_the_first_commit_there_is_no_log(tmp_path: Path) -> None:
    assert not WriteAheadLog(tmp_path / "none.db").holds(1)
