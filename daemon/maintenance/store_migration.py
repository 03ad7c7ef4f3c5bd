"""What a migration of the store between engines does, whichever way it goes: counting, comparing, opening secrets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.config.database_url import require_database_url
from daemon.config.settings import ConfigError, Settings
from daemon.crypto.vault import VaultError
from daemon.maintenance.backup import BackupRefused, ReportProgress
from daemon.store.engine import DatabaseRefused
from daemon.store.sqlite.copy import CopyFailed
from daemon.store.whole_tables import TABLES, Page, Pages, PagesOf, TableSum, WriteTable, difference


class MigrationRefused(Exception):
    """It was not migrated, or not to the end: the message says why, and what to do.

    Nothing is left in the target then, unless the message says that it is; the source may have been upgraded.
    """


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was copied, and where to. `kept` is the SQLite file's name now, if it was the daemon's own.

    `target` has no password. `secrets` is how many sealed secrets were opened in the target.
    """

    target: str
    rows: int
    credits: int
    secrets: int
    duration_ms: int = 0
    kept: Path | None = None


@dataclass(slots=True)
class Share:
    """How much of a size in bytes is done, by the rows of all tables; each row counts for the same."""

    report: ReportProgress
    what: str
    size: int
    rows: int
    done: int = 0

    def add(self, page: Page) -> None:
        """Count these rows as done."""
        self.done += len(page)
        self.report(self.what, self.size * min(self.done, self.rows) // max(self.rows, 1), self.size)


def settings_with(settings: Settings, url: str | None) -> Settings:
    """Return the settings with this URL as `store.url`, None for their own. Raises MigrationRefused."""
    if url is None and not settings.store.url:
        raise MigrationRefused("store.url: is not set: name the PostgreSQL database there, or on the command line")
    if url is None or url == settings.store.url:
        return settings
    try:
        given = settings.store.model_copy(update={"url": require_database_url(url), "notify_url": ""})
    except ValueError as error:
        raise MigrationRefused(f"the database's URL is none: {error}") from None
    return settings.model_copy(update={"store": given})


def copy_tables(pages_of: PagesOf, write: WriteTable, share: Share) -> list[TableSum]:
    """Copy every table; return what was read."""
    sums = []
    for table in TABLES:
        sums.append(summed := TableSum(table.name))
        write(table, _counted(pages_of(table), summed, share))
    return sums


def require_equal(copied: list[TableSum], pages_of: PagesOf, share: Share) -> None:
    """Raise MigrationRefused unless the copy, as it is read from the target, has the same rows and credits."""
    found = []
    for table in TABLES:
        found.append(summed := TableSum(table.name))
        for _ in _counted(pages_of(table), summed, share):
            pass
    if what := difference(copied, found):
        raise MigrationRefused(f"the copy is not equal ({what}), nothing was changed: repeat it, and report this")


def _counted(pages: Pages, summed: TableSum, share: Share) -> Pages:
    for page in pages:
        summed.add(page)
        share.add(page)
        yield page


def credits_in(sums: list[TableSum]) -> int:
    """Return the sum of all balances."""
    return sum(one.credits for one in sums if one.table == "teams")


@contextmanager
def migration_refusals() -> Iterator[None]:
    """Turn every error that the user can correct into MigrationRefused."""
    try:
        yield
    except (BackupRefused, ConfigError, CopyFailed, DatabaseRefused, VaultError) as error:
        raise MigrationRefused(str(error)) from None
    except OSError as error:
        raise MigrationRefused(f"{error.filename}: cannot be used ({error.strerror}): correct that") from None
