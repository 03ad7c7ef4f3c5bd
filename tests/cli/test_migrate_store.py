"""`migrate-store`: what it copies, what it refuses, and what is left of it wherever it is ended."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, find_keys, write_keys
from daemon.crypto.vault import Vault, generate_key
from daemon.maintenance import migrate_to_postgresql, migrate_to_sqlite, migrated_file, sealed_database
from daemon.maintenance.state_dir import DATABASE, use_state_dir
from daemon.store.commands import CreateTeam
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql import whole_tables as postgresql_tables
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import open_database as open_postgresql
from daemon.store.whole_tables import TABLES, Pages
from tests.store.every_table import SECRETS, make_every_table
from tests.store.filling import a_team
from tests.store.filling import run as do
from tests.store.test_upgrading import downgrade, revision_of
from tests.support.postgresql import PostgresqlServer

BALANCE = 5 + 2**62
NOTHING = "postgresql://kakiyo@127.0.0.1:1/kakiyo"

Move = Callable[..., Any]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose tables all have rows."""
    path = tmp_path_factory.mktemp("filled") / "state"
    path.mkdir(mode=0o700)
    make_every_table(path / DATABASE, Vault(find_keys(Settings(state_dir=path)).keys))
    return path


@pytest.fixture
def state(filled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(filled, tmp_path / "state"))


@pytest.fixture
def target(postgresql: tuple[PostgresqlServer, str]) -> Iterator[Address]:
    """A database without tables."""
    with postgresql[0].database() as address:
        yield address


@pytest.fixture
def move(run: Any, state: Path, target: Address) -> Move:
    """Run the command from the state directory to the database, unless the options say otherwise."""

    def move(*options: str, to: str | None = target.url, directory: Path = state) -> Any:
        given = [] if to is None else ["--to", to]
        return run("migrate-store", *given, "--state-dir", str(directory), *options)

    return move


@pytest.fixture
def back(move: Move, target: Address, state: Path, tmp_path: Path) -> Callable[[], Any]:
    """Migrate, then run the command for the way back, into a new directory `back`."""
    assert move().code == 0
    new = tmp_path / "back"
    new.mkdir(mode=0o700)
    shutil.copy(state / ENCRYPTION_KEY, new)
    return lambda: move("--from", target.url, to="sqlite", directory=new)


def refused(ended: Any, *words: str) -> None:
    """Assert that a command ended with 2 and one sentence that has these words."""
    assert ended.code == 2, ended
    assert ended.err.count("\n") == 1, ended.err
    assert not [word for word in words if word not in ended.err], ended.err


def tables_of(address: Address) -> set[str]:
    with address.connect({}) as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return {name for (name,) in connection.execute(query.encode())}


def execute(address: Address, statement: str) -> None:
    with address.connect({}, autocommit=True) as connection:
        connection.execute(statement.encode())


def change(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / DATABASE)) as connection, connection:
        connection.execute(statement)


def rows_in(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: sorted(connection.execute(f"SELECT * FROM {table.name}").fetchall(), key=repr)
            for table in TABLES
        }


