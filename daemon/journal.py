"""Lines of the log as entries of systemd's journal, with fields of their own (systemd's "Native Journal Protocol").

An entry's `MESSAGE` is the line as JSON, as it would stand on stderr; its `PRIORITY` is that of syslog(3); each field
of the line is a field of the entry: `deliveryId` is `DELIVERY_ID`, and so is each of `deliveryIds`. Thus
`journalctl DELIVERY_ID=dlv_…` finds by an index what belongs to a delivery.
"""

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "kakiyo-webhooks"

_PRIORITIES: Mapping[str, bytes] = {"debug": b"7", "info": b"6", "warning": b"4", "error": b"3"}
_SAID_OTHERWISE = frozenset({"timestamp", "level"})  # by the entry's own time and priority
# The event loop waits no longer than this for a journal that hangs, and then not again until it has taken a line.
_LONGEST_WAIT_S = 0.1


def stderr_is_the_journal(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether stderr leads to the journal, by $JOURNAL_STREAM of systemd.exec(5)."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


@lru_cache(maxsize=256)
def field_name(name: str) -> str:
    """Return what the journal calls a field of ours."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def journal_entry(fields: Mapping[str, Any], line: bytes) -> bytes:
    """Return the datagram for a line of the log: `fields` with `level`, and the `line` that a person sees."""
    parts = [_field("MESSAGE", line), _field("PRIORITY", _PRIORITIES[fields["level"]])]
    parts.append(_field("SYSLOG_IDENTIFIER", IDENTIFIER.encode()))
    parts += [_field(field_name(name), value) for name, value in _values(fields)]
    return b"".join(parts)


def _values(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, value in fields.items():
        if name in _SAID_OTHERWISE or value is None:
            continue
        if isinstance(value, list | tuple):
            yield from ((name.removesuffix("s"), _text(one)) for one in value)
        else:
            yield name, _text(value)


def _text(value: object) -> bytes:
    return str(value).encode("utf-8", "backslashreplace")


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
    return b"%s=%s\n" % (name.encode(), value)


class JournalLogger:
    """What structlog gives entries to. An entry that the journal does not take in time is lost and counted in `lost`.

    `tell_lost(count)` is called when the journal takes entries again.
    """

    def __init__(self, tell_lost: Callable[[int], None], address: str = SOCKET) -> None:
        self._tell_lost = tell_lost
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.lost = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def msg(self, entry: bytes) -> None:
        """Send one entry."""
        self._socket.settimeout(0 if self.lost else _LONGEST_WAIT_S)
        try:
            self._socket.sendto(entry, self._address)
        except OSError:  # it is full, restarts, or does not take entries as long as this
            self.lost += 1
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            self._tell_lost(lost)

    debug = info = warning = error = msg
