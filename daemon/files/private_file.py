"""Writing a small file that only its owner may read, as a whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of


def write_private_file(path: Path, text: str) -> None:
    """Write ASCII text to the file at `path` (0600), durably: whoever sees the file sees the old text or the new.

    A file that was there keeps its owner, and root writes with the rights of the directory's owner. Raises OSError,
    with the old file as it was.
    """
    with acting_as_owner_of(path.parent):
        _write(path, text)


def _write(path: Path, text: str) -> None:
    replacement = path.with_suffix(".new")
    replacement.unlink(missing_ok=True)
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        with suppress(FileNotFoundError):
            _keep_owner(descriptor, path.lstat())
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    replacement.rename(path)
    sync_directory(path.parent)


def _keep_owner(descriptor: int, before: os.stat_result) -> None:
    """Give the file to who owned what was there: root may write for another user, who must be able to read it."""
    if os.geteuid() != before.st_uid:
        os.fchown(descriptor, before.st_uid, before.st_gid)


def sync_directory(directory: Path) -> None:
    """Make a renaming in the directory last: without it a power cut could undo it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
