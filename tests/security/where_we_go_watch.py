"""A watch over every connect and every lookup of this process, whichever code makes them (PEP 578)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Watch:
    """What was seen while it was on: the addresses that sockets were connected or sent to, the names looked up."""

    on: bool = False
    connected: list[tuple[str, int]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if self.on and event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self.connected.append(arguments[1][:2])
        if self.on and event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.looked_up.append(str(arguments[0]))

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        """See from now on, with nothing seen yet."""
        self.connected.clear()
        self.looked_up.clear()
        self.on = True
        try:
            yield self
        finally:
            self.on = False


def make_watch() -> Watch:
    """Return a watch that is off. It stays in the process: once is enough."""
    watch = Watch()
    sys.addaudithook(watch.see)
    return watch