def names_in(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


def untouched(state: Path, filled: Path, target: Address) -> None:
    """Assert that nothing was migrated: the file is as before and in its place, the target has no tables."""
    assert tables_of(target) == set()
    assert rows_in(state / DATABASE) == rows_in(filled / DATABASE)
    assert not [name for name in names_in(state) if "migrat" in name]


# There and back


def test_the_whole_store_is_copied_compared_and_its_file_renamed(move: Move, state: Path, target: Address) -> None:
    before = rows_in(state / DATABASE)
    ended = move()
    assert (ended.code, ended.err) == (0, "")
    [kept] = [name for name in names_in(state) if name.startswith(DATABASE) and name.endswith("Z")]
    count = sum(map(len, before.values()))
    assert f"Copied {count:,} rows to {target.url} in " in ended.out
    assert f"{BALANCE:,} credits are equal; {SECRETS} secrets open" in ended.out
    assert f"is {state / kept} now" in ended.out
    assert f"[store]\nurl = {json.dumps(target.url)}\n" in ended.out
    assert kept.startswith(f"{DATABASE}.migrated-")
    assert rows_in(state / kept) == before


def test_it_comes_back_as_it_was(back: Callable[[], Any], filled: Path, tmp_path: Path) -> None:
    ended = back()
    assert (ended.code, ended.err) == (0, "")
    assert "[store]" in ended.out
    assert "let no daemon start with it" in ended.out
    assert rows_in(tmp_path / "back" / DATABASE) == rows_in(filled / DATABASE)
    assert names_in(tmp_path / "back") == {DATABASE, ENCRYPTION_KEY, "lock"}
    sealed_database.open_sealed_database(Settings(state_dir=tmp_path / "back")).database.close()


def test_with_json_the_result_is_an_object(move: Move, state: Path, target: Address) -> None:
    ended = move("--json")
    told = json.loads(ended.out)
    assert ended.err == ""
    assert told.pop("durationMs") >= 0
    assert told.pop("rows") > len(TABLES)
    assert told.pop("kept").startswith(f"{state / DATABASE}.migrated-")
    assert told == {"target": target.url, "credits": BALANCE, "secrets": SECRETS}


def test_the_settings_name_the_database_unless_the_command_does(move: Move, target: Address, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[store]\nurl = {json.dumps(target.url)}\n")
    ended = move("--config", str(config), to=None)
    assert (ended.code, ended.err) == (0, "")
    assert "names this database already" in ended.out


def test_a_backup_is_migrated_and_stays_as_it_is(run: Any, move: Move, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    assert run("backup", str(file), "--state-dir", str(state)).code == 0
    content, names = file.read_bytes(), names_in(state)
    ended = move("--from", str(file))
    assert (ended.code, ended.err) == (0, "")
    assert file.read_bytes() == content
    assert names_in(state) == names | {"lock"}


@pytest.mark.parametrize("from_backup", [False, True])
def test_an_older_database_is_upgraded_on_the_way(
    move: Move, state: Path, target: Address, tmp_path: Path, *, from_backup: bool
) -> None:
    old = tmp_path / "old.db" if from_backup else state / DATABASE
    if from_backup:
        shutil.copy(state / DATABASE, old)
    downgrade(old, "0009")
    ended = move("--from", str(old)) if from_backup else move()
    assert (ended.code, ended.err) == (0, "")
    opened = open_postgresql(target)
    opened.close()
    if from_backup:
        assert revision_of(old) == "0009"


def test_a_start_without_the_database_that_was_migrated_is_refused(move: Move, state: Path) -> None:
    assert move().code == 0
    with pytest.raises(DatabaseRefused, match=r"was migrated to PostgreSQL: set store.url, or give .* its name back"):
        sealed_database.open_sealed_database(Settings(state_dir=state))
    [kept] = state.glob(f"{DATABASE}.migrated-*Z")
    kept.rename(state / DATABASE)
    sealed_database.open_sealed_database(Settings(state_dir=state)).database.close()


# Refusals


def test_a_daemon_that_runs_is_not_disturbed(move: Move, state: Path, filled: Path, target: Address) -> None:
    with use_state_dir(state):
        refused(move(), "in use by another daemon")
        refused(move(to="sqlite"), "store.url: is not set")
        refused(move("--from", target.url, to="sqlite"), "in use by another daemon")
    untouched(state, filled, target)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("CREATE TABLE theirs (id int)",), ("is another program's", "choose an empty database")),
        (
            ("CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('9999')"),
            ("newer version", "9999"),
        ),
    ],
)
def test_a_database_of_others_is_refused_and_not_changed(
    move: Move, state: Path, target: Address, statements: tuple[str, ...], words: tuple[str, ...]
) -> None:
    for statement in statements:
        execute(target, statement)
    before = tables_of(target)
    refused(move(), target.url, *words)
    assert tables_of(target) == before
    assert (state / DATABASE).exists()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO ended_sessions VALUES ('a', 'b', 1)", ("is not empty (table ended_sessions has rows)",)),
        ("CREATE TABLE theirs (id int)", ("tables of another program (theirs)",)),
        (
            "INSERT INTO nodes (installation, name, host, version) VALUES ('i', 'n-7', 'h', '1');"
            "INSERT INTO leases SELECT node, clock_timestamp() + '9 s', clock_timestamp() FROM nodes",
            ("is in use by node 1 (n-7)", "stop every daemon"),
        ),
    ],
)
def test_a_database_of_ours_has_to_be_empty_and_unused(
    move: Move, state: Path, target: Address, statement: str, words: tuple[str, ...]
) -> None:
    open_postgresql(target).close()
    for part in statement.split(";"):
        execute(target, part)
    refused(move(), target.url, *words)
    with target.connect({}) as connection:
        assert connection.execute(b"SELECT count(*) FROM teams").fetchone() == (0,)
    assert (state / DATABASE).exists()


