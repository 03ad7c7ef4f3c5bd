"""A database file that cannot be used at start: one clear sentence, exit code 2, and not a byte of it changed.

What a start can honestly see: the header, the schema, the ends of the tables, a file that was cut off. A damaged page
in the middle shows when it is read, and must then harm only what needs it.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from daemon.maintenance.state_dir import DATABASE
from daemon.store.migrate import migrate
from daemon.store.sqlite.database import open_database
from tests.e2e.conftest import installation, new_installation  # noqa: F401 - fixtures
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.faults.disk import digest, make_read_only, small_disk, without_privileges
from tests.faults.evidence import open_read_only
from tests.faults.impossible_rows import find_impossible_rows
from tests.store.filling import accept, found, recording, run
from tests.support.process import REPOSITORY, Installation, clean_environment, run_to_its_end

PAGE = 4096


class Unprivileged(Installation):
    """Its daemon is one for which modes of files hold, even when root runs it."""

    @property
    def command(self) -> list[str]:
        return without_privileges(super().command)


async def refused(installation: Installation) -> str:  # noqa: F811 - the fixture's value
    """Run a daemon that is to refuse its start; return its one sentence."""
    ended = await run_to_its_end(installation)
    said = ended.stderr.decode().splitlines()
    sentences = [line for line in said if not line.startswith("{")]
    assert ended.returncode == 2, said
    assert len(sentences) == 1, said
    assert not any(json.loads(line)["event"] == "daemon_failed" for line in said if line.startswith("{"))
    return sentences[0]


def fill_a_database(installation: Installation) -> Path:  # noqa: F811 - the fixture's value
    """Make a database of some dozens of pages, in one file."""
    installation.state_dir.mkdir(mode=0o700)
    path = installation.state_dir / DATABASE
    database = open_database(path)
    found(database)
    for work in accept(database, range(200)):
        run(database, recording(work, 1))
    database.close()
    assert not path.with_name(DATABASE + "-wal").exists(), "closing leaves one file"
    return path


def put_garbage_at_the_head(content: bytes) -> bytes:
    return b"this is no database, but somebody's letter home.".ljust(100) + content[100:]


def spoil_the_schema(content: bytes) -> bytes:
    return content[:100] + bytes(PAGE - 100) + content[PAGE:]


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2 // PAGE * PAGE]


def cut_within_the_first_page(content: bytes) -> bytes:
    return content[:1000]


@pytest.mark.fault(
    "A corrupt database at start: garbage header, spoilt schema, file cut off",
    "A clear refusal in one sentence, exit code 2, the file untouched",
)
@pytest.mark.parametrize("damage", [put_garbage_at_the_head, spoil_the_schema, cut_in_half, cut_within_the_first_page])
@ends_within(40)
async def test_a_corrupt_database_is_refused_and_left_unchanged(
    installation: Installation,  # noqa: F811 - the fixture
    damage: Callable[[bytes], bytes],
) -> None:
    path = fill_a_database(installation)
    path.write_bytes(damage(path.read_bytes()))
    before = digest(path)
    sentence = await refused(installation)
    assert str(path) in sentence
    assert "backup" in sentence
    assert digest(path) == before
    assert not path.with_name(DATABASE + "-wal").exists()


@pytest.mark.fault(
    "The database file is read-only at start",
    "A clear refusal in one sentence, exit code 2, the file untouched",
)
@ends_within(40)
async def test_a_read_only_database_file_is_refused(installation: Installation) -> None:  # noqa: F811
    path = fill_a_database(installation)
    path.chmod(0o400)
    before = digest(path)
    sentence = await refused(
        Unprivileged(installation.state_dir, installation.config, installation.bind, installation.reserved)
    )
    assert str(path) in sentence
    assert "is read-only" in sentence
    assert digest(path) == before


@pytest.mark.fault(
    "The state directory is read-only at start",
    "A clear refusal in one sentence, exit code 2, the file untouched",
)
@ends_within(40)
async def test_a_read_only_state_directory_is_refused(tmp_path: Path, installation: Installation) -> None:  # noqa: F811
    path = fill_a_database(installation)
    installation.state_dir.chmod(0o500)
    before = digest(path)
    sentence = await refused(
        Unprivileged(installation.state_dir, installation.config, installation.bind, installation.reserved)
    )
    installation.state_dir.chmod(0o700)
    assert str(installation.state_dir) in sentence
    assert digest(path) == before


@pytest.mark.fault(
    "The state directory is on a file system that was mounted read-only",
    "A clear refusal in one sentence, exit code 2",
)
@ends_within(40)
async def test_a_read_only_file_system_is_refused(installation: Installation) -> None:  # noqa: F811
    with small_disk(installation.state_dir, "4m"):
        make_read_only(installation.state_dir)
        sentence = await refused(installation)
    assert str(installation.state_dir) in sentence


# A program that opens a database and is killed after so many statements that make or migrate it.
_CUT_OFF = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from daemon.store.sqlite.database import open_database

left = int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def count_down(connection, cursor, statement, *others):
    global left
    if statement.lstrip().upper().startswith(("CREATE", "ALTER", "INSERT", "UPDATE")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

open_database(Path(sys.argv[1])).close()
"""


def cut_off(path: Path, statements: int) -> int:
    command = [sys.executable, "-c", _CUT_OFF, str(path), str(statements)]
    return subprocess.run(command, cwd=REPOSITORY, env=clean_environment({}), check=False).returncode


def schema_of(path: Path) -> list[tuple[str, str]]:
    connection = open_read_only(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name").fetchall()
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    connection.close()
    return [*((row["name"], " ".join(row["sql"].split())) for row in rows), ("revision", revision)]


def make_old(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, "0001")
    engine.dispose()


@pytest.mark.fault(
    "A kill in the middle of a migration",
    "The next start does the whole migration again and completes it",
)
@pytest.mark.parametrize("prepare", [lambda path: None, make_old], ids=["of a new database", "of an old database"])
def test_a_migration_that_is_cut_off_is_completed_by_the_next_start(
    tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    open_database(tmp_path / "whole.db").close()
    expected = schema_of(tmp_path / "whole.db")
    for statements in (1, 5, 12, 20):
        path = tmp_path / f"cut_off_{statements}.db"
        prepare(path)
        assert cut_off(path, statements) == -signal.SIGKILL
        open_database(path).close()
        assert schema_of(path) == expected
        with open_read_only(path) as connection:
            assert find_impossible_rows(connection) == []


@pytest.mark.fault(
    "A damaged page in the middle of the database, which no start can see",
    "What needs the page is answered with 503; everything else goes on",
)
@ends_within(60)
async def test_a_damaged_page_harms_only_what_needs_it(installation: Installation) -> None:  # noqa: F811
    path = fill_a_database(installation)
    with open_read_only(path) as connection:
        rows = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ix_credit_entries_team'")
        damaged = rows.fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(damaged - 1) * PAGE : damaged * PAGE] = b"\xa5" * PAGE
    path.write_bytes(content)
    async with operated(installation) as operator:
        await operator.call("GET", "/v1/credits/entries", teamId="team_1", expect=503)
        await operator.call("GET", "/v1/deliveries", teamId="team_1")
        await operator.make_webhook("http://127.0.0.1:9/hook", team_id="team_1")
        assert (await operator.http.get("/healthz")).status_code == 200
        await operator.daemon.kill()
