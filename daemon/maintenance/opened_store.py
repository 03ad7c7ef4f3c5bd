"""Opening the store that the settings name, on either engine, or refusing in one sentence."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.encryption_keys import KeyFile
from daemon.crypto.vault import Vault
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE
from daemon.store.engine import DatabaseRefused, Engine
from daemon.store.progress import Progress
from daemon.store.sqlite.commit_record import History, loss_of

if TYPE_CHECKING:  # only who uses PostgreSQL has its driver
    from daemon.store.postgresql.database import PostgresqlDatabase


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An open database, the vault that opens its secrets, and where the keys came from.

    `history` says whether anything acknowledged is missing, as far as this start can tell. `shared` is the database if
    several nodes may use it.
    """

    engine: Engine
    vault: Vault
    key_file: KeyFile
    history: History = field(default_factory=History)
    shared: "PostgresqlDatabase | None" = None


def open_store(settings: Settings, progress: Progress | None = None) -> OpenedStore:
    """Open or create the database with its keys (see `daemon.crypto.encryption_keys`). It blocks.

    `progress` counts the work done.

    Raises ConfigError for a key or a password file that cannot be used, and for a driver that is missing;
    DatabaseRefused for a database that cannot be used, or whose secrets are sealed with another key; and, of it,
    DatabaseAway while a server cannot be reached.
    """
    if settings.store.url:
        require_driver()
        from daemon.maintenance.postgresql_store import open_postgresql_store

        database, vault, key_file = open_postgresql_store(settings, progress)
        return OpenedStore(database, vault, key_file, shared=database)
    sealed = open_sealed_database(settings, progress)
    return OpenedStore(sealed.database, sealed.vault, sealed.key_file, history=sealed.database.history)


def require_driver() -> None:
    """Raise ConfigError unless PostgreSQL's driver can be loaded."""
    try:
        import_module("psycopg")
    except ImportError as error:
        raise ConfigError(
            f"store.url: the driver of PostgreSQL cannot be loaded ({error}): install kakiyo-webhooks[postgresql]"
        ) from None


def check_store_settings(settings: Settings) -> None:
    """Raise ConfigError for a `[store]` with a URL that can be told to be wrong without connecting to the database."""
    require_driver()
    from daemon.maintenance.postgresql_store import addresses_of

    try:
        for address in addresses_of(settings):
            address.require_valid()
    except DatabaseRefused as refusal:
        raise ConfigError(f"[store]: {refusal}") from None


def are_commits_missing(settings: Settings) -> bool:
    """Whether acknowledged commits are missing, and nobody has dealt with it yet."""
    return not settings.store.url and loss_of(settings.state_dir / DATABASE) is not None
