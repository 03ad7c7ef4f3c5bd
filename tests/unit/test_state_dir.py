"""Who uses the state directory, and the operator key in it (contract "Command line")."""

import errno
import os
import stat
from pathlib import Path

import pytest

from daemon.config.settings import ConfigError
from daemon.maintenance.state_dir import OPERATOR_KEY, is_in_use, operator_key, use_state_dir


def test_a_missing_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with use_state_dir(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_two_daemons_cannot_share_a_directory(tmp_path: Path) -> None:
    with use_state_dir(tmp_path), pytest.raises(ConfigError, match="in use by another daemon"), use_state_dir(tmp_path):
        pass


def test_the_directory_is_free_again_afterwards_also_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), use_state_dir(tmp_path):
        raise ValueError("boom")
    with use_state_dir(tmp_path):
        pass


def test_a_path_that_is_no_directory_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^state_dir: .*file cannot be used"), use_state_dir(tmp_path / "file"):
        pass


def test_the_first_start_makes_the_operator_key_which_only_its_owner_can_read(tmp_path: Path) -> None:
    key, is_new = operator_key(tmp_path)
    path = tmp_path / OPERATOR_KEY
    assert is_new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == key + "\n"
    assert list(tmp_path.iterdir()) == [path]


def test_later_starts_find_the_same_key(tmp_path: Path) -> None:
    key, _ = operator_key(tmp_path)
    assert operator_key(tmp_path) == (key, False)


def test_a_key_half_written_at_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "operator.new").write_text("half")
    key, is_new = operator_key(tmp_path)
    assert is_new
    assert key != "half"


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe"])
def test_a_spoilt_key_file_is_refused_and_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / OPERATOR_KEY).write_bytes(content)
    with pytest.raises(ConfigError, match="remove it to get a new key"):
        operator_key(tmp_path)


@pytest.mark.fault(
    "The state directory is on a file system that cannot lock files", "A refusal in one sentence that names it"
)
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("daemon.maintenance.state_dir.fcntl.flock", refuse)
    with pytest.raises(ConfigError, match=r"^state_dir: [^\n]+cannot lock files"), use_state_dir(tmp_path):
        pass
    assert not is_in_use(tmp_path)


@pytest.mark.fault(
    "Others can write into the state directory, or put another one in its place", "A refusal in one sentence"
)
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open" / "state"
    path.mkdir(parents=True)
    for place, mode in ((path, 0o770), (path, 0o707), (path.parent, 0o777)):
        before = place.stat().st_mode
        place.chmod(mode)
        with pytest.raises(ConfigError, match=r"^state_dir: [^\n]+: chmod "), use_state_dir(path):
            pass
        place.chmod(before)
    path.parent.chmod(0o1777)
    with use_state_dir(path):
        pass
