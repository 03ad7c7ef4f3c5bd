"""The database file: undamaged, of this version, and with everything that was acknowledged."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from daemon.config.settings import Settings
from daemon.doctor.finding import Finding, failed, ok, skipped
from daemon.doctor.stored import Stored, check_ledger, check_revision
from daemon.maintenance.sealed_database import KeyFit, key_fit
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
from daemon.store.sqlite.inspect import (
    inspect_database,
    newest_commit,
    newest_time,
    newest_urls,
    revision_if_readable,
    teams_out_of_balance,
)

_CHECK = "database"
_URLS = 5
_RESTORE = "Restore a backup: kakiyo-webhooks restore FILE"


def stored_in_file(settings: Settings, *, full: bool) -> Stored:
    """Return the database of the state directory."""
    path = settings.state_dir / DATABASE
    return Stored(
        place=str(path),
        examine=partial(check_database, settings, full=full),
        key_fit=partial(_key_fit, settings, path),
        newest_time=partial(newest_time, path),
        newest_urls=partial(newest_urls, path, _URLS),
    )


def _key_fit(settings: Settings, path: Path) -> KeyFit:
    revision = revision_if_readable(path)
    return key_fit(settings, path, revision) if revision else KeyFit.FITS


def check_database(settings: Settings, *, full: bool = False) -> Iterator[Finding]:
    """Whether every page is undamaged, and which version made it; works while the daemon runs.

    With `full`, also whether indexes agree with their tables and balances with their ledgers: takes several times as
    long.
    """
    path = settings.state_dir / DATABASE
    if not path.exists():
        yield skipped(_CHECK, f"{path} does not exist yet: the first start creates it")
        return
    try:
        found = inspect_database(path, full=full)
    except DatabaseRefused as refusal:
        finding, _, _ = str(refusal).rpartition(": ")  # SQLite's message may contain colons
        yield failed(_CHECK, f"{path} {finding}", _RESTORE)
        return
    yield ok(_CHECK, f"all {found.pages:,} pages are undamaged; {found.pending:,} deliveries are pending")
    yield check_revision(found.revision)
    yield _check_history(path)
    if full and found.revision == HEAD_REVISION:
        yield check_ledger(teams_out_of_balance(path), _RESTORE)


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
