"""Lines of the log as entries of systemd's journal, with fields of their own (systemd's "Native Journal Protocol").

An entry's `MESSAGE` is the line as JSON, as it would stand on stderr; its `PRIORITY` is that of syslog(3); each field
of the line is a field of the entry: `deliveryId` is `DELIVERY_ID`, and so is each of `deliveryIds`. Thus
`journalctl DELIVERY_ID=dlv_…` finds by an index what belongs to a delivery.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "kakiyo-webhooks"

_PRIORITIES: Mapping[str, bytes] = {"debug": b"7", "info": b"6", "warning": b"4", "error": b"3"}
_SAID_OTHERWISE = frozenset({"timestamp", "level"})  # by the entry's own time and priority


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


class JournalSocket:
    """Where entries go. It waits for a journal that is busy; one that is not there, or refuses an entry, loses it."""

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def write(self, entries: Sequence[bytes]) -> int:
        """Send the entries. Returns how many are lost."""
        return sum(not self._send(entry) for entry in entries)

    def _send(self, entry: bytes) -> bool:
        try:
            self._socket.sendto(entry, self._address)
        except OSError:  # it restarts, or does not take entries as long as this
            return False
        return True
