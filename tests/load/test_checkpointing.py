"""The write-ahead log stays short however busy the writer is."""

from pathlib import Path

from daemon.actors.threads import thread_runner
from daemon.store.commands import CreateTeam
from daemon.store.sqlite.checkpoint import CHECKPOINT_FRAMES
from daemon.store.sqlite.database import open_database
from tests.store.filling import a_team
from tests.store.test_checkpointing import checkpointing


async def test_the_log_stays_short_under_a_load_that_never_rests(tmp_path: Path) -> None:
    database = open_database(tmp_path / "test.db")
    async with checkpointing(database, thread_runner(2)) as (writer, _):
        for number in range(600):
            await writer.execute(CreateTeam(a_team(number, emails=("x" * 400_000,))))
            assert not database.wal.holds(3 * CHECKPOINT_FRAMES)
    database.close()
