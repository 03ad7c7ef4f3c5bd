"""A database with our schema and content that we never write: refused in one sentence, by whatever opens it."""

import json
from pathlib import Path

import pytest

from daemon.config.settings import Settings
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.commit_record import loss_path
from daemon.store.sqlite.database import open_database
from daemon.store.sqlite.inspect import inspect_database
from tests.cli.conftest import Run, run  # noqa: F401 - the fixture
from tests.store.altered_file import change_from_outside, make_database

WRITABLE = "PRAGMA writable_schema = ON;"
NOT_TEXT = "CAST(x'ff30' AS TEXT)"
CHANGES = {
    "a revision that is no text": f"UPDATE alembic_version SET version_num = {NOT_TEXT}",
    "a revision that is a BLOB": "UPDATE alembic_version SET version_num = x'00'",
    "a revision that moves the cursor": "UPDATE alembic_version SET version_num = char(27) || '[2J' || char(10)",
    "two revisions": "INSERT INTO alembic_version VALUES ('0001')",
    "a schema that is no text": (
        f"{WRITABLE} UPDATE sqlite_schema SET sql = 'CREATE' || {NOT_TEXT} WHERE name = 'ix_events_team'"
    ),
    "a comment in the schema that is no text": (
        f"{WRITABLE} UPDATE sqlite_schema SET sql = sql || ' -- ' || {NOT_TEXT} WHERE name = 'ix_events_team'"
    ),
    "no commit number": "DELETE FROM daemon_state",
    "a negative commit number": "UPDATE daemon_state SET commit_number = -5",
    "a commit number that cannot be counted on": "UPDATE daemon_state SET commit_number = 9223372036854775807",
    "a commit number that is none": "UPDATE daemon_state SET commit_number = 'abc'",
    "a name of the database that is none": "UPDATE daemon_state SET database_id = x'ff'",
    "an event behind which none can come": "UPDATE events SET seq = 9223372036854775807 WHERE seq = 3",
    "events before the first": "UPDATE events SET seq = -seq",
}
FAULT = pytest.mark.fault(
    "Somebody has put rows into the database or the backup that no version of ours writes: text that is no UTF-8, "
    "numbers that are text or out of range, a revision with control characters",
    "Neither the daemon nor `restore` or `doctor` takes it; each says so in one sentence",
)


@FAULT
@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES.keys())
def test_content_that_no_version_writes_is_refused(tmp_path: Path, statements: str) -> None:
    path = make_database(tmp_path / "x.db")
    change_from_outside(path, statements)
    for attempt in (open_database, inspect_database):
        with pytest.raises(DatabaseRefused) as refusal:
            attempt(path)
        assert str(refusal.value).isprintable()


@FAULT
@pytest.mark.parametrize(
    "statements", [CHANGES["a revision that moves the cursor"], CHANGES["a schema that is no text"]], ids=ascii
)
def test_every_command_reports_it_in_one_sentence(run: Run, tmp_path: Path, statements: str) -> None:  # noqa: F811 - the fixture
    state, backup = tmp_path / "state", tmp_path / "backup.db"
    state.mkdir(mode=0o700)
    open_sealed_database(Settings(state_dir=state)).database.close()
    make_database(backup)
    change_from_outside(backup, statements)
    refused = [run("restore", str(backup), "--force", "--state-dir", str(state))]
    change_from_outside(state / DATABASE, statements)
    refused += [run("backup", str(tmp_path / "new.db"), "--state-dir", str(state))]
    refused += [run("secrets", "rotate-key", "--state-dir", str(state))]
    for ended in refused:
        assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
        assert ended.err.removesuffix("\n").isprintable()
    ended = run("doctor", "--json", "--state-dir", str(state))
    checks = {check["name"]: check for check in json.loads(ended.out)["checks"]}
    assert checks["database"]["verdict"] == "failed"
    assert "bug" not in ended.out


def test_an_illegible_record_of_a_loss_is_still_a_loss(tmp_path: Path) -> None:
    path = make_database(tmp_path / "x.db")
    for content in ("[" * 60_000, '{"commits": "x"}', "\xff", "{}", "null"):
        loss_path(path).write_text(content, "latin-1")
        database = open_database(path)
        database.close()
        assert database.history.loss is not None
