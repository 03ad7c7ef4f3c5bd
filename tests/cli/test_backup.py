"""`backup` and `restore`: what they do to files, what they refuse, and that a refusal changes nothing."""

import fcntl
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, write_keys
from daemon.crypto.vault import generate_key
from daemon.maintenance import backup
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE, use_state_dir
from daemon.store.commands import CreateTeam, CreateWebhook
from daemon.store.schema import HEAD_REVISION
from tests.store.filling import a_team, a_webhook, accept, recording
from tests.store.filling import run as do

DELIVERIES, PENDING = 20, 3


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that no daemon uses: a webhook with a sealed secret, and deliveries."""
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    opened = open_sealed_database(Settings(state_dir=path))
    do(opened.database, CreateTeam(a_team()))
    sealed = opened.vault.seal("a secret", "wh_1")
    do(opened.database, CreateWebhook(replace(a_webhook(), secret=sealed)))
    for work in accept(opened.database, range(DELIVERIES))[:-PENDING]:
        do(opened.database, recording(work, 1))
    opened.database.close()
    return path


@pytest.fixture
def take(run: Any, state: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    file = tmp_path / "backup.db"
    assert run("backup", str(file), "--state-dir", str(state)).code == 0
    return file


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def count(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM deliveries").fetchone()[0])


def tree(*directories: Path) -> dict[str, bytes]:
    """Return what is in these directories; the lock and SQLite's shared memory say nothing."""
    files = (file for directory in directories for file in directory.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files if not file.name.endswith(("lock", "-shm", "-wal"))}


@contextmanager
def unchanged(*directories: Path) -> Iterator[None]:
    before = tree(*directories)
    yield
    assert tree(*directories) == before


def refused(ended: Any, *words: str) -> None:
    """Assert that a command ended with 2 and one sentence that has these words."""
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert not [word for word in words if word not in ended.err], ended.err


# backup