def test_an_empty_database_with_our_tables_is_taken(move: Move, target: Address) -> None:
    open_postgresql(target).close()
    assert move().code == 0


def test_the_target_is_told_from_a_copy_of_this_very_database(move: Move, filled: Path, tmp_path: Path) -> None:
    assert move().code == 0
    again = shutil.copytree(filled, tmp_path / "again")
    refused(move(directory=again), "holds a copy of this database already", "store.url")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE events SET body = CAST('{' || char(0) AS BLOB) WHERE seq = 50",
            ("PostgreSQL cannot hold", "table events, row 50", "body"),
        ),
        ("UPDATE teams SET name = 'a' || char(0) WHERE seq = 10", ("table teams, row 10", "the column name")),
        (
            "UPDATE webhooks SET secret = (SELECT secret FROM webhooks WHERE id = 'wh_1') WHERE id = 'wh_2'",
            ("the secret of wh_2", "give the webhook a new one"),
        ),
        ("UPDATE webhooks SET previous_secret = substr(secret, 1, 50) WHERE id = 'wh_1'", ("the secret of wh_1",)),
    ],
)
def test_what_cannot_be_held_or_opened_is_named(
    move: Move, state: Path, target: Address, statement: str, words: tuple[str, ...]
) -> None:
    change(state, statement)
    refused(move(), *words)
    assert tables_of(target) == set()
    assert (state / DATABASE).exists()


def test_a_wrong_key_and_a_missing_one_are_refused(move: Move, state: Path, filled: Path, target: Address) -> None:
    write_keys(state / ENCRYPTION_KEY, [generate_key()])
    refused(move(), "is not the encryption key")
    (state / ENCRYPTION_KEY).unlink()
    refused(move(), "is not the encryption key")
    assert not (state / ENCRYPTION_KEY).exists()
    untouched(state, filled, target)


def test_missing_commits_are_dealt_with_first(move: Move, state: Path, filled: Path, target: Address) -> None:
    (state / f"{DATABASE}-lost.json").write_text('{"commits": 1, "events": 1, "damagedLog": null}')
    refused(move(), "-lost.json", "acknowledged commits are missing")
    untouched(state, filled, target)


def test_what_is_named_wrongly_is_refused_in_a_sentence(move: Move, state: Path, tmp_path: Path) -> None:
    refused(move(to=NOTHING), NOTHING, "failed", "repeat the command")
    refused(move(to="mysql://x/y"), "the database's URL is none")
    refused(move(to=None), "store.url: is not set")
    refused(move("--from", str(tmp_path / "none.db")), "none.db", "no such file")
    refused(move("--from", NOTHING), "--from", "--to sqlite")
    refused(move(directory=tmp_path / "none"), "has no database")
    refused(move("--from", "theirs.db", to="sqlite"), "the database's URL is none")
    refused(move("--from", NOTHING, to="sqlite"), "is there already")
    (state / DATABASE).write_bytes(b"x" * 5000)
    refused(move(), DATABASE, "damaged")


def test_the_way_back_needs_our_database_without_nodes_and_a_free_place(
    back: Callable[[], Any], move: Move, target: Address, tmp_path: Path, postgresql: tuple[PostgresqlServer, str]
) -> None:
    new = tmp_path / "back"
    with postgresql[0].database() as empty:
        refused(move("--from", empty.url, to="sqlite", directory=new), "is not a database of Kakiyo Webhooks")
        assert tables_of(empty) == set()
    write_keys(new / ENCRYPTION_KEY, [generate_key()])
    refused(back(), "is not the encryption key")
    assert names_in(new) == {ENCRYPTION_KEY, "lock"}
    shutil.copy(tmp_path / "state" / ENCRYPTION_KEY, new)
    assert back().code == 0
    content = (new / DATABASE).read_bytes()
    refused(back(), "is there already")
    assert (new / DATABASE).read_bytes() == content


def test_a_copy_that_differs_is_not_kept(
    move: Move, monkeypatch: pytest.MonkeyPatch, state: Path, filled: Path, target: Address
) -> None:
    write_pages = postgresql_tables.write_pages

    def lose_one(connection: Connection, table: Table, pages: Pages) -> None:
        write_pages(connection, table, (page[1:] if table.name == "mails" else page for page in pages))

    monkeypatch.setattr(postgresql_tables, "write_pages", lose_one)
    refused(move(), "the copy is not equal (table mails has 0 rows instead of 1)", "nothing was changed")
    untouched(state, filled, target)


# Ended at each step


