"""`kakiyo-webhooks backup` and `restore`: the database as one file, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from daemon.cli.declared import argument, option
from daemon.cli.options import ConfigFile, StateDir

if TYPE_CHECKING:  # only the command that runs imports them
    from daemon.maintenance.backup import Backup, ReportProgress
    from daemon.maintenance.restore import Restored

_Json = Annotated[bool, option("--json", help="Print what was done as JSON.")]


def backup(
    file: Annotated[Path, argument(metavar="FILE", help="The file to write.")],
    force: Annotated[bool, option("--force", help="Replace FILE if it is there.")] = False,
    as_json: _Json = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Copy the database into one file, while the daemon runs or not."""
    from daemon.cli.output import print_json
    from daemon.cli.settings import read_settings
    from daemon.maintenance.backup import back_up

    settings = read_settings(config, state_dir)
    with _reporting(as_json) as report:
        done = back_up(settings, file.absolute(), report, replace=force)
    if as_json:
        print_json(_backup_object(done))
    else:
        _print_backup(done)


def restore(
    file: Annotated[Path, argument(metavar="FILE", help="A backup.")],
    force: Annotated[
        bool, option("--force", help="Take it though the encryption key that is here does not fit it.")
    ] = False,
    as_json: _Json = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Put a backup in the database's place, and keep what is there beside it. The daemon must not run."""
    from daemon.cli.output import print_json
    from daemon.cli.settings import read_settings
    from daemon.maintenance.restore import restore as put_in_place

    settings = read_settings(config, state_dir)
    with _reporting(as_json) as report:
        done = put_in_place(settings, file.absolute(), report, force=force)
    if as_json:
        print_json(_restored_object(done))
    else:
        _print_restored(done)


@contextmanager
def _reporting(as_json: bool) -> Iterator["ReportProgress"]:
    """Show how far it is, and a refusal as the command's own."""
    from daemon.cli.copy_progress import reporting_progress
    from daemon.cli.exits import CommandError, ExitCode
    from daemon.maintenance.backup import BackupRefused

    try:
        with reporting_progress(quiet=as_json) as report:
            yield report
    except BackupRefused as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def _backup_object(done: "Backup") -> dict[str, object]:
    return {
        "file": str(done.file),
        "bytes": done.size,
        "durationMs": done.duration_ms,
        "pages": done.contents.pages,
        "revision": done.contents.revision,
        "sha256": done.sha256,
    }


def _print_backup(done: "Backup") -> None:
    from daemon.cli.output import print_line

    print_line(f"Wrote {done.file}: {done.size / 1e6:,.1f} MB in {done.duration_ms / 1000:.1f} s, checked.")
    print_line(f"SHA-256: {done.sha256}")
    print_line("It holds the database alone: keep encryption.key and operator.key, too, but in another place.")


def _restored_object(done: "Restored") -> dict[str, object]:
    return {
        "file": str(done.database),
        "kept": None if done.kept is None else str(done.kept),
        "pages": done.contents.pages,
        "revision": done.contents.revision,
        "pendingDeliveries": done.contents.pending,
        "encryptionKey": str(done.key),
    }


def _print_restored(done: "Restored") -> None:
    from daemon.cli.output import print_line
    from daemon.maintenance.sealed_database import KeyFit

    print_line(f"Restored {done.database}.")
    if done.kept is not None:
        print_line(f"The database that was there is {done.kept} now.")
    if done.key is not KeyFit.FITS:
        print_line("The encryption key of its time is not here: put it in place first, or the daemon will not start.")
    print_line(
        f"Now start the daemon. {done.contents.pending} deliveries were pending at the backup's moment and are sent "
        "again, though some may have arrived since: receivers drop those by webhook-id."
    )
    print_line("What was accepted, changed or revoked after that moment is not in it.")