def test_a_backup_is_one_checked_file_for_its_owner_alone(run: Any, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    ended = run("backup", str(file), "--state-dir", str(state))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Wrote {file}: ")
    assert "It holds the database alone: keep encryption.key and operator.key, too" in ended.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert count(file) == DELIVERIES
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["backup.db"]


def test_with_json_the_result_is_an_object(run: Any, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    ended = run("backup", str(file), "--state-dir", str(state), "--json")
    assert ended.err == ""
    told = json.loads(ended.out)
    assert told.pop("durationMs") >= 0
    assert told == {
        "file": str(file),
        "bytes": file.stat().st_size,
        "pages": file.stat().st_size // 4096,
        "revision": HEAD_REVISION,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def test_a_file_that_is_there_is_replaced_with_force_only(run: Any, state: Path, take: Path) -> None:
    take.write_text("something else")
    refused(run("backup", str(take), "--state-dir", str(state)), str(take), "is there already", "--force")
    assert take.read_text() == "something else"
    assert run("backup", str(take), "--state-dir", str(state), "--force").code == 0
    assert count(take) == DELIVERIES


@pytest.mark.parametrize("name", [DATABASE, ENCRYPTION_KEY, "new.db"])
def test_no_backup_goes_among_the_daemons_own_files(run: Any, state: Path, name: str) -> None:
    with unchanged(state):
        ended = run("backup", str(state / name), "--state-dir", str(state), "--force")
    refused(ended, "the state directory itself is the daemon's own")


@pytest.mark.parametrize(
    ("name", "words"), [("missing/backup.db", "is not a directory: make it"), ("folder", "is not a file")]
)
def test_a_place_that_cannot_be_is_refused(run: Any, state: Path, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    refused(run("backup", str(tmp_path / name), "--state-dir", str(state), "--force"), words)


def test_a_state_directory_without_a_database_is_refused(run: Any, tmp_path: Path) -> None:
    ended = run("backup", str(tmp_path / "backup.db"), "--state-dir", str(tmp_path / "nothing"))
    refused(ended, str(tmp_path / "nothing"), "has no database")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_another_command_is_writing_is_left_to_it(run: Any, state: Path, tmp_path: Path) -> None:
    with (tmp_path / "backup.db.partial").open("wb") as others:
        fcntl.flock(others, fcntl.LOCK_EX)
        refused(run("backup", str(tmp_path / "backup.db"), "--state-dir", str(state)), "is being written by another")
    assert (tmp_path / "backup.db.partial").exists()


def test_what_a_killed_backup_left_is_taken_over(run: Any, state: Path, tmp_path: Path) -> None:
    for ending in ("", "-journal", "-wal"):
        (tmp_path / f"backup.db.partial{ending}").write_bytes(b"left" * 9999)
    assert run("backup", str(tmp_path / "backup.db"), "--state-dir", str(state)).code == 0
    assert count(tmp_path / "backup.db") == DELIVERIES
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["backup.db"]


def test_too_little_room_is_told_before_the_disk_is_full(
    run: Any, state: Path, take: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.maintenance.backup.shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
    with unchanged(take.parent):
        ended = run("backup", str(take), "--state-dir", str(state), "--force")
    refused(ended, str(take.parent), "are needed there, and 0 MB are free")


@pytest.mark.fault(
    "The database is damaged when it is backed up", "The backup is refused, and the one before stays as it was"
)
def test_a_damaged_database_does_not_replace_a_whole_backup(run: Any, state: Path, take: Path) -> None:
    damage(state / DATABASE)
    with unchanged(take.parent):
        ended = run("backup", str(take), "--state-dir", str(state), "--force")
    refused(ended, str(state / DATABASE), "is damaged")


@pytest.mark.parametrize("step", ["copy_database", "inspect_database", "_digest"])
def test_ctrl_c_leaves_nothing_behind(
    run: Any, state: Path, take: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real: Callable[..., object] = getattr(backup, step)

    def interrupted(*arguments: object, **named: object) -> object:
        real(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(backup, step, interrupted)
    with unchanged(take.parent):
        ended = run("backup", str(take), "--state-dir", str(state), "--force")
    assert ended.code == 130
    assert "Traceback" not in ended.err


# restore


def test_a_restored_database_is_as_it_was_backed_up_and_the_other_one_is_kept(
    run: Any, state: Path, take: Path
) -> None:
    before = (state / DATABASE).stat()
    execute(state / DATABASE, "DELETE FROM deliveries WHERE status = 'succeeded'")
    ended = run("restore", str(take), "--state-dir", str(state))
    assert (ended.code, ended.err) == (0, "")
    [kept] = state.glob("*.before-restore-*")
    assert {each.name for each in state.iterdir()} == {DATABASE, kept.name, ENCRYPTION_KEY, "lock"}
    assert (count(state / DATABASE), count(kept)) == (DELIVERIES, PENDING)
    assert kept.stat().st_ino == before.st_ino
    assert stat.S_IMODE((state / DATABASE).stat().st_mode) == 0o600
    assert f"The database that was there is {kept} now." in ended.out
    assert f"{PENDING} deliveries were pending" in ended.out
    assert "webhook-id" in ended.out
    assert "Now start the daemon" in ended.out


def test_with_json_a_restore_is_an_object(run: Any, state: Path, take: Path) -> None:
    ended = run("restore", str(take), "--state-dir", str(state), "--json")
    [kept] = state.glob("*.before-restore-*")
    assert json.loads(ended.out) == {
        "file": str(state / DATABASE),
        "kept": str(kept),
        "pages": take.stat().st_size // 4096,
        "revision": HEAD_REVISION,
        "pendingDeliveries": PENDING,
        "encryptionKey": "fits",
    }


def test_two_restores_at_once_keep_both_databases(run: Any, state: Path, take: Path) -> None:
    for _ in range(2):
        assert run("restore", str(take), "--state-dir", str(state)).code == 0
    assert len(list(state.glob("*.before-restore-*"))) == 2


def test_what_stood_in_the_log_is_kept_and_never_gets_into_the_restored_one(run: Any, state: Path, take: Path) -> None:
    with closing(sqlite3.connect(state / DATABASE, isolation_level=None)) as connection:
        connection.execute("DELETE FROM deliveries")
        left = {ending: Path(f"{state / DATABASE}{ending}").read_bytes() for ending in ("", "-wal")}
    for ending, content in left.items():  # as a kill leaves them
        Path(f"{state / DATABASE}{ending}").write_bytes(content)
    assert len(left["-wal"]) > 0
    assert run("restore", str(take), "--state-dir", str(state)).code == 0
    [kept] = state.glob("*.before-restore-*")
    assert (count(kept), count(state / DATABASE)) == (0, DELIVERIES)


def test_a_directory_in_the_place_of_the_record_of_commits_refuses_before_anything_is_changed(
    run: Any, state: Path, take: Path
) -> None:
    for name in (f"{DATABASE}-commits", f"{DATABASE}-lost.json"):
        (state / name).unlink(missing_ok=True)
        (state / name).mkdir()
        before = {path.name for path in state.iterdir()}
        ended = run("restore", str(take), "--state-dir", str(state))
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert {path.name for path in state.iterdir()} - {"lock"} == before - {"lock"}
        (state / name).rmdir()


def test_a_damaged_database_is_kept_with_its_log(run: Any, state: Path, take: Path) -> None:
    (state / DATABASE).write_bytes(b"a letter".ljust(5000))
    for ending in ("-wal", "-journal"):
        Path(f"{state / DATABASE}{ending}").write_text(ending)
    assert run("restore", str(take), "--state-dir", str(state)).code == 0
    assert count(state / DATABASE) == DELIVERIES
    assert {path.read_bytes()[:8].strip() for path in state.glob("*.before-restore-*")} >= {b"a letter", b"-wal"}
    assert not Path(f"{state / DATABASE}-journal").exists()


def test_a_database_comes_into_a_new_state_directory(run: Any, take: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    ended = run("restore", str(take), "--state-dir", str(new))
    assert ended.code == 0
    assert "The encryption key of its time is not here" in ended.out
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    assert {each.name for each in new.iterdir()} == {DATABASE, "lock"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another user")
def test_root_restores_for_the_user_of_the_state_directory(run: Any, take: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    os.chown(new, 61234, 61235)
    for _ in range(2):
        assert run("restore", str(take), "--state-dir", str(new)).code == 0
    assert len(list(new.iterdir())) == 3
    assert {(path.stat().st_uid, path.stat().st_gid) for path in new.iterdir()} == {(61234, 61235)}


@pytest.mark.fault(
    "A backup is restored while the daemon runs", "It is refused, and neither the daemon nor its database notices"
)
def test_a_running_daemon_is_not_robbed_of_its_database(run: Any, state: Path, take: Path) -> None:
    with use_state_dir(state), unchanged(state):
        refused(run("restore", str(take), "--state-dir", str(state), "--force"), "is in use by another daemon")


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 8 : 4096 * 12] = b"\xa5" * 4096 * 4
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 10])


def write_a_letter(path: Path) -> None:
    path.write_bytes(b"a letter".ljust(5000))


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def make_newer(path: Path) -> None:
    execute(path, "UPDATE alembic_version SET version_num = '9999'")


def make_foreign(path: Path) -> None:
    execute(path, "DROP TABLE deliveries")


@pytest.mark.fault(
    "A backup to be restored is damaged, cut off, of a newer version, or no database of ours",
    "It is refused in one sentence, and the database that is there stays as it is",
)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damage, "is damaged"),
        (cut_off, "is damaged"),
        (write_a_letter, "is not a database"),
        (write_nothing, "is not a database of Kakiyo Webhooks"),
        (make_newer, "was made by a newer version (revision 9999)"),
        (make_foreign, "is not a database of Kakiyo Webhooks"),
        (lambda path: path.unlink(), "there is no such file"),
    ],
)
def test_what_is_no_sound_backup_is_refused(
    run: Any, state: Path, take: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(take)
    with unchanged(state):
        refused(run("restore", str(take), "--state-dir", str(state), "--force"), str(take), words)


def test_a_database_is_not_restored_from_itself(run: Any, state: Path) -> None:
    with unchanged(state):
        refused(run("restore", str(state / DATABASE), "--state-dir", str(state)), "is the daemon's own database")


def test_a_backup_of_another_encryption_key_is_taken_with_force_only(run: Any, state: Path, take: Path) -> None:
    write_keys(state / ENCRYPTION_KEY, [generate_key()])
    with unchanged(state):
        refused(run("restore", str(take), "--state-dir", str(state)), "another encryption key", "--force")
    ended = run("restore", str(take), "--state-dir", str(state), "--force")
    assert ended.code == 0
    assert "The encryption key of its time is not here" in ended.out
