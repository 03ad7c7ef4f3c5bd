"""The state directory, its files and its disk."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.encryption_keys import given_keys
from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.doctor.stored import Stored
from daemon.files.acting_user import acting_as_owner_of
from daemon.files.regular_file import read_text
from daemon.maintenance.sealed_database import KeyFit
from daemon.maintenance.state_dir import DATABASE, OPERATOR_KEY, require_private
from daemon.systemd.credentials import OPERATOR_KEY as OPERATOR_CREDENTIAL
from daemon.systemd.credentials import credential

_LITTLE_BYTES, _LEAST_BYTES = 1 << 30, 100 << 20
_LITTLE_PART = 0.1
_MIB = 1 << 20


def check_state_dir(settings: Settings) -> Iterator[Finding]:
    """Whether the directory is there, is for its owner alone, and can be written by whoever asks."""
    path = settings.state_dir
    try:
        status = path.stat()
    except FileNotFoundError:
        yield skipped("state directory", f"{path} is not there yet: the first start makes it")
        return
    except OSError as error:
        yield failed("state directory", f"{path} cannot be looked at ({error.strerror})", "Run this as root.")
        return
    mode = stat.S_IMODE(status.st_mode)
    if refusal := _refusal(path):
        yield failed("state directory", refusal, "The daemon does not start there.")
    elif mode & 0o077:
        yield warning("state directory", f"{path} is open to others (mode {mode:o})", f"Run: chmod 700 {path}")
    elif not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        advice = "Run this as root, or as the daemon's user, who has to be able to write there."
        yield failed("state directory", f"{path} cannot be written by this user", advice)
    else:
        yield ok("state directory", f"{path} is there, for its owner alone")
    yield from _check_owners(path, status.st_uid)


def _refusal(path: Path) -> str | None:
    try:
        require_private(path)
    except ConfigError as refusal:
        return str(refusal)
    return None


def _check_owners(path: Path, owner: int) -> Iterator[Finding]:
    try:
        strange = sorted(entry.name for entry in path.iterdir() if entry.lstat().st_uid != owner)
    except OSError:
        return
    if strange:
        names = ", ".join(strange[:5])
        finding = f"{names} in {path} belong to another user than the directory"
        # Not through links, nor under a second name: what they lead to is somebody else's.
        only = "'(' -type d -o -type f -links 1 ')'"
        advice = f"Stop the daemon, and run: find -P {path} {only} -exec chown --reference={path} {{}} +"
        yield failed("owner of files", finding, advice)
    else:
        yield ok("owner of files", "all files belong to the owner of the state directory")


def check_keys(settings: Settings, stored: Stored) -> Iterator[Finding]:
    """Whether the operator's key and the encryption key are there, for their owner alone, and open the secrets."""
    handed = credential(OPERATOR_CREDENTIAL)
    yield _key("operator key", handed or settings.state_dir / OPERATOR_KEY, is_credential=handed is not None)
    try:
        yield _encryption_key(settings, stored)
    except ConfigError as refusal:
        yield failed("encryption key", str(refusal), "Without the right key the daemon does not start.")


def _encryption_key(settings: Settings, stored: Stored) -> Finding:
    keys, fit = given_keys(settings), stored.key_fit()
    if fit is KeyFit.MISSING:
        finding = f"there is none, and {stored.place} has secrets that were sealed with one"
        return failed("encryption key", finding, "Put the key of this database in its place.")
    if keys is None:
        return skipped("encryption key", "there is none yet: the first start makes it")
    if fit is KeyFit.WRONG:
        finding = f"{keys.path} does not open the secrets in {stored.place}"
        return failed("encryption key", finding, "Put the key of this database in its place.")
    return ok("encryption key", f"{keys.path} can be read, for its owner alone, and opens the secrets")


def _key(name: str, path: Path, is_credential: bool) -> Finding:
    try:
        with acting_as_owner_of(path.parent):
            readable, mode = bool(read_text(path, links=is_credential).strip()), stat.S_IMODE(path.stat().st_mode)
    except PermissionError:
        raise
    except FileNotFoundError:
        return skipped(name, f"{path} is not there yet: the first start makes it")
    except (OSError, UnicodeDecodeError) as error:
        return failed(name, f"{path} cannot be read ({error})", "Run this as root, or mend the file.")
    if not readable:
        return failed(name, f"{path} is empty", "Remove it, and start the daemon, which makes a new one.")
    if mode & 0o077 and not is_credential:
        return warning(name, f"{path} can be read by others (mode {mode:o})", f"Run: chmod 600 {path}")
    return ok(name, f"{path} can be read, for its owner alone")


def check_disk(settings: Settings, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs) -> Iterator[Finding]:
    """Whether there is room to write."""
    place = next((path for path in (settings.state_dir, *settings.state_dir.parents) if path.exists()), Path("/"))
    found = statvfs(place)
    free, all_of_it = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    finding = f"{free // _MIB:,} MiB are free where {settings.state_dir} is{_database_size(settings)}"
    advice = "Free some space, give it a larger disk, or lower retention.days."
    refused = "Submissions are refused when it is full; nothing is lost."
    if settings.store.url:
        advice, refused = "Free some space, or give it a larger disk.", "The database is on its server, not here."
    if free < _LEAST_BYTES or (found.f_files and found.f_favail < 100):
        yield failed("disk space", finding, f"{advice} {refused}")
    elif free < _LITTLE_BYTES or free < _LITTLE_PART * all_of_it:
        yield warning("disk space", finding, advice)
    else:
        yield ok("disk space", finding)


def _database_size(settings: Settings) -> str:
    if settings.store.url:
        return ""
    try:
        return f"; the database has {(settings.state_dir / DATABASE).stat().st_size // _MIB:,} MiB"
    except OSError:
        return ""
