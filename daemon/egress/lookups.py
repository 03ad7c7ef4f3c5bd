"""Fair places for lookups: no team's slow names keep another team's names waiting (contract "An attempt").

A team may hold as many places as are free, so that there is always one for the next team: one team alone gets half of
them, two get a third each. Names that hung lately share a quarter of what is free. A name is asked for once at a time,
however many want it. Answers are not kept: connections are, and each new one has its addresses checked again.
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

_HUNG_AFTER_S = 1.0
_HUNG_FOR_S = 60.0
# A failed lookup is not repeated within this time (RFC 9520, 3.2); no retry of a delivery comes sooner by default.
_FAILED_FOR_S = 1.0
_REMEMBERED = 10_000
_SHARE_OF_HUNG = 4


class Names(Protocol):
    """What resolves names one by one: see `Resolver`."""

    async def known_addresses(self, host: str) -> Sequence[Address] | None:
        """Return the addresses of a host that needs no name server, else None. Raises OSError if it has none."""
        ...

    async def ask(self, host: str) -> Sequence[Address]:
        """Return what the name servers say. Raises OSError."""
        ...


class _Lane(NamedTuple):
    """Who waits in one queue: a team's names, or those of them that hung lately."""

    team_id: str
    hung: bool


@dataclass(slots=True)
class _Query:
    """One name that is asked for, or waits for a place. It ends with a result, or when nobody wants one any more.

    `members` want its result; one of them at a time is `asking`. `joined` is the query that it became part of.
    """

    host: str
    lane: _Lane
    members: int = 0
    asking: bool = False
    result: Sequence[Address] | OSError | None = None
    joined: "_Query | None" = None
    ready: trio.Event = field(default_factory=trio.Event)
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)


class Lookup:
    """A place for one lookup, held until `release`."""

    def __init__(self, lookups: "Lookups", query: _Query) -> None:
        self.host = query.host
        self._lookups = lookups
        self._query: _Query | None = query

    async def resolve(self, _host: str, _port: int) -> Sequence[Address]:
        """Return the addresses of `host`: see `Resolve`."""
        assert self._query is not None, "a released lookup resolves nothing"
        return await self._lookups.result_of(self._query)

    def release(self) -> None:
        """Give the place back; a lookup that nobody else waits for is over."""
        if self._query is not None:
            self._lookups.leave(self._query)
            self._query = None


class Lookups:
    """The places, and who holds them."""

    def __init__(self, names: Names, places: int) -> None:
        self._names = names
        self._places = places
        self._begun: dict[str, _Query] = {}
        self._held: Counter[_Lane] = Counter()
        self._waiting: OrderedDict[_Lane, OrderedDict[str, _Query]] = OrderedDict()
        self._hung: ExpiringMap[bool] = ExpiringMap(_REMEMBERED, _HUNG_FOR_S)
        self._failed: ExpiringMap[OSError] = ExpiringMap(_REMEMBERED, _FAILED_FOR_S)

    @property
    def in_progress(self) -> int:
        """How many names hold a place."""
        return len(self._begun)

    @property
    def waiting(self) -> int:
        """How many lookups wait for a place."""
        return sum(query.members for lane in self._waiting.values() for query in lane.values())

    async def admit(self, host: str, team_id: str) -> Lookup:
        """Wait for a place for this name in the team's queue, and hold it. No waiting is left behind by a cancel."""
        query = await self._without_place(host) or self._query_for(host, team_id)
        query.members += 1
        try:
            if not query.ready.is_set():
                await query.ready.wait()
        except BaseException:
            self.leave(query)
            raise
        return Lookup(self, query.joined or query)

    async def admit_now(self, host: str, team_id: str) -> Lookup | None:
        """Return the same if there is a place now, else None."""
        query = await self._without_place(host) or self._query_for(host, team_id)
        query.members += 1
        if query.ready.is_set():
            return Lookup(self, query)
        self.leave(query)
        return None

    def resolver_for(self, team_id: str) -> Resolve:
        """Return what resolves names in this team's places."""
        return partial(self._resolve, team_id)

    async def _resolve(self, team_id: str, host: str, port: int) -> Sequence[Address]:
        lookup = await self.admit(host, team_id)
        try:
            return await lookup.resolve(host, port)
        finally:
            lookup.release()

    # -- for Lookup

    async def result_of(self, query: _Query) -> Sequence[Address]:
        """Return the query's addresses; whoever is first asks for all. Raises OSError."""
        while query.result is None:
            if query.asking:
                await query.changed.park()
            else:
                await self._ask(query)
        if isinstance(query.result, OSError):
            raise type(query.result)(*query.result.args)
        return query.result

    def leave(self, query: _Query) -> None:
        """Count one member less; without any, the query is over."""
        query = query.joined or query
        query.members -= 1
        if query.members:
            return
        if not query.ready.is_set():
            self._stop_waiting(query)
        elif query.result is None:
            self._end(query)

    # -- asking

    async def _without_place(self, host: str) -> _Query | None:
        """Return a finished query for a host that nobody needs to ask for, else None."""
        try:
            result: Sequence[Address] | OSError | None = await self._names.known_addresses(host)
        except OSError as error:
            result = error
        result = self._failed.get(host) if result is None else result
        if result is None:
            return None
        known = _Query(host, _Lane("", hung=False), result=result)
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
            if not answered and trio.current_time() - started >= _HUNG_AFTER_S:
                self._hung.put(query.host, True)
            query.asking = False
            query.changed.unpark_all()

    def _finish(self, query: _Query, result: Sequence[Address] | OSError) -> None:
        query.result = result
        self._end(query)

    # -- places

    def _query_for(self, host: str, team_id: str) -> _Query:
        if (begun := self._begun.get(host)) is not None:
            return begun
        lane = _Lane(team_id, self._hung.get(host) is not None)
        if (queue := self._waiting.get(lane)) is not None and host in queue:
            return queue[host]
        query = _Query(host, lane)
        if self._has_place_for(lane):
            self._begin(query)
        else:
            self._waiting.setdefault(lane, OrderedDict())[host] = query
        return query

    def _has_place_for(self, lane: _Lane) -> bool:
        free = self._places - len(self._begun)
        if lane.hung:
            return self._held[lane] < min(free, max(1, free // _SHARE_OF_HUNG))
        return self._held[lane] < free

    def _begin(self, query: _Query) -> None:
        self._begun[query.host] = query
        self._held[query.lane] += 1
        query.ready.set()

    def _end(self, query: _Query) -> None:
        del self._begun[query.host]
        self._held[query.lane] -= 1
        if not self._held[query.lane]:
            del self._held[query.lane]
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free places to those who wait: a place for each team in turn, in a team to whoever came first."""
        while lane := next(filter(self._has_place_for, self._waiting), None):
            self._admit_first(lane)

    def _admit_first(self, lane: _Lane) -> None:
        host, query = self._waiting[lane].popitem(last=False)
        if self._waiting[lane]:
            self._waiting.move_to_end(lane)
        else:
            del self._waiting[lane]
        if (begun := self._begun.get(host)) is not None:
            begun.members += query.members
            query.joined = begun
            query.ready.set()
        else:
            self._begin(query)

    def _stop_waiting(self, query: _Query) -> None:
        queue = self._waiting[query.lane]
        del queue[query.host]
        if not queue:
            del self._waiting[query.lane]
