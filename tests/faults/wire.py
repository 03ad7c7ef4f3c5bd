"""The receivers of the in-process suites: one handler for all URLs, which notes down what the checker wants to know."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import trio

from daemon.actors.supervisor import Budget
from daemon.egress.transport import Transport
from tests.faults.evidence import Arrival, Evidence, Told, gather, open_read_only
from tests.faults.impossible_rows import ALWAYS, AT_REST, find_impossible_rows
from tests.support.daemon import RunningDaemon
from tests.support.mock_transport import MockTransport


@dataclass(slots=True)
class Wire:
    """`answer(url, number)` is the status for the event with this number; `life` counts the daemon's starts so far.

    A crash of an actor divides its life too: in two, for what the actor did until its cancellation was done.
    """

    answer: Callable[[str, int], int] = lambda url, number: 200
    arrivals: list[Arrival] = field(default_factory=list)
    life: int = 0
    takes_s: float = 0.01
    crashed_at: float = math.inf

    async def handle(self, request: httpx.Request) -> httpx.Response:
        number = orjson.loads(await request.aread())["data"]["n"]
        status = self.answer(str(request.url), number)
        attempt = int(request.headers["x-kakiyo-attempt"])
        self.arrivals.append(Arrival(self._life(), request.headers["webhook-id"], attempt, number, status))
        await trio.sleep(self.takes_s)
        return httpx.Response(status)

    def crash(self) -> None:
        """Note that an actor crashes now: it is restarted after its back-off at the earliest."""
        self.crashed_at = trio.current_time()

    def _life(self) -> int:
        now = trio.current_time()
        return self.life + (now >= self.crashed_at) + (now >= self.crashed_at + Budget().first_backoff_s / 2)

    def transport(self) -> Transport:
        return MockTransport(self.handle)


def gather_from(path: Path, told: Told, *, at_rest: bool = True) -> Evidence:
    """Combine a database of the in-process suites with what was observed."""
    with closing(open_read_only(path)) as connection:
        queries = {**ALWAYS, **AT_REST} if at_rest else ALWAYS
        return gather(connection, told, find_impossible_rows(connection, queries))


async def until_at_rest(daemon: RunningDaemon) -> None:
    """Wait, in virtual time, until nothing is pending and no mail waits."""
    with closing(open_read_only(Path(str(daemon.database.writing.url.database)))) as connection:
        while any(find_impossible_rows(connection, AT_REST)):  # noqa: ASYNC110 - the time is virtual, it costs none
            await trio.sleep(0.5)
