"""The state directory: one process at a time, and the files in it besides the database."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.api_keys import generate_key
from daemon.files.acting_user import acting_as_owner_of
from daemon.files.private_file import write_private_file
from daemon.files.regular_file import open_regular, read_text
from daemon.store.sqlite.copy import require_regular_files
from daemon.systemd.credentials import OPERATOR_KEY as CREDENTIAL
from daemon.systemd.credentials import credential

DATABASE = "kakiyo-webhooks.db"
OPERATOR_KEY = "operator.key"
_LOCK = "lock"


@contextmanager
def use_state_dir(path: Path) -> Iterator[None]:
    """Create the directory if necessary (0700), and lock it for this process. Raises ConfigError if that fails.

    Within the block, root has only the rights of the directory's owner.
    """
    os.umask(0o077)  # no other user may read what is written here
    with ExitStack() as stack:
        try:
            stack.enter_context(acting_as_owner_of(path))
            lock = _open_lock(path)
        except OSError as error:
            raise _unusable(path, error) from None
        stack.callback(os.close, lock)
        _take(lock, path)
        yield


def is_in_use(path: Path) -> bool:
    """Whether a process uses the directory now; False if this user may not see that."""
    try:
        with acting_as_owner_of(path):
            lock = open_regular(path / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # the file system has no locks: no daemon can have started there
    finally:
        os.close(lock)
    return False


def require_file_store(settings: Settings, instead: str) -> None:
    """Raise ConfigError, with what to do `instead`, unless the database is a file of the state directory."""
    if settings.store.url:
        raise ConfigError(f"store.url: the database is on a PostgreSQL server and no file here: {instead}")


def require_database(path: Path) -> Path:
    """Return the path of the database in the state directory. Raises ConfigError if there is none, or no access."""
    database = path / DATABASE
    try:
        require_regular_files(database)
        with acting_as_owner_of(path):
            database.stat()
    except FileNotFoundError:
        raise ConfigError(
            f"state_dir: {path} has no database: name the daemon's own with --state-dir or --config"
        ) from None
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise ConfigError(f"{error.filename}: {error.strerror}: put the file itself there") from None
        raise ConfigError(f"state_dir: {path} cannot be read ({error.strerror}): be its user, or root") from None
    return database


def _open_lock(path: Path) -> int:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(path)
    return open_regular(path / _LOCK, os.O_RDWR | os.O_CREAT)


def _unusable(path: Path, error: OSError) -> ConfigError:
    place = "" if error.filename in (None, str(path)) else f"{error.filename}: "
    return ConfigError(
        f"state_dir: {path} cannot be used ({place}{error.strerror}): give this user the right to write there, "
        "or choose another directory with --state-dir"
    )


def require_private(path: Path) -> None:
    """Raise ConfigError if users other than the owner could add files to the directory, or replace it."""
    if path.stat().st_mode & 0o022:
        raise ConfigError(f"state_dir: {path} can be written by others than its owner: chmod go-w it")
    for parent in path.absolute().parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(
                f"state_dir: {path} can be replaced by anyone, for everybody can write {parent}: chmod o-w {parent}"
            )


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"state_dir: {path} is in use by another daemon: stop that one, or choose another directory"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"state_dir: {path} is on a file system that cannot lock files ({error.strerror}): "
            "choose a directory on a local disk"
        ) from None


def operator_key(state_dir: Path, environment: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """Return the operator key, and whether it was just created (contract "Command line").

    It is systemd's credential `operator-key`, or else the file in the state directory. Raises ConfigError when that
    cannot be read, or is empty.
    """
    given = credential(CREDENTIAL, environment)
    path = given or state_dir / OPERATOR_KEY
    try:
        key = read_text(path, links=given is not None).strip()
    except FileNotFoundError:
        return _make_operator_key(path), True
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): fix it, or remove it to get a new key") from None
    if not key:
        raise ConfigError(f"{path}: is empty: remove it to get a new key")
    return key, False


def _make_operator_key(path: Path) -> str:
    key = generate_key()
    write_private_file(path, key + "\n")
    return key
