"""Which connections are open: those without a key have a budget apart from those that have shown one.

A connection begins as a stranger. When the strangers' budget is used up, a new one takes the place of the one that has
been idle for longest: who only waits, or sends its head slowly, keeps nobody out. With its first request with a valid
key or session a connection goes over to the others, where in the same way the one that is idle for longest makes room.
"""

from collections.abc import Iterator

import trio

from api.server.connection import Connection

_SHARE_OF_STRANGERS = 4  # one of so many
_STRANGERS_REQUEST_S = 2  # without a key nothing takes longer, unless its client is slow


class Admission:
    """At most `max_connections` are open, a quarter of them of strangers."""

    def __init__(self, max_connections: int) -> None:
        self._most_strangers = max(1, max_connections // _SHARE_OF_STRANGERS)
        self._most_known = max_connections - self._most_strangers
        self._strangers: set[Connection] = set()
        self._known: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def __iter__(self) -> Iterator[Connection]:
        return iter((*self._strangers, *self._known))

    def admit(self, connection: Connection) -> bool:
        """Take a new connection in, if there is a place or one can be made; return whether it was."""
        if len(self._strangers) >= self._most_strangers and not _displace(self._strangers, _STRANGERS_REQUEST_S):
            return False
        self._strangers.add(connection)
        return True

    def promote(self, connection: Connection) -> None:
        """Let a connection that has shown a key go over to the others; it stays a stranger if all of these are busy."""
        if connection not in self._strangers:
            return
        if len(self._known) >= self._most_known and not _displace(self._known):
            return
        self._strangers.discard(connection)
        self._known.add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._strangers.discard(connection)
        self._known.discard(connection)


def _displace(connections: set[Connection], request_s: float | None = None) -> bool:
    """Close the one that is idle for longest, else one whose request takes longer than `request_s`, if there is one."""
    idle = [each for each in connections if not each.is_answering]
    if not idle and request_s is not None:
        started_before = trio.current_time() - request_s
        idle = [each for each in connections if each.since <= started_before]
    if not idle:
        return False
    oldest = min(idle, key=lambda each: each.since)
    connections.discard(oldest)
    oldest.abort()
    return True
