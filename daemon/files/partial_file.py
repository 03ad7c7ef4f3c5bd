"""A large file in the making: beside its name, for its owner alone, and gone unless it is finished."""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of
from daemon.files.private_file import sync_directory
from daemon.files.regular_file import open_regular

SUFFIX = ".partial"


class InTheMaking(Exception):
    """Another process is making the same file."""


@dataclass(frozen=True, slots=True)
class PartialFile:
    """An empty file of ours at `path` (0600), which is to become `target`."""

    path: Path
    target: Path
    descriptor: int

    def finish(self) -> None:
        """Put it in its target's place, durably: whoever looks sees what was there, or the whole file.

        Raises OSError.
        """
        os.fsync(self.descriptor)
        self.path.rename(self.target)
        sync_directory(self.target.parent)


@contextmanager
def partial_file(target: Path, companions: Sequence[str] = ()) -> Iterator[PartialFile]:
    """Make the file; what is left of it at the end is removed, and what stands beside it under these endings.

    One of ours that a crash left behind is taken over. While inside, root has the rights of the directory's owner, to
    whom the file belongs. Raises InTheMaking and OSError.
    """
    path = target.with_name(target.name + SUFFIX)
    besides = [path.with_name(path.name + ending) for ending in companions]
    with acting_as_owner_of(target.parent):
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            _take(descriptor, path)
            _remove(besides)  # what a crash left, or what somebody else has put there
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
            try:
                yield PartialFile(path, target, descriptor)
            finally:
                if _is_at(descriptor, path):
                    _remove([path, *besides])
        finally:
            os.close(descriptor)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _take(descriptor: int, path: Path) -> None:
    """Hold the file for this process, or tell that another one does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InTheMaking from None
    if not _is_at(descriptor, path):  # the other one finished it between our opening and our holding it
        raise InTheMaking
    if os.fstat(descriptor).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"{path.name} is there and belongs to another user", str(path))


def _is_at(descriptor: int, path: Path) -> bool:
    return os.path.lexists(path) and os.path.samestat(path.lstat(), os.fstat(descriptor))
