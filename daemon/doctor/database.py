"""The database: undamaged, of this version, and with everything that was acknowledged."""

from collections.abc import Iterator
from pathlib import Path

from daemon.config.settings import Settings
from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.maintenance.state_dir import DATABASE
from daemon.store.engine import DatabaseRefused
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.commit_record import (
    last_recorded,
    loss_of,
    loss_path,
    missing_from,
    require_regular_record,
)
from daemon.store.sqlite.inspect import Contents, inspect_database, newest_commit, teams_out_of_balance

_CHECK = "database"


def check_database(settings: Settings, *, full: bool = False) -> Iterator[Finding]:
    """Whether every page is undamaged, and which version made it; works while the daemon runs.

    With `full`, also whether indexes agree with their tables and balances with their ledgers: takes several times as
    long.
    """
    path = settings.state_dir / DATABASE
    if settings.store.url:
        yield skipped(_CHECK, "it is on a PostgreSQL server, which looks after it")
        return
    if not path.exists():
        yield skipped(_CHECK, f"{path} does not exist yet: the first start creates it")
        return
    try:
        found = inspect_database(path, full=full)
    except DatabaseRefused as refusal:
        finding, _, _ = str(refusal).rpartition(": ")  # SQLite's message may contain colons
        yield failed(_CHECK, f"{path} {finding}", "Restore a backup: kakiyo-webhooks restore FILE")
        return
    yield ok(_CHECK, f"all {found.pages:,} pages are undamaged; {found.pending:,} deliveries are pending")
    yield _check_revision(found)
    yield _check_history(path)
    if full and found.revision == HEAD_REVISION:
        yield _check_ledger(path)


def _check_history(path: Path) -> Finding:
    try:
        require_regular_record(path)
    except OSError as error:
        finding = f"{error.filename}: is in the place of a file of the daemon's and cannot be used ({error.strerror})"
        return failed("history", finding, "Find out who put it there, and move it away: the daemon creates a new one.")
    recorded = last_recorded(path)  # before the database: a running daemon changes both
    found = newest_commit(path)
    loss = loss_of(path) or (missing_from(found, recorded) if found else None)
    if loss is not None:
        finding = f"{loss.commits:,} acknowledged commits with at most {loss.events:,} events are missing"
        advice = (
            "Restore a backup, or have producers submit again what is missing; "
            f"when that is dealt with, remove {loss_path(path)}"
        )
        return failed("history", finding, advice)
    if found is None or recorded is None or recorded.database_id != found.database_id:
        return skipped("history", "whether anything acknowledged is missing is unknown: there is no record of it")
    return ok("history", "nothing that was acknowledged is missing")


def _check_ledger(path: Path) -> Finding:
    if teams := teams_out_of_balance(path):
        finding = f"balances that are not the sum of their ledgers: {len(teams)}, of {', '.join(teams[:5])}"
        return failed("ledger", finding, "Restore a backup: kakiyo-webhooks restore FILE")
    return ok("ledger", "each team's balance is the sum of its ledger")


def _check_revision(found: Contents) -> Finding:
    if found.revision == HEAD_REVISION:
        return ok("migrations", f"the database is of this version (revision {found.revision})")
    if found.revision < HEAD_REVISION:
        finding = f"the database is of an older version (revision {found.revision} of {HEAD_REVISION})"
        return warning("migrations", finding, "Make a backup; the next start upgrades it.")
    finding = f"the database was made by a newer version (revision {found.revision}; this one knows {HEAD_REVISION})"
    return failed("migrations", finding, "Install that version again, or restore a backup from before the upgrade.")
