"""Files that others may have put there: opened without following a link, and never a pipe, device or directory."""

import errno
import os
import stat
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of

_MOST_BYTES = 65_536
_NOT_REGULAR = "it is a link or no regular file"


def open_regular(path: Path, flags: int, mode: int = 0o600) -> int:
    """Return a descriptor of a regular file that has one name only. Never waits. Raises OSError.

    The caller acts as the directory's owner (see `acting_as_owner_of`).
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _not_regular(path) from None
        raise
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise _not_regular(path)


def read_text(path: Path, *, links: bool = False) -> str:
    """Return the ASCII text of a small file, read with the rights of its directory's owner.

    `links` says that the path is the operator's own choice and may be a link. Raises OSError and UnicodeDecodeError.
    """
    with acting_as_owner_of(path.parent):
        descriptor = _open_linked(path) if links else open_regular(path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST_BYTES).decode("ascii")


def _open_linked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _not_regular(path)


def require_regular(path: Path) -> None:
    """Raise OSError if what has this name is a link, or no regular file; that nothing has it is right."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, _NOT_REGULAR, str(path))
