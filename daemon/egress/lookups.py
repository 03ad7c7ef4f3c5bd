"""Slots for lookups, shared fairly: no team's slow names keep another team's names waiting (contract "An attempt").

A team may hold as many slots as are free, so there is always one for the next team: one team alone gets half of them,
two get a third each. A team's names that were slow lately get a quarter of what is free. Concurrent lookups of a name
share one query. Answers are not cached: connections are kept, and each new one has its addresses checked again.
"""

import socket
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import trio

from daemon.egress.addresses import Address
from daemon.egress.expiring_map import ExpiringMap
from daemon.egress.resolver import Resolve

_SLOW_AFTER_S = 1.0
_SLOW_FOR_S = 60.0
# A failed lookup is not repeated within this time (RFC 9520, 3.2); no retry of a delivery comes sooner by default.
_FAILED_FOR_S = 1.0
_MAX_REMEMBERED = 10_000
_SLOW_SHARE = 4


class Names(Protocol):
    """Resolves single names: see `Resolver`."""

    async def known_addresses(self, host: str) -> Sequence[Address] | None:
        """Return the addresses of a host that needs no name server, or None. Raises OSError if it has none."""
        ...

    async def ask(self, host: str) -> Sequence[Address]:
        """Return what the name servers answer. Raises OSError."""
        ...


class _QueueKey(NamedTuple):
    """A team has two queues: one for its names that were slow lately, one for the others."""

    team_id: str
    slow: bool


@dataclass(slots=True)
class _Query:
    """The query for one name, running or waiting for a slot. It ends with a result, or when its last member leaves.

    `members` counts the lookups that share it; one of them at a time is `asking`. `joined` is the query it merged into.
    """

    host: str
    key: _QueueKey
    members: int = 0
    asking: bool = False
    result: Sequence[Address] | OSError | None = None
    joined: "_Query | None" = None
    ready: trio.Event = field(default_factory=trio.Event)
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)


class Lookup:
    """A slot for one lookup, held until `release`."""

    def __init__(self, lookups: "Lookups", query: _Query) -> None:
        self.host = query.host
        self._lookups = lookups
        self._query: _Query | None = query

    async def resolve(self, _host: str, _port: int) -> Sequence[Address]:
        """Return the addresses of `host`: see `Resolve`."""
        assert self._query is not None, "a released lookup resolves nothing"
        return await self._lookups.result_of(self._query)

    def release(self) -> None:
        """Release the slot; the query ends if no other lookup shares it."""
        if self._query is not None:
            self._lookups.leave(self._query)
            self._query = None


