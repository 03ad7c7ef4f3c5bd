"""Where the daemon listens in fact, kept in the state directory for the commands (contract "Command line").

The settings alone do not tell: port 0 is any that is free, and systemd hands over sockets of its own.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from daemon.domain.bind_address import PassedSocket, TcpAddress, UnixAddress, parse_bind
from daemon.files.private_file import write_private_file
from daemon.files.regular_file import read_text

_FILE = "listening.json"


def keep_addresses(state_dir: Path, addresses: Iterable[TcpAddress | UnixAddress]) -> None:
    """Write them down, in place of those of an earlier run. Raises OSError."""
    write_private_file(state_dir / _FILE, json.dumps([str(address) for address in addresses]) + "\n")


def remove_addresses(state_dir: Path) -> None:
    """Forget where the daemon listened: it no longer does, or not yet."""
    with suppress(OSError):
        (state_dir / _FILE).unlink()


def kept_addresses(state_dir: Path) -> tuple[TcpAddress | UnixAddress, ...]:
    """Return where the daemon of this directory listens; nothing when it is stopped, or this user may not know.

    After a crash it is where the daemon listened until then. What is no such list counts as nothing.
    """
    try:
        kept = json.loads(read_text(state_dir / _FILE))
        addresses = [parse_bind(text) for text in kept]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(address for address in addresses if not isinstance(address, PassedSocket))
