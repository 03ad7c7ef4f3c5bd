"""Hanging up on a server that has fallen silent, though its connection lives.

TCP notices a peer that is gone. It does not notice a proxy or a pooler that takes bytes and passes nothing on, nor a
server that is frozen: who waits for such an answer waits for ever, in a thread that cannot be interrupted. So each use
of a connection has a deadline, and who is late has the socket shut down under it: then libpq says that it is lost.
"""

import os
import socket
import time
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, event


class Deadlines:
    """Until when each connection in use has to be done; any thread may begin and end a use."""

    def __init__(self) -> None:
        self._uses: dict[psycopg.Connection[Any], float] = {}

    def begin(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        """Expect this use to end within so many seconds."""
        self._uses[connection] = time.monotonic() + seconds

    def end(self, connection: psycopg.Connection[Any]) -> None:
        """Take note that it has ended."""
        self._uses.pop(connection, None)

    def watch(self, engine: Engine, seconds: float) -> None:
        """Expect each use of a connection of this engine to end within so many seconds."""

        def checked_out(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
            self.begin(connection, seconds)

        def checked_in(connection: psycopg.Connection[Any] | None, _record: object) -> None:
            if connection is not None:
                self.end(connection)

        event.listen(engine, "checkout", checked_out)
        event.listen(engine, "checkin", checked_in)

    def hang_up(self) -> int:
        """Shut down the sockets of those that are late; return how many. It does not block."""
        now = time.monotonic()
        late = [connection for connection, until in tuple(self._uses.items()) if until < now]
        for connection in late:
            self.end(connection)
            _shut_down(connection)
        return len(late)


def _shut_down(connection: psycopg.Connection[Any]) -> None:
    # It may be closed already.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)
