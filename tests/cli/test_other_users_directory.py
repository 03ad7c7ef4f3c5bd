"""Root works in the service user's directory: whatever that user has put there leads root nowhere else."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY
from daemon.files.acting_user import acting_as_owner_of
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE, OPERATOR_KEY
from daemon.store.commands import CreateTeam, CreateWebhook
from tests.store.filling import a_team, a_webhook
from tests.store.filling import run as do
from tests.support.process import REPOSITORY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user's directory to fear")

SERVICE = 61234
Root = Callable[..., Any]
NAMES = (
    "lock",
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
    f"{DATABASE}-commits",
    f"{DATABASE}-lost.json",
    f"{DATABASE}.partial",
    f"{DATABASE}.partial-journal",
    ENCRYPTION_KEY,
    "encryption.new",
    OPERATOR_KEY,
)


@dataclass(frozen=True)
class Trap:
    """A state directory of the service's user, a file of root's, and a backup to be restored."""

    state: Path
    victim: Path
    backup: Path

    def commands(self) -> list[list[str]]:
        new = self.backup.with_name("new.db")
        return [
            ["restore", str(self.backup), "--force"],
            ["backup", str(new), "--force"],
            ["secrets", "rotate-key"],
            ["doctor", "--json"],
            ["teams", "list"],
        ]


@pytest.fixture
def root(run: Any, monkeypatch: pytest.MonkeyPatch) -> Root:
    """Runs a command on a state directory; `doctor` leaves the network out."""
    for check in ("check_dns", "check_mail"):
        monkeypatch.setattr(f"daemon.doctor.examination.{check}", lambda *_: iter(()))
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API__BIND", "127.0.0.1:9")
    return lambda state, *arguments: run(*arguments, "--state-dir", str(state))


@pytest.fixture
def trap(tmp_path: Path, run: Any) -> Iterator[Trap]:
    state, victim = tmp_path / "state", tmp_path / "victim"
    state.mkdir(mode=0o700)
    opened = open_sealed_database(Settings(state_dir=state))
    do(opened.database, CreateTeam(a_team()))
    do(opened.database, CreateWebhook(replace(a_webhook(), secret=opened.vault.seal("a secret", "wh_1"))))
    opened.database.close()
    (state / OPERATOR_KEY).write_text("kwh_x\n")
    (state / OPERATOR_KEY).chmod(0o600)
    for path in (state, *state.iterdir()):
        os.chown(path, SERVICE, SERVICE)
    victim.write_text("root's own\n")
    victim.chmod(0o644)
    backup = tmp_path / "backup.db"
    assert run("backup", str(backup), "--state-dir", str(state)).code == 0
    yield Trap(state, victim, backup)
    shutil.rmtree(state)


def looks(path: Path) -> tuple[int, int, int, bytes]:
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), path.read_bytes()


def put(kind: str, place: Path, victim: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    match kind:
        case "link":
            place.symlink_to(victim)
        case "second name":
            os.link(victim, place)
        case "pipe":
            os.mkfifo(place, 0o600)
            os.chown(place, SERVICE, SERVICE)
        case "directory":
            place.mkdir(mode=0o700)
            os.chown(place, SERVICE, SERVICE)


@pytest.mark.fault(
    "The service's user puts links, second names of root's files, pipes or directories among its own files, and root "
    "runs `restore`, `backup`, `secrets rotate-key` or `doctor`",
    "What they lead to keeps its owner, mode and content; a refusal is one sentence; nothing hangs",
)
@pytest.mark.parametrize("kind", ["link", "second name", "pipe", "directory"])
def test_nothing_in_the_state_directory_leads_root_elsewhere(root: Root, trap: Trap, kind: str) -> None:
    before = looks(trap.victim)
    for name in NAMES:
        place = trap.state / name
        kept = place.read_bytes() if place.is_file() else None
        for command in trap.commands():
            put(kind, place, trap.victim)
            ended = root(trap.state, *command)
            said = f"{kind} {name} {command}: {ended.err}"
            assert looks(trap.victim) == before, said
            assert "Traceback" not in ended.err, said
            assert "root's own" not in ended.out + ended.err, said
            if command[0] != "doctor" and ended.code:
                assert ended.err.count("\n") == 1, said
            if command[0] == "doctor":
                assert "Report this as a bug" not in ended.out, said
        put("nothing", place, trap.victim)
        if kept is not None:
            place.write_bytes(kept)
            place.chmod(0o600)
            os.chown(place, SERVICE, SERVICE)


def test_what_root_writes_there_belongs_to_the_services_user(root: Root, trap: Trap) -> None:
    assert root(trap.state, "secrets", "rotate-key").code == 0
    assert root(trap.state, "restore", str(trap.backup), "--force").code == 0
    assert {path.stat().st_uid for path in trap.state.iterdir()} == {SERVICE}
    assert {stat.S_IMODE(path.stat().st_mode) for path in trap.state.iterdir()} == {0o600}


def test_a_backup_goes_into_another_users_directory_as_that_user(root: Root, trap: Trap, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, SERVICE + 1, SERVICE + 1)
    (theirs / "new.db.partial").symlink_to(trap.victim)
    before = looks(trap.victim)
    assert root(trap.state, "backup", str(theirs / "new.db")).code == 2
    assert looks(trap.victim) == before
    (theirs / "new.db.partial").unlink()
    assert root(trap.state, "backup", str(theirs / "new.db")).code == 0
    assert (theirs / "new.db").stat().st_uid == SERVICE + 1


def test_a_backup_in_the_making_that_somebody_else_began_is_not_filled(root: Root, trap: Trap, tmp_path: Path) -> None:
    partial = tmp_path / "new.db.partial"
    partial.touch(0o666)
    os.chown(partial, SERVICE, SERVICE)
    ended = root(trap.state, "backup", str(tmp_path / "new.db"))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "belongs to another user" in ended.err
    assert partial.read_bytes() == b""


def test_rights_are_taken_back_whatever_happens_inside(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    for number, path in enumerate((outer, inner)):
        path.mkdir(mode=0o700)
        os.chown(path, SERVICE + number, SERVICE + number)
    with acting_as_owner_of(outer):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (SERVICE, SERVICE, [])
        with pytest.raises(PermissionError), acting_as_owner_of(inner):
            (outer / "file").touch()
        assert os.geteuid() == SERVICE
        (outer / "file").touch()
    assert os.geteuid() == 0
    assert (outer / "file").stat().st_uid == SERVICE


@pytest.mark.fault(
    "The service's user makes operator.key a link to a file of root's, and the installer takes an earlier key over",
    "It refuses in a sentence; nothing of the file becomes a key",
)
def test_the_installer_reads_no_key_through_a_link(trap: Trap) -> None:
    script = (REPOSITORY / "systemd/install").read_text()
    _, _, rest = script.partition("<<'READ'\n")
    reading, _, _ = rest.partition("\nREAD\n")

    def read() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-", str(trap.state / OPERATOR_KEY)]
        return subprocess.run(command, input=reading, capture_output=True, text=True, check=False, cwd=REPOSITORY)

    assert read().stdout == "kwh_x\n"
    for kind in ("link", "second name", "pipe", "directory"):
        put(kind, trap.state / OPERATOR_KEY, trap.victim)
        ended = read()
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "cannot be read" in ended.stderr
        assert "Traceback" not in ended.stderr
    put("nothing", trap.state / OPERATOR_KEY, trap.victim)
    assert (read().returncode, read().stdout) == (0, "\n".strip())


def test_doctor_works_for_root_and_says_so_when_nothing_is_wrong(root: Root, trap: Trap) -> None:
    ended = root(trap.state, "doctor", "--json")
    checks = {one["name"]: one for one in json.loads(ended.out)["checks"]}
    for name in ("state directory", "owner of files", "operator key", "encryption key", "database", "migrations"):
        assert checks[name]["verdict"] == "ok", checks[name]
