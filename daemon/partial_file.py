"""A large file in the making: beside its name, for its owner alone, and gone unless it is finished."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.private_file import keep_owner, sync_directory

SUFFIX = ".partial"


class InTheMaking(Exception):
    """Another process makes the same file just now."""


@dataclass(frozen=True, slots=True)
class PartialFile:
    """An empty file of ours at `path` (0600), which is to become `target`."""

    path: Path
    target: Path
    descriptor: int

    def give_to_owner_of(self, directory: Path) -> None:
        """Root may make it for another user: give it to the directory's. Raises OSError."""
        keep_owner(self.descriptor, directory.stat())

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

    One that a crash left behind is taken over. Raises InTheMaking and OSError.
    """
    path = target.with_name(target.name + SUFFIX)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path)
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
        try:
            yield PartialFile(path, target, descriptor)
        finally:
            if _is_at(descriptor, path):
                for ending in ("", *companions):
                    path.with_name(path.name + ending).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    """Hold the file for this process, or tell that another one does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InTheMaking from None
    if not _is_at(descriptor, path):  # the other one finished it between our opening and our holding it
        raise InTheMaking


def _is_at(descriptor: int, path: Path) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
