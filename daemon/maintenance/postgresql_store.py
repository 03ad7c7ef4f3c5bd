"""Opening a PostgreSQL database with its encryption keys, or refusing in one sentence."""

from functools import partial

from daemon.config.settings import Settings
from daemon.config.store_password import store_password
from daemon.crypto.encryption_keys import KeyFile, find_keys
from daemon.crypto.vault import Vault, key_id
from daemon.maintenance.sealed_database import discard_unused, require_fitting
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from daemon.store.postgresql.key_fingerprint import key_in_use
from daemon.store.progress import Progress


def open_postgresql_store(
    settings: Settings, progress: Progress | None = None
) -> tuple[PostgresqlDatabase, Vault, KeyFile]:
    """Open the database of `[store]` with the keys of the settings; a key file that was just made goes if it refuses.

    Raises as `daemon.maintenance.opened_store.open_store` does.
    """
    address, _ = addresses_of(settings)
    address.password()
    key_file = find_keys(settings)
    vault = Vault(key_file.keys)
    try:
        return open_with_vault(address, vault, key_file=key_file, progress=progress), vault, key_file
    except DatabaseRefused:
        discard_unused(key_file, vault)
        raise


def addresses_of(settings: Settings) -> tuple[Address, Address]:
    """Return where the database is, and where its notices are listened to."""
    store, password = settings.store, partial(store_password, settings)
    return (
        Address(store.url, password, is_pooled=bool(store.notify_url)),
        Address(store.notify_url or store.url, password),
    )


def open_with_vault(
    address: Address, vault: Vault, *, key_file: KeyFile, progress: Progress | None = None
) -> PostgresqlDatabase:
    """Open the database; of the keys of the vault the one seals that all nodes seal with. Raises DatabaseRefused."""
    database = open_database(address, progress)
    try:
        require_fitting(database, vault, key_file.path)
        fingerprints = list(map(key_id, key_file.keys))
        if (used := key_in_use(database.writing, fingerprints)) not in fingerprints:
            raise DatabaseRefused(
                f"{key_file.path}: is not the encryption key that this database is used with: "
                "put the one of the other nodes, or of a backup, in its place"
            )
    except DatabaseRefused:
        database.close()
        raise
    vault.use(used)
    return database
