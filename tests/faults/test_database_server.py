"""The database server fails under a running daemon: it answers 503, loses nothing, and goes on by itself."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
import trio

from tests.e2e.conftest import MakeInstallation, new_installation  # noqa: F401 - a fixture
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, Operator, make_event, operated
from tests.support.postgresql import PostgresqlServer
from tests.support.process import Installation, daemon_process
from tests.support.receivers import Receiver, open_receiver

KEPT = 3


@dataclass(frozen=True, slots=True)
class Database:
    """A database, its server, and the installation of a daemon that keeps its data there."""

    server: PostgresqlServer
    url: str
    installation: Installation

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.removeprefix("/")

    def set(self, setting: str, value: str) -> None:
        """Change a setting of its sessions, and begin all of them anew."""
        self.server.run(f"ALTER DATABASE {self.name} {setting} {value}")
        self.server.end_sessions(self.name)

    def numbers(self) -> list[int]:
        """Return the numbers of the events in it."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT (convert_from(body, 'UTF8')::json->'data'->>'n')::int FROM events ORDER BY seq"
            )
            return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Scene:
    """A daemon that has accepted events; the last one's attempt is under way."""

    database: Database
    operator: Operator
    receiver: Receiver
    gate: Gate

    async def submit(self, number: int) -> int:
        """Submit an event; return the status, after checking what comes with a refusal."""
        answer = await self.operator.http.post("/v1/events", json=make_event(number))
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"].startswith("application/problem+json")
        return answer.status_code


@pytest.fixture
def database(
    new_installation: MakeInstallation,  # noqa: F811 - the fixture
    postgresql: tuple[PostgresqlServer, str],
) -> Iterator[Database]:
    server, template = postgresql
    with server.database(template) as address:
        yield Database(server, address.url, new_installation(store={"url": address.url}))


@asynccontextmanager
async def scene(database: Database) -> AsyncIterator[Scene]:
    gate = Gate()
    async with open_receiver() as receiver, operated(database.installation) as operator:
        await operator.make_team()
        await operator.make_webhook(receiver.url)
        await operator.submit(*range(KEPT))
        await operator.daemon.logged("delivery_succeeded", KEPT)
        receiver.answer = gate
        await operator.submit(KEPT)
        await receiver.received(KEPT + 1)
        yield Scene(database, operator, receiver, gate)


@contextmanager
def stopped(database: Database) -> Iterator[None]:
    with database.server.stopped():
        yield


@contextmanager
def full_of_connections(database: Database) -> Iterator[None]:
    database.set("ALLOW_CONNECTIONS", "false")  # as a server refuses one connection too many: before it has begun
    yield
    database.server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    database.set("SET default_transaction_read_only =", "on")
    yield
    database.set("SET default_transaction_read_only =", "off")


Failing = Callable[[Database], AbstractContextManager[None]]


@pytest.mark.fault(
    "The database server is stopped in an instant, refuses connections, or becomes read-only",
    "503 while it lasts; nothing acknowledged is lost, nothing is delivered twice, and all goes on by itself",
)
@pytest.mark.parametrize("failing", [stopped, full_of_connections, read_only])
@ends_within(60)
async def test_it_goes_on_by_itself_when_the_database_is_back(database: Database, failing: Failing) -> None:
    async with scene(database) as here:
        operator = here.operator
        with failing(database):
            assert await here.submit(100) == 503
            here.gate.opened.set()
            await operator.daemon.logged("store_unavailable")
            assert (await operator.http.get("/healthz")).status_code == 200
            assert (await operator.http.get("/readyz")).status_code == 503
        await operator.daemon.logged("store_recovered")
        assert await here.submit(200) == 202
        await operator.until_nothing_is_pending()
        assert {delivery["status"] for delivery in await operator.deliveries()} == {"succeeded"}
        assert (await operator.http.get("/readyz")).status_code == 200
        assert not operator.daemon.log_lines("actor_restarted")
    assert database.numbers() == [*range(KEPT + 1), 200]
    seen = [request.header("webhook-id") for request in here.receiver.requests]
    assert len(seen) == len(set(seen)) == KEPT + 2, "each was delivered once, in one attempt"


@pytest.mark.fault(
    "The database server ends connections that are idle, or is restarted while nothing happens",
    "Nobody notices: the next request gets a new connection",
)
@ends_within(30)
async def test_connections_that_were_ended_while_idle_are_made_anew_and_nobody_notices(database: Database) -> None:
    async with scene(database) as here:
        here.gate.opened.set()
        await here.operator.until_nothing_is_pending()
        for number, interrupt in enumerate((lambda: database.server.end_sessions(database.name), _restart(database))):
            interrupt()
            assert await here.submit(100 + number) == 202
            await here.operator.until_nothing_is_pending()
        assert not here.operator.daemon.log_lines("request_failed")


def _restart(database: Database) -> Callable[[], None]:
    def restart() -> None:
        with database.server.stopped():
            pass

    return restart


@pytest.mark.fault(
    "The database server is not there yet when the daemon starts",
    "The start waits for it, for about 30 s, and then refuses in one sentence",
)
@ends_within(30)
async def test_a_start_waits_for_a_server_that_comes_up_later(database: Database) -> None:
    reading, writing = os.pipe()
    database.server.stop()
    async with trio.lowlevel.FdStream(reading) as log, trio.open_nursery() as nursery:
        nursery.start_soon(_start_when_it_is_missed, database.server, log)
        with os.fdopen(writing, "wb"):
            async with daemon_process(database.installation, stderr=writing) as daemon:
                assert "STATUS=Waiting for the database" in daemon.notices


async def _start_when_it_is_missed(server: PostgresqlServer, log: trio.lowlevel.FdStream) -> None:
    said = b""
    try:
        with trio.fail_after(10):
            while b'"event":"store_unavailable"' not in said:
                said += await log.receive_some()
    finally:
        server.start()
    async for _ in log:
        pass
