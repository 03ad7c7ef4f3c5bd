"""Rotating the encryption key. After a crash at any step, the keys still open the database.

Of an SQLite file it is done while no daemon runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.encryption_keys import KeyFile, given_keys, read_keys, write_keys
from daemon.crypto.vault import Vault, VaultError, generate_key
from daemon.maintenance.opened_store import require_driver
from daemon.maintenance.sealed_database import open_with_keys
from daemon.maintenance.state_dir import require_database, use_state_dir
from daemon.store.engine import DatabaseRefused
from daemon.store.reseal import reseal_all
from daemon.systemd.credentials import ENCRYPTION_KEY as CREDENTIAL

_HOW_WITH_A_FILE = (
    "write a new key (openssl rand -base64 32) on a line before the others in the file that it is made from, "
    "and give that file with --key-file"
)


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """How many secrets were resealed, and the file whose first key seals them now."""

    secrets: int
    key_path: Path


class RotationRefused(Exception):
    """The key was not changed, or not completely: the message says why and what to do. The keys open the database."""


def rotate_key(settings: Settings) -> KeyRotation:
    """Generate a new key, seal every secret with it, and remove the old keys.

    Of nodes that share a database it does what `reseal_with` does, with the keys that are configured.

    Raises RotationRefused when a daemon runs, for a key file that is missing, damaged or not writable, and for a
    database that cannot be used. However it ends, even by a crash, the keys in the file open the database.
    """
    if settings.store.url:
        return _rotate_on_server(settings, lambda: _configured_keys(settings))
    with _locked(settings):
        old = _writable_keys(settings)
        open_with_keys(settings.state_dir, old).database.close()  # refuses keys that do not fit, before any change
        both = replace(old, keys=(generate_key(), *old.keys))
        _write(both)
        secrets = _reseal(settings.state_dir, both)
        _write(replace(both, keys=both.keys[:1]))
    return KeyRotation(secrets, both.path)


def reseal_with(settings: Settings, key_path: Path) -> KeyRotation:
    """Seal every secret with the first key in this file; the other keys open the old ones. The file is not changed.

    Nodes that share a database go on meanwhile, and each has to have both keys (`shared_key_rotation.py`).

    Raises RotationRefused as `rotate_key` does.
    """
    if settings.store.url:
        return _rotate_on_server(settings, lambda: read_keys(key_path))
    with _locked(settings):
        key_file = read_keys(key_path)
        if len(key_file.keys) == 1:
            raise ConfigError(f"{key_path}: holds one key only: {_HOW_WITH_A_FILE}")
        return KeyRotation(_reseal(settings.state_dir, key_file), key_path)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Lock the state directory against daemons; turn every error that the user can correct into RotationRefused."""
    try:
        require_database(settings.state_dir)
        with use_state_dir(settings.state_dir):
            yield
    except (ConfigError, DatabaseRefused, VaultError) as error:
        raise RotationRefused(str(error)) from None
    except OSError as error:
        raise RotationRefused(f"{error.filename}: cannot be used ({error.strerror}): correct that") from None


def _rotate_on_server(settings: Settings, keys: Callable[[], KeyFile]) -> KeyRotation:
    try:
        require_driver()
        from daemon.maintenance.shared_key_rotation import rotate_shared_key

        key_file = keys()
        return KeyRotation(rotate_shared_key(settings, key_file), key_file.path)
    except (ConfigError, DatabaseRefused, VaultError) as error:
        raise RotationRefused(str(error)) from None


def _configured_keys(settings: Settings) -> KeyFile:
    if (found := given_keys(settings)) is None:
        raise ConfigError(f"state_dir: {settings.state_dir} has no encryption key: name this node's with --key-file")
    return found


def _writable_keys(settings: Settings) -> KeyFile:
    found = given_keys(settings)
    if found is None:
        raise ConfigError(
            f"state_dir: {settings.state_dir} has no encryption key: if it is systemd's credential {CREDENTIAL}, "
            f"{_HOW_WITH_A_FILE}"
        )
    if found.is_credential:
        raise ConfigError(f"{found.path}: systemd's credential cannot be changed here: {_HOW_WITH_A_FILE}")
    return found


def _write(key_file: KeyFile) -> None:
    try:
        write_keys(key_file.path, key_file.keys)
    except OSError as error:
        raise ConfigError(f"{key_file.path}: cannot be written ({error.strerror}): {_HOW_WITH_A_FILE}") from None


def _reseal(state_dir: Path, key_file: KeyFile) -> int:
    opened = open_with_keys(state_dir, key_file)
    try:
        return reseal_all(opened.database, opened.vault.reseal, partial(_reseal_answer, opened.vault))
    finally:
        opened.database.close()


def _reseal_answer(vault: Vault, sealed: str, answer_id: str) -> str | None:
    try:
        return vault.reseal(sealed, answer_id)
    except VaultError:
        return None  # no key opens it any more: not a reason to keep the old key
