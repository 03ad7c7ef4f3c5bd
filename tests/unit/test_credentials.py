"""What systemd hands to the service: which file it is, and who reads it first."""

from pathlib import Path

from daemon.maintenance.state_dir import operator_key
from daemon.systemd.credentials import OPERATOR_KEY, credential


def test_a_credential_is_a_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / OPERATOR_KEY).write_text("key")
    handed = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert credential(OPERATOR_KEY, handed) == tmp_path / OPERATOR_KEY
    assert credential("another", handed) is None
    assert credential(OPERATOR_KEY, {}) is None


def test_the_operator_key_that_systemd_hands_over_comes_before_the_one_in_the_state_directory(tmp_path: Path) -> None:
    (tmp_path / "operator.key").write_text("of the state directory\n")
    assert operator_key(tmp_path, {}) == ("of the state directory", False)
    (tmp_path / OPERATOR_KEY).write_text("of systemd\n")
    assert operator_key(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ("of systemd", False)
