"""`kakiyo-webhooks migrate-store`: the store from SQLite to PostgreSQL, and back."""

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from daemon.cli.declared import option
from daemon.cli.options import ConfigFile, StateDir

if TYPE_CHECKING:  # only the command that runs imports them
    from daemon.config.settings import Settings
    from daemon.maintenance.backup import ReportProgress
    from daemon.maintenance.store_migration import Migrated

_SQLITE = "sqlite"
_SCHEMES = ("postgresql://", "postgres://")


def migrate_store(
    to: Annotated[
        str | None,
        option(
            "--to",
            metavar="URL|sqlite",
            help="The empty PostgreSQL database (default: store.url), or `sqlite` for the way back.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        option(
            "--from",
            metavar="FILE|URL",
            help="A backup (default: the state directory's database); with `--to sqlite` the PostgreSQL database "
            "(default: store.url).",
        ),
    ] = None,
    as_json: Annotated[bool, option("--json", help="Print what was done as JSON.")] = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Copy the whole store to the other engine, and compare. The daemon must not run."""
    from daemon.cli.copy_progress import reporting_progress
    from daemon.cli.exits import CommandError, ExitCode
    from daemon.cli.output import print_json
    from daemon.cli.settings import read_settings
    from daemon.maintenance.store_migration import MigrationRefused

    gc.enable()  # a store may be large
    settings = read_settings(config, state_dir)
    try:
        with reporting_progress(quiet=as_json) as report:
            done = _back(settings, source, report) if to == _SQLITE else _forth(settings, to, source, report=report)
    except MigrationRefused as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if as_json:
        print_json(_object(done))
    else:
        _print_summary(done, is_back=to == _SQLITE, is_set=to is None or to == settings.store.url)


def _back(settings: "Settings", source: str | None, report: "ReportProgress") -> "Migrated":
    from daemon.maintenance.migrate_to_sqlite import migrate_to_sqlite
    from daemon.maintenance.store_migration import settings_with

    return migrate_to_sqlite(settings_with(settings, source), report)


def _forth(settings: "Settings", to: str | None, source: str | None, *, report: "ReportProgress") -> "Migrated":
    from daemon.cli.exits import CommandError, ExitCode
    from daemon.maintenance.migrate_to_postgresql import migrate_to_postgresql
    from daemon.maintenance.store_migration import settings_with

    if source is not None and source.startswith(_SCHEMES):
        raise CommandError("--from: a PostgreSQL database is migrated with --to sqlite.", ExitCode.USAGE)
    backup = None if source is None else Path(source).absolute()
    return migrate_to_postgresql(settings_with(settings, to), backup, report)


def _object(done: "Migrated") -> dict[str, object]:
    return {
        "target": done.target,
        "rows": done.rows,
        "credits": done.credits,
        "secrets": done.secrets,
        "durationMs": done.duration_ms,
        "kept": None if done.kept is None else str(done.kept),
    }


def _print_summary(done: "Migrated", *, is_back: bool, is_set: bool) -> None:
    from daemon.cli.output import print_line

    print_line(f"Copied {done.rows:,} rows to {done.target} in {done.duration_ms / 1000:.1f} s.")
    print_line(f"Compared: rows, contents and {done.credits:,} credits are equal; {done.secrets:,} secrets open.")
    if done.kept is not None:
        print_line(f"The file that was migrated is {done.kept} now.")
    if is_back:
        print_line("Remove from the configuration file, before the daemon starts: the section [store].")
        print_line("The PostgreSQL database keeps its rows: let no daemon start with it any more.")
    elif is_set:
        print_line("The configuration names this database already: start the daemon.")
    else:
        print_line("Put into the configuration file, before the daemon starts:")
        print_line("[store]")
        print_line(f"url = {json.dumps(done.target.replace(':***@', '@'))}")
        if "***" in done.target:
            print_line('password_file = "…"  # a file with the password, which only the daemon can read')
