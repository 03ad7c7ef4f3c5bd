"""Reads: each query runs in one snapshot, on a read-only connection of its own."""

from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from daemon.errors import StoreUnavailable
from daemon.hop import Hop
from daemon.store.database import Database

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Reader:
    """Runs the functions of `daemon.store.queries`."""

    def __init__(self, database: Database, hop: Hop) -> None:
        self._database = database
        self._hop = hop

    async def fetch(
        self,
        query: Callable[Concatenate[Connection, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run `query` and return its result. Raises StoreUnavailable when the database fails."""
        return await self._hop(partial(self._run, lambda connection: query(connection, *args, **kwargs)))

    def _run(self, query: Callable[[Connection], Result]) -> Result:
        try:
            with self._database.reading.begin() as connection:
                return query(connection)
        except DatabaseError as error:
            raise StoreUnavailable(f"the database failed ({error.orig})") from error