def after_tables(count: int) -> Callable[..., None]:
    """Return what copies so many tables, and is then killed in the middle of the next one."""
    write_pages, tables = postgresql_tables.write_pages, iter(range(count))

    def write(connection: Connection, table: Table, pages: Pages) -> None:
        write_pages(connection, table, pages if next(tables, None) is not None else _killed_after_one(pages))

    return write


def _killed_after_one(pages: Pages) -> Pages:
    yield next(pages, [])
    kill_itself()


def kill_itself(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


BEFORE_THE_COMMIT = [
    (postgresql_tables, "write_pages", after_tables(9)),
    (postgresql_tables, "set_sequences", kill_itself),
    (postgresql_tables, "analyze", kill_itself),
    (migrate_to_postgresql, "require_equal", kill_itself),
    (migrate_to_postgresql, "open_all", kill_itself),
]


def killed_in(module: Any, name: str, instead: Callable[..., Any], *, move: Move) -> None:
    """Run the command in a process of its own in which this function is another one, until it is killed."""
    if (process := os.fork()) == 0:
        try:
            setattr(module, name, instead)
            move()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def test_a_kill_before_the_commit_leaves_nothing_and_it_can_be_repeated(
    move: Move, state: Path, filled: Path, target: Address
) -> None:
    for module, name, instead in BEFORE_THE_COMMIT:
        killed_in(module, name, instead, move=move)
        untouched(state, filled, target)
    assert move().code == 0


def test_a_kill_between_commit_and_renaming_is_told_by_the_next_run(
    move: Move, state: Path, filled: Path, target: Address
) -> None:
    killed_in(migrate_to_postgresql, "retire", kill_itself, move=move)
    assert rows_in(state / DATABASE) == rows_in(filled / DATABASE)
    refused(move(), "holds a copy of this database already", "set store.url, and rename the file")
    assert rows_in(state / DATABASE) == rows_in(filled / DATABASE)


def test_a_kill_in_the_middle_of_the_renaming_leaves_a_database_under_one_name(
    move: Move, state: Path, filled: Path, target: Address
) -> None:
    killed_in(migrated_file, "record_path", kill_itself, move=move)
    [file] = state.glob(f"{DATABASE}*Z") if not (state / DATABASE).exists() else [state / DATABASE]
    assert rows_in(file) == rows_in(filled / DATABASE)


def test_a_kill_on_the_way_back_leaves_no_database_and_it_can_be_repeated(
    back: Callable[[], Any], filled: Path, tmp_path: Path
) -> None:
    for name in ("copy_tables", "require_equal", "open_all", "remove_record"):
        killed_in(migrate_to_sqlite, name, kill_itself, move=back)
        assert not (tmp_path / "back" / DATABASE).exists()
    assert back().code == 0
    assert rows_in(tmp_path / "back" / DATABASE) == rows_in(filled / DATABASE)


def test_a_server_that_goes_away_in_the_middle_is_told_in_a_sentence(
    move: Move,
    monkeypatch: pytest.MonkeyPatch,
    state: Path,
    filled: Path,
    target: Address,
    postgresql: tuple[PostgresqlServer, str],
) -> None:
    database = target.url.partition("///")[2].partition("?")[0]

    def lose_the_server(*_: object) -> int:
        postgresql[0].end_sessions(database)
        return SECRETS

    monkeypatch.setattr(migrate_to_postgresql, "open_all", lose_the_server)
    refused(move(), target.url, "failed", "nothing was changed", "repeat the command")
    untouched(state, filled, target)


def test_a_commit_whose_end_is_unknown_is_not_called_a_failure(
    move: Move, monkeypatch: pytest.MonkeyPatch, state: Path, target: Address, postgresql: tuple[PostgresqlServer, str]
) -> None:
    database = target.url.partition("///")[2].partition("?")[0]
    monkeypatch.setattr(postgresql_tables, "analyze", lambda _: postgresql[0].end_sessions(database))
    refused(move(), target.url, "failed while it committed", "may hold the copy or not", "repeat the command")
    assert (state / DATABASE).exists()


def test_a_file_that_cannot_be_renamed_is_told_apart_from_a_copy_that_failed(
    move: Move, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    def fail(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrated_file, "checkpoint_log", fail)
    refused(move(), "was migrated, but cannot be renamed (No space left on device)", "set store.url")


def test_a_database_that_is_used_afterwards_goes_on(move: Move, target: Address) -> None:
    assert move().code == 0
    opened = open_postgresql(target)
    do(opened, CreateTeam(a_team(77)))
    opened.close()