class Lookups:
    """The slots, and which queries hold them."""

    def __init__(self, names: Names, slots: int) -> None:
        self._names = names
        self._slots = slots
        self._running: dict[str, _Query] = {}
        self._held: Counter[_QueueKey] = Counter()
        self._waiting: OrderedDict[_QueueKey, OrderedDict[str, _Query]] = OrderedDict()
        self._slow: ExpiringMap[bool] = ExpiringMap(_MAX_REMEMBERED, _SLOW_FOR_S)
        self._failed: ExpiringMap[OSError] = ExpiringMap(_MAX_REMEMBERED, _FAILED_FOR_S)

    @property
    def in_progress(self) -> int:
        """How many names hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many lookups wait for a slot."""
        return sum(query.members for queue in self._waiting.values() for query in queue.values())

    async def admit(self, host: str, team_id: str) -> Lookup:
        """Wait in the team's queue for a slot for this name, and take it. A cancelled call leaves the queue."""
        query = await self._known(host) or self._query_for(host, team_id)
        query.members += 1
        try:
            if not query.ready.is_set():
                await query.ready.wait()
        except BaseException:
            self.leave(query)
            raise
        return Lookup(self, query.joined or query)

    async def admit_now(self, host: str, team_id: str) -> Lookup | None:
        """Take a slot for this name if one is free now; return None otherwise."""
        query = await self._known(host) or self._query_for(host, team_id)
        query.members += 1
        if query.ready.is_set():
            return Lookup(self, query)
        self.leave(query)
        return None

    def resolver_for(self, team_id: str) -> Resolve:
        """Return a resolver whose lookups use this team's slots."""
        return partial(self._resolve, team_id)

    async def _resolve(self, team_id: str, host: str, port: int) -> Sequence[Address]:
        lookup = await self.admit(host, team_id)
        try:
            return await lookup.resolve(host, port)
        finally:
            lookup.release()

    # -- for Lookup

    async def result_of(self, query: _Query) -> Sequence[Address]:
        """Return the query's addresses; the first caller asks for all of them. Raises OSError."""
        while query.result is None:
            if query.asking:
                await query.changed.park()
            else:
                await self._ask(query)
        if isinstance(query.result, OSError):
            raise type(query.result)(*query.result.args)
        return query.result

    def leave(self, query: _Query) -> None:
        """Remove one member; without members the query ends."""
        query = query.joined or query
        query.members -= 1
        if query.members:
            return
        if not query.ready.is_set():
            self._remove_waiting(query)
        elif query.result is None:
            self._end(query)

    # -- asking

    async def _known(self, host: str) -> _Query | None:
        """Return a finished query for a host that needs no name server or failed just now, or None."""
        try:
            result: Sequence[Address] | OSError | None = await self._names.known_addresses(host)
        except OSError as error:
            result = error
        result = self._failed.get(host) if result is None else result
        if result is None:
            return None
        known = _Query(host, _QueueKey("", slow=False), result=result)
        known.ready.set()
        return known

    async def _ask(self, query: _Query) -> None:
        query.asking, started, answered = True, trio.current_time(), False
        try:
            result = await self._names.ask(query.host)
            answered = True
            self._finish(query, result)
        except socket.gaierror as error:
            answered = error.errno == socket.EAI_NONAME
            self._failed.put(query.host, error)
            self._finish(query, error)
        finally:
            if not answered and trio.current_time() - started >= _SLOW_AFTER_S:
                self._slow.put(query.host, True)
            query.asking = False
            query.changed.unpark_all()

    def _finish(self, query: _Query, result: Sequence[Address] | OSError) -> None:
        query.result = result
        self._end(query)

    # -- slots

    def _query_for(self, host: str, team_id: str) -> _Query:
        if (running := self._running.get(host)) is not None:
            return running
        key = _QueueKey(team_id, self._slow.get(host) is not None)
        if (queue := self._waiting.get(key)) is not None and host in queue:
            return queue[host]
        query = _Query(host, key)
        if self._has_slot_for(key):
            self._start(query)
        else:
            self._waiting.setdefault(key, OrderedDict())[host] = query
        return query

    def _has_slot_for(self, key: _QueueKey) -> bool:
        free = self._slots - len(self._running)
        if key.slow:
            return self._held[key] < min(free, max(1, free // _SLOW_SHARE))
        return self._held[key] < free

    def _start(self, query: _Query) -> None:
        self._running[query.host] = query
        self._held[query.key] += 1
        query.ready.set()

    def _end(self, query: _Query) -> None:
        del self._running[query.host]
        self._held[query.key] -= 1
        if not self._held[query.key]:
            del self._held[query.key]
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Give free slots to waiting queries: one to each queue in turn, in the order of arrival within a queue."""
        while key := next(filter(self._has_slot_for, self._waiting), None):
            self._start_first(key)

    def _start_first(self, key: _QueueKey) -> None:
        host, query = self._waiting[key].popitem(last=False)
        if self._waiting[key]:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        if (running := self._running.get(host)) is not None:
            running.members += query.members
            query.joined = running
            query.ready.set()
        else:
            self._start(query)

    def _remove_waiting(self, query: _Query) -> None:
        queue = self._waiting[query.key]
        del queue[query.host]
        if not queue:
            del self._waiting[query.key]
