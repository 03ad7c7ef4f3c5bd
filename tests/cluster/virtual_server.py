"""A real PostgreSQL database whose clock is Trio's, and the ways of nodes to it, which take their time or are cut."""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import trio

from daemon.domain.errors import StoreUnavailable
from daemon.store.nodes import Notice
from daemon.store.postgresql.address import Address

Result = TypeVar("Result")

# Its schema goes first, so that our statements call it. Rows that take their time from a default are never old for it.
_CLOCK = """
    CREATE SCHEMA virtual;
    CREATE SEQUENCE virtual.now MINVALUE 0 START 0;
    CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT timestamptz '2020-01-01' + last_value * interval '1 microsecond' FROM virtual.now $$;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = virtual, pg_catalog, public', current_database());
    END $$"""


@dataclass(slots=True)
class VirtualServer:
    """The database, and who listens to it. `chance` decides how long everything takes; notices get lost, too."""

    address: Address
    chance: random.Random
    _connection: psycopg.Connection[Any]
    _zero: float
    _listeners: list["Ear"] = field(default_factory=list)

    def set_clock(self) -> None:
        """Have the server's clock say what Trio's does."""
        self._connection.execute("SELECT setval('virtual.now', %s)", (round((trio.current_time() - self._zero) * 1e6),))

    def call_out(self, notices: Sequence[tuple[str, str]], link: "Link") -> None:
        """Tell everyone who hears it."""
        for ear in self._listeners:
            if not (link.is_cut or ear.link.is_cut or self.chance.random() < 0.2):
                ear.heard(Notice(channel, payload) for channel, payload in notices)

    @asynccontextmanager
    async def listening(self, link: "Link", channels: Sequence[str]) -> AsyncIterator["Ear"]:
        """Listen for this block."""
        ear = Ear(link, channels[0])
        self._listeners.append(ear)
        try:
            await trio.lowlevel.checkpoint()
            yield ear
        finally:
            self._listeners.remove(ear)


@contextmanager
def virtual_server(address: Address, chance: random.Random) -> Iterator[VirtualServer]:
    """Give a database another clock, for connections that are opened from now on."""
    with address.connect({}, autocommit=True) as connection:
        connection.execute(_CLOCK.encode())
        server = VirtualServer(address, chance, connection, trio.current_time())
        server.set_clock()
        yield server


@dataclass(slots=True)
class Link:
    """One node's way to the database. Each call takes its time, before and after what it does there.

    While it is cut, calls that are under way stay where they are: what they were to do is done later, or its answer
    arrives later.
    """

    server: VirtualServer
    cut_until: float = 0

    @property
    def is_cut(self) -> bool:
        return trio.current_time() < self.cut_until

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        """Run this in the database, as a thread would."""
        await self._pass()
        self.server.set_clock()
        result = work()
        await self._pass()
        return result

    def cut(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        self.cut_until = max(self.cut_until, trio.current_time() + seconds)

    async def _pass(self) -> None:
        chance = self.server.chance
        await trio.sleep(chance.choice((0, 0, chance.uniform(0, 0.01), chance.uniform(0, 0.3))))
        while self.is_cut:  # noqa: ASYNC110 - it may be cut again
            await trio.sleep_until(self.cut_until)


@dataclass(slots=True)
class Ear:
    """Hears what nodes call out: a `daemon.store.nodes.Listener`."""

    link: Link
    echo_channel: str
    _notices: list[Notice] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    def heard(self, notices: Iterator[Notice]) -> None:
        self._notices += notices
        self._changed.set()

    async def receive(self, within_s: float) -> Sequence[Notice]:
        """See Listener."""
        with trio.move_on_after(within_s):
            await self._changed.wait()
        self._changed = trio.Event()
        found, self._notices = self._notices, []
        return found

    def call_echo(self) -> None:
        """See Listener."""
        if self.link.is_cut:
            raise StoreUnavailable("the connection is lost")
        self.heard(iter((Notice(self.echo_channel, ""),)))
