"""Opening the database with its encryption keys, or refusing in one sentence."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import KeyFile, find_keys, given_keys
from daemon.crypto.vault import SEAL_LENGTH, Vault
from daemon.maintenance.migrated_file import require_not_retired
from daemon.maintenance.state_dir import DATABASE
from daemon.store.engine import DatabaseRefused, Engine
from daemon.store.progress import Progress
from daemon.store.reseal import seals_of
from daemon.store.sqlite.database import Database, open_database
from daemon.store.sqlite.inspect import seals_in


class KeyFit(StrEnum):
    """Whether the configured encryption keys open the secrets in a database."""

    FITS = "fits"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class SealedDatabase:
    """An open database, the vault that opens its secrets, and where the keys came from."""

    database: Database
    vault: Vault
    key_file: KeyFile


def open_sealed_database(settings: Settings, progress: Progress | None = None) -> SealedDatabase:
    """Open or create the database of the state directory with its keys (see `daemon.crypto.encryption_keys`).

    `progress` counts the work done.

    Raises ConfigError for a key file that cannot be used, and DatabaseRefused for a database that cannot be used, or
    whose secrets are sealed with a key that is missing.
    """
    return open_with_keys(settings.state_dir, find_keys(settings), progress)


def open_with_keys(state_dir: Path, key_file: KeyFile, progress: Progress | None = None) -> SealedDatabase:
    """Open or create the database with these keys. If it is refused, a new key file that is not yet used is removed.

    Raises DatabaseRefused.
    """
    vault = Vault(key_file.keys)
    try:
        return _open(state_dir / DATABASE, vault, key_file=key_file, progress=progress)
    except DatabaseRefused:
        discard_unused(key_file, vault)
        raise


def discard_unused(key_file: KeyFile, vault: Vault) -> None:
    """Remove a key file that was made for a database that was then refused."""
    # It would be in the way of the missing one. But an upgrade may already have sealed secrets with it.
    if key_file.is_new and not vault.has_sealed:
        key_file.path.unlink()


def _open(path: Path, vault: Vault, key_file: KeyFile, progress: Progress | None) -> SealedDatabase:
    require_not_retired(path)
    database = open_database(path, vault.seal, progress)
    try:
        require_fitting(database, vault, key_file.path)
        database.commits.begin()
    except DatabaseRefused:
        database.close()
        raise
    except OSError as error:
        database.close()
        raise DatabaseRefused(f"{error.filename}: cannot be written ({error.strerror}): correct that") from None
    return SealedDatabase(database, vault, key_file)


def require_fitting(database: Engine, vault: Vault, key_path: Path) -> None:
    """Raise DatabaseRefused if a secret in the database was sealed with another key than those of the vault."""
    if not all(map(vault.knows, seals_of(database, SEAL_LENGTH))):
        raise DatabaseRefused(
            f"{key_path}: is not the encryption key that the secrets in the database were sealed with: "
            "restore the file from the backup that belongs to this database"
        )


def key_fit(settings: Settings, database: Path, revision: str) -> KeyFit:
    """Return whether the keys of these settings open the secrets in a database file of this revision.

    A database without secrets needs no key. Raises ConfigError for a key file that cannot be used.
    """
    found, given = seals_in(database, revision, SEAL_LENGTH), given_keys(settings)
    if given is None:
        return KeyFit.MISSING if found else KeyFit.FITS
    return KeyFit.FITS if all(map(Vault(given.keys).knows, found)) else KeyFit.WRONG
