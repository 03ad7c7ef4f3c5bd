"""`python -m tests.faults.stalling WAY SECONDS serve …` is `python -m daemon serve …` whose first new team is slow.

WAY is `works` (one long statement) or `hangs` (nothing is done, as when a disk does not answer).
"""

import sys
import time
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from daemon.cli import main as run_command_line
from daemon.store import commands
from daemon.store.sequences import Sequences
from daemon.store.writes import batch, teams

# A statement that takes as long as it has rows: the first one tells how many they must be.
_WORK = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT count(*) FROM n"


def stall(connection: Connection, way: str, seconds: float) -> None:
    """Take so long, or a little longer."""
    if way == "hangs":
        time.sleep(seconds)
        return
    end, rows = time.monotonic() + seconds, 100_000
    while (left := end - (started := time.monotonic())) > 0:
        connection.exec_driver_sql(_WORK.format(rows=rows)).scalar()
        rows = int(rows * left / (time.monotonic() - started)) + 1


def main() -> None:
    """Run the command line with the stalling that its first two arguments name."""
    way, seconds = sys.argv.pop(1), float(sys.argv.pop(1))

    def create_teams(
        connection: Connection, creating: Sequence[commands.CreateTeam], sequences: Sequences
    ) -> Sequence[Exception | None]:
        stall(connection, way, seconds)
        return teams.create_teams(connection, creating, sequences)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batch.APPLY, commands.CreateTeam, create_teams)
        run_command_line()


if __name__ == "__main__":
    main()
