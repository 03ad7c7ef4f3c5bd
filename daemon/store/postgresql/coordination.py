"""Short transactions beside the writer's: about nodes, shards and what they tell each other."""

from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from daemon.actors.threads import RunInThread
from daemon.store.postgresql.failures import unavailable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Coordination:
    """Runs functions of `daemon.store.postgresql.membership` and `.feed`, each in a transaction of its own.

    Its connections wait for nothing longer than a lease takes, and their commits need not reach the disk unless a
    function asks for it.
    """

    def __init__(self, engine: sqlalchemy.Engine, run_in_thread: RunInThread) -> None:
        self._engine = engine
        self._run_in_thread = run_in_thread

    async def run(
        self,
        function: Callable[Concatenate[Connection, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run a function and return what it returns. Raises StoreUnavailable, and then it may have been committed."""
        return await self._run_in_thread(partial(self._run, lambda connection: function(connection, *args, **kwargs)))

    def _run(self, function: Callable[[Connection], Result]) -> Result:
        try:
            with self._engine.begin() as connection:
                return function(connection)
        except DatabaseError as error:
            raise unavailable(error) from error
