"""What the checks ask of the database, whichever engine keeps it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from daemon.doctor.finding import Finding, failed, ok, warning
from daemon.maintenance.sealed_database import KeyFit
from daemon.store.schema import HEAD_REVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A database that may be missing or damaged: then what it would tell is None or empty.

    `place` names it. `examine()` finds how it is, `key_fit()` whether the configured keys open its secrets;
    `newest_time()` is when the newest event was accepted (ms), `newest_urls()` are those of the newest webhooks.
    """

    place: str
    examine: Callable[[], Iterator[Finding]]
    key_fit: Callable[[], KeyFit]
    newest_time: Callable[[], int | None]
    newest_urls: Callable[[], Sequence[str]]


def unreadable(finding: Finding) -> Stored:
    """Return a database that cannot even be looked for, which this finding explains."""
    return Stored(
        place="the database",
        examine=lambda: iter([finding]),
        key_fit=lambda: KeyFit.FITS,
        newest_time=lambda: None,
        newest_urls=lambda: (),
    )


def check_revision(revision: str) -> Finding:
    """Which version made the database."""
    if revision == HEAD_REVISION:
        return ok("migrations", f"the database is of this version (revision {revision})")
    if revision < HEAD_REVISION:
        finding = f"the database is of an older version (revision {revision} of {HEAD_REVISION})"
        return warning("migrations", finding, "Make a backup; the next start upgrades it.")
    finding = f"the database was made by a newer version (revision {revision}; this one knows {HEAD_REVISION})"
    return failed("migrations", finding, "Install that version again, or restore a backup from before the upgrade.")


def check_ledger(teams: Sequence[str], advice: str) -> Finding:
    """Whether there are teams whose balance is not the sum of their ledger."""
    if teams:
        finding = f"balances that are not the sum of their ledgers: {len(teams)}, of {', '.join(teams[:5])}"
        return failed("ledger", finding, advice)
    return ok("ledger", "each team's balance is the sum of its ledger")
