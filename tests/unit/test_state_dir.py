"""Who uses the state directory, and the operator key in it (contract "Command line")."""

import stat
from pathlib import Path

import pytest

from daemon.config import ConfigError
from daemon.state_dir import OPERATOR_KEY, operator_key, use_state_dir


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
