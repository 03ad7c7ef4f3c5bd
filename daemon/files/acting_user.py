"""Root in another user's directory: it works there with that user's rights only.

Whoever owns a directory can put a link in any file's place at any moment. With the owner's rights, a link leads to
nothing that the owner could not reach without us.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_CAP_DAC_READ_SEARCH = 1 << 2


@contextmanager
def acting_as_owner_of(directory: Path) -> Iterator[None]:
    """Give root the rights of the directory's owner while inside; if it is missing, of its nearest parent's owner.

    A process that was not started by root keeps the rights that it has. It may be nested. Raises OSError.
    """
    if 0 not in os.getresuid():
        yield
        return
    before, could_search = (os.geteuid(), os.getegid(), os.getgroups()), _can_search_everywhere()
    os.seteuid(0)
    owner = _nearest(directory).stat()
    if owner.st_uid == before[0] == 0:
        yield
        return
    try:
        if owner.st_uid != 0:
            _become_owner(owner, directory)
            if not _is_reachable(directory):
                _search_everywhere()
        yield
    finally:
        os.seteuid(0)
        _become(*before)
        if could_search:
            _search_everywhere()


def _nearest(directory: Path) -> Path:
    absolute = directory.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def _become_owner(owner: os.stat_result, directory: Path) -> None:
    try:
        _become(owner.st_uid, owner.st_gid, [])
    except PermissionError:  # a root without the capabilities for it
        said = f"it belongs to user {owner.st_uid}, whose rights root cannot take here: run this as that user"
        raise PermissionError(errno.EPERM, said, str(directory)) from None


def _become(user: int, group: int, groups: list[int]) -> None:
    os.setgroups(groups)
    os.setegid(group)
    os.seteuid(user)


def _is_reachable(directory: Path) -> bool:
    try:
        _nearest(directory).stat()
    except PermissionError:
        return False
    return True


# Systemd keeps the state of dynamic users below /var/lib/private, where only root may look up names. For such a place
# alone, the right to read and search is kept; what is written still needs the owner's rights (capabilities(7)).


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_Both = _Sets * 2  # 32 capabilities each


def _can_search_everywhere() -> bool:
    sets = _Both()
    _libc().capget(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), sets)
    return bool(sets[0].effective & _CAP_DAC_READ_SEARCH)


def _search_everywhere() -> None:
    """Make it so if that is permitted; where it is not, what is opened next says what it lacks."""
    header, sets = _Header(_CAPABILITY_VERSION, 0), _Both()
    _libc().capget(ctypes.byref(header), sets)
    sets[0].effective |= _CAP_DAC_READ_SEARCH & sets[0].permitted
    _libc().capset(ctypes.byref(header), sets)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
