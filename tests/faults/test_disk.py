"""The disk and the database fail under a running daemon: it answers 503, loses nothing, and recovers by itself."""

import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.maintenance.state_dir import DATABASE
from tests.e2e.conftest import installation, new_installation  # noqa: F401 - fixtures
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, Operator, make_event, operated
from tests.faults.disk import fill, small_disk
from tests.faults.evidence import open_read_only
from tests.support.process import Installation
from tests.support.receivers import Receiver, open_receiver

LARGE = 200_000
KEPT = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """A daemon that has accepted events; the last one's attempt is under way."""

    operator: Operator
    receiver: Receiver
    gate: Gate

    @property
    def database(self) -> Path:
        return self.operator.daemon.installation.state_dir / DATABASE

    async def submit_large(self, number: int, events: int = 1) -> int:
        """Submit large events; return the status, after checking what comes with a refusal."""
        event = make_event(number)
        event["data"]["filler"] = "x" * LARGE
        path, body = ("/v1/events", event) if events == 1 else ("/v1/events/batch", [event] * events)
        answer = await self.operator.http.post(path, json=body)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"].startswith("application/problem+json")
        return answer.status_code

    def numbers(self) -> list[int]:
        """Return the numbers of the events in the database."""
        with closing(open_read_only(self.database)) as connection:
            rows = connection.execute("SELECT json_extract(body, '$.data.n') FROM events ORDER BY seq")
            return [row[0] for row in rows]


@asynccontextmanager
async def scene(installation: Installation) -> AsyncIterator[Scene]:  # noqa: F811 - the fixture's value
    gate = Gate()
    async with open_receiver() as receiver, operated(installation) as operator:
        await operator.make_team()
        await operator.make_webhook(receiver.url)
        await operator.submit(*range(KEPT))
        await operator.daemon.logged("delivery_succeeded", KEPT)
        receiver.answer = gate
        await operator.submit(KEPT)
        await receiver.received(KEPT + 1)
        yield Scene(operator, receiver, gate)


Failing = Callable[[Scene], AbstractContextManager[None]]


@contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    ballast = scene.operator.daemon.installation.state_dir / "ballast"
    fill(ballast)
    yield
    ballast.unlink()


@contextmanager
def forbidden_to_write(scene: Scene) -> Iterator[None]:
    pid = scene.operator.daemon.process.pid
    wal = scene.database.with_name(DATABASE + "-wal")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal.stat().st_size + 10_000, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(scene: Scene) -> Iterator[None]:
    with closing(sqlite3.connect(scene.database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


async def check_that_it_goes_on_by_itself(scene: Scene, failing: Failing) -> None:
    operator, number = scene.operator, 100
    with failing(scene):
        while await scene.submit_large(number) == 202:  # until the room that is left is used up
            number += 1
        assert await scene.submit_large(9_000, events=20) == 503
        scene.gate.opened.set()
        await operator.daemon.logged("store_unavailable")
        assert (await operator.http.get("/healthz")).status_code == 200
        assert (await operator.http.get("/v1/webhooks?teamId=acme")).status_code == 200
        kept = scene.numbers()
        assert kept == [*range(KEPT + 1), *range(100, number)], "what was acknowledged, and nothing of what was refused"
    await operator.daemon.logged("store_recovered")
    assert await scene.submit_large(10_000) == 202
    await operator.until_nothing_is_pending()
    assert {delivery["status"] for delivery in await operator.deliveries()} == {"succeeded"}
    assert scene.numbers() == [*kept, 10_000]
    seen = [request.header("webhook-id") for request in scene.receiver.requests]
    assert len(seen) == len(set(seen)) == len(kept) + 1, "each was delivered once, in one attempt"


@pytest.mark.fault(
    "The disk is full in the middle of writing",
    "503 with Retry-After, nothing of the request kept; it goes on by itself when there is room again",
)
@ends_within(60)
async def test_with_a_full_disk_submissions_are_refused_and_nothing_is_lost(
    tmp_path: Path,
    installation: Installation,  # noqa: F811
) -> None:
    with small_disk(installation.state_dir, "4m"):
        async with scene(installation) as ready:
            await check_that_it_goes_on_by_itself(ready, full_disk)


@pytest.mark.fault(
    "The database file may not grow (a limit on the size of files)",
    "503 with Retry-After, nothing of the request kept; it goes on by itself when the limit is lifted",
)
@ends_within(60)
async def test_with_a_file_size_limit_submissions_are_refused_and_nothing_is_lost(installation: Installation) -> None:  # noqa: F811
    async with scene(installation) as ready:
        await check_that_it_goes_on_by_itself(ready, forbidden_to_write)


@pytest.mark.fault(
    "Another process holds the database locked for longer than the busy timeout",
    "503 with Retry-After, nothing of the request kept; it goes on by itself when the lock is gone",
)
@ends_within(60)
async def test_with_a_locked_database_submissions_are_refused_and_nothing_is_lost(installation: Installation) -> None:  # noqa: F811
    async with scene(installation) as ready:
        await check_that_it_goes_on_by_itself(ready, locked)
