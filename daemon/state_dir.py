"""The state directory: who uses it, and the files in it beside the database."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.config import ConfigError
from daemon.credentials import OPERATOR_KEY as CREDENTIAL
from daemon.credentials import credential
from daemon.keyring import generate_key
from daemon.private_file import keep_owner, write_private_file

DATABASE = "kakiyo-webhooks.db"
OPERATOR_KEY = "operator.key"
_LOCK = "lock"


@contextmanager
def use_state_dir(path: Path) -> Iterator[None]:
    """Make the directory if need be (0700) and hold it for this process alone. Raises ConfigError if that fails."""
    try:
        os.umask(0o077)  # what is written here is for this user alone
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _open_lock(path)
    except OSError as error:
        raise ConfigError(
            f"state_dir: {path} cannot be used ({error.strerror}): give this user the right to write there, "
            "or choose another directory with --state-dir"
        ) from None
    try:
        _take(lock, path)
        yield
    finally:
        os.close(lock)


def is_in_use(path: Path) -> bool:
    """Whether a process holds the directory now, as far as this user may look."""
    try:
        lock = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def require_database(path: Path) -> Path:
    """Return where the database in the state directory is. Raises ConfigError when none can be seen."""
    database = path / DATABASE
    try:
        database.stat()
    except FileNotFoundError:
        raise ConfigError(
            f"state_dir: {path} has no database: name the daemon's own with --state-dir or --config"
        ) from None
    except OSError as error:
        raise ConfigError(f"state_dir: {path} cannot be read ({error.strerror}): be its user, or root") from None
    return database


def _open_lock(path: Path) -> int:
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(PermissionError):
        keep_owner(lock, path.stat())  # root may be here before the daemon's own user
    return lock


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"state_dir: {path} is in use by another daemon: stop that one, or choose another directory"
        ) from None


def operator_key(state_dir: Path, environment: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """Return the operator key, and whether it was made just now (contract "Command line").

    It is systemd's credential `operator-key`, else the file in the state directory. Raises ConfigError when what is
    there cannot be read, or is empty.
    """
    path = credential(CREDENTIAL, environment) or state_dir / OPERATOR_KEY
    try:
        key = path.read_text("ascii").strip()
    except FileNotFoundError:
        return _make_operator_key(path), True
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): mend it, or remove it to get a new key") from None
    if not key:
        raise ConfigError(f"{path}: is empty: remove it to get a new key")
    return key, False


def _make_operator_key(path: Path) -> str:
    key = generate_key()
    write_private_file(path, key + "\n")
    return key
