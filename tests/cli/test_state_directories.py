"""Whatever stands where the state directory should be: one sentence from each command that looks there."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.config.settings import ConfigError
from daemon.maintenance.state_dir import use_state_dir
from daemon.store.sqlite.database import open_database
from tests.store.filling import found

COMMANDS = {
    "teams": ("teams", "list"),
    "events": ("events", "show", "evt_1"),
    "backup": ("backup", "{aside}/new.db"),
    "restore": ("restore", "{aside}/backup.db"),
    "rotate-key": ("secrets", "rotate-key"),
    "doctor": ("doctor", "--json"),
}


def missing(directory: Path) -> Path:
    return directory / "missing"


def a_file(directory: Path) -> Path:
    (directory / "file").write_text("x")
    return directory / "file"


def below_a_file(directory: Path) -> Path:
    return a_file(directory) / "state"


def a_loop(directory: Path) -> Path:
    (directory / "loop").symlink_to("loop")
    return directory / "loop"


def below_a_loop(directory: Path) -> Path:
    return a_loop(directory) / "state"


def too_long(directory: Path) -> Path:
    return directory / ("x" * 300)


def much_too_long(directory: Path) -> Path:
    return directory.joinpath(*["x" * 200] * 30)


def open_to_others(directory: Path) -> Path:
    state = directory / "state"
    state.mkdir()
    database = open_database(state / "kakiyo-webhooks.db")
    found(database)
    database.close()
    state.chmod(0o777)
    return state


PLACES = (missing, a_file, below_a_file, a_loop, below_a_loop, too_long, much_too_long, open_to_others)
UNUSABLE = (a_file, below_a_file, a_loop, below_a_loop, too_long, much_too_long, open_to_others)


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    """A directory with a backup in it."""
    directory = tmp_path / "aside"
    directory.mkdir(0o700)
    database = open_database(directory / "backup.db")
    found(database)
    database.close()
    return directory


@pytest.mark.fault(
    "The state directory is a file, a loop of links, a name too long, missing, or open to others",
    "Each command says so in one sentence with exit code 2; `doctor` lists it and ends with 1",
)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_in_one_sentence_what_is_wrong(
    run: Any, tmp_path: Path, aside: Path, name: str, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)
    ended = run(*(part.format(aside=aside) for part in COMMANDS[name]), "--state-dir", str(path))
    assert "Traceback" not in ended.err + ended.out
    assert "bug" not in ended.err + ended.out
    if name == "doctor":
        assert ended.code == 1
        assert json.loads(ended.out)["checks"]
    elif (name, place) in (("restore", missing), ("backup", open_to_others)):
        assert ended.code == 0, "these can be done there"
    else:
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.count("\n") == 1, ended.err
        assert str(path) in ended.err


@pytest.mark.parametrize("place", UNUSABLE, ids=lambda place: place.__name__)
def test_the_daemon_says_in_one_sentence_what_is_wrong(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    with pytest.raises(ConfigError, match=r"\Astate_dir: [^\n]+\Z") as refused, use_state_dir(path):
        pass
    assert str(path) in str(refused.value)


@pytest.mark.fault(
    "The state directory is on a file system without locks, and root runs `restore` or `secrets rotate-key`",
    "A refusal in one sentence that names it, and exit code 2",
)
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
@pytest.mark.parametrize("name", ["restore", "rotate-key"])
def test_a_file_system_without_locks_is_named(
    run: Any, aside: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    shutil.copy(aside / "backup.db", aside / "kakiyo-webhooks.db")
    monkeypatch.setattr("daemon.maintenance.state_dir.fcntl.flock", refuse)
    ended = run(*(part.format(aside=aside) for part in COMMANDS[name]), "--state-dir", str(aside))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"{aside} is on a file system that cannot lock files ({os.strerror(code)})" in ended.err
