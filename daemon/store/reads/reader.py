"""The reader: runs each query in one snapshot, alone or together with other queries that wait."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import trio
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from daemon.actors.reply import Reply
from daemon.actors.threads import RunInThread
from daemon.domain.errors import StoreUnavailable
from daemon.store.engine import READERS, Engine
from daemon.store.reads.actor_reads import Found
from daemon.telemetry.peak import Peak

_TOGETHER = 16
_ROWS_AT_ONCE = 1_000
# The other connections remain free for longer reads.
_AT_ONCE = READERS // 2

Parameters = ParamSpec("Parameters")
Argument = TypeVar("Argument")
Result = TypeVar("Result")

# Runs with the arguments of all who wait, and answers each, in order.
_Query = Callable[[Connection, Sequence[Any]], Sequence[Any]]


@dataclass(slots=True, eq=False)
class _Read:
    query: _Query
    argument: Any
    taken: bool = False
    answer: Any = field(default_factory=lambda: StoreUnavailable("the store failed during the read"))
    reply: Reply[Any] = field(default_factory=Reply)


class Reader:
    """Runs the functions of `daemon.store.reads.api_reads` and `daemon.store.reads.actor_reads`."""

    def __init__(self, engine: Engine, run_in_thread: RunInThread, longest: Peak | None = None) -> None:
        self._engine = engine
        self._longest = longest or Peak()
        self._run_in_thread = run_in_thread
        self._waiting: deque[_Read] = deque()
        self._turns = trio.CapacityLimiter(_AT_ONCE)

    async def fetch(
        self,
        query: Callable[Concatenate[Connection, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run `query` and return its result. Raises StoreUnavailable when the database fails."""
        return await self._run_in_thread(partial(self._run, lambda connection: query(connection, *args, **kwargs)))

    async def each(
        self, query: Callable[[Connection, Any, int], Found[Result]], behind: int | str = 0
    ) -> AsyncIterator[Result]:
        """Yield each row of a table that may be large, page by page, each page in a snapshot of its own.

        `behind` is a key that sorts before all others: 0, or "" for a table that is read in the order of a text.
        """
        place: int | str | None = behind
        while place is not None:
            page = await self.fetch(query, place, _ROWS_AT_ONCE)
            for item in page.items:
                yield item
            place = page.behind

    async def fetch_together(
        self,
        query: Callable[Concatenate[Connection, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Like `fetch`, for a short query: shares a thread call and a snapshot with up to 15 others that wait.

        A round trip to a thread costs more than such a query, and the more so the busier the event loop is.
        """
        result: Result = await self._wait_for(_Read(lambda connection, _: [query(connection, *args, **kwargs)], None))
        return result

    async def fetch_for_all(
        self, query: Callable[[Connection, Sequence[Argument]], Sequence[Result]], argument: Argument
    ) -> Result:
        """Like `fetch_together`, for a query that takes the arguments of all who wait, and answers each, in order.

        If it fails for several, it is run for each alone.
        """
        result: Result = await self._wait_for(_Read(query, argument))
        return result

    async def _wait_for(self, read: _Read) -> Any:
        self._waiting.append(read)
        async with self._turns:
            while not read.taken:
                await self._run_waiting()
        return await read.reply.wait()

    async def _run_waiting(self) -> None:
        taken: list[_Read] = []
        try:
            await self._run_in_thread(partial(self._take_and_run, taken))
        finally:
            for read in taken:
                read.reply.settle(read.answer)

    def _take_and_run(self, taken: list[_Read]) -> None:
        # In the thread: a caller that is cancelled earlier has taken no other caller's query.
        with suppress(IndexError):
            while len(taken) < _TOGETHER:
                taken.append(self._waiting.popleft())
                taken[-1].taken = True
        try:
            self._run(partial(self._answer_each, taken))
        except StoreUnavailable as error:
            for read in taken:
                read.answer = error

    def _run(self, query: Callable[[Connection], Result]) -> Result:
        started = time.monotonic()
        try:
            with self._engine.reading.connect() as connection:
                result = query(connection)
                connection.commit()  # nothing: but at a rollback a driver may forget what it has prepared
                return result
        except DatabaseError as error:
            raise self._engine.unavailable(error) from error
        finally:
            self._longest.observe(time.monotonic() - started)

    def _answer_each(self, reads: Sequence[_Read], connection: Connection) -> None:
        sharing: dict[_Query, list[_Read]] = {}
        for read in reads:
            sharing.setdefault(read.query, []).append(read)
        for query, those in sharing.items():
            answers = self._answers(query, [read.argument for read in those], connection)
            for read, answer in zip(those, answers, strict=True):
                read.answer = answer

    def _answers(self, query: _Query, arguments: Sequence[Any], connection: Connection) -> Sequence[Any]:
        answer: Sequence[Any] | Exception = self._answer(partial(query, connection, arguments), connection)
        if not isinstance(answer, Exception):
            return answer
        if len(arguments) == 1:
            return [answer]
        return [self._answers(query, [argument], connection)[0] for argument in arguments]

    def _answer(self, query: Callable[[], Any], connection: Connection) -> Any:
        try:
            return query()
        except DatabaseError as error:
            connection.rollback()  # some engines would refuse the others, too: they see another snapshot instead
            return self._engine.unavailable(error)
        except Exception as error:
            return error  # fails this query only
