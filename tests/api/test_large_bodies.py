"""Large bodies: read in turn by team, and only so many at once."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
import trio
import trio.testing
from quart import Request
from trio.testing import MockClock

from api.limits.large_bodies import LargeBodies
from daemon.crypto.api_keys import Principal
from daemon.domain.errors import Overloaded

MIB = 1024 * 1024
OPERATOR = Principal(None, "operator")

Result = TypeVar("Result")


class FakeRequest:
    """A request for the batch route, as far as its head is looked at."""

    path = "/v1/events/batch"

    def __init__(self, size: int | None) -> None:
        self.content_length = size
        self.headers = {"Transfer-Encoding": "chunked"} if size is None else {}


def request(size: int | None) -> Request:
    return cast(Request, FakeRequest(size))


def key_of(team: str) -> Principal:
    return Principal(team, f"key_{team}")


async def a_second(work: Callable[[], Result], /) -> Result:
    await trio.sleep(1)
    return work()


def make_bodies(max_bytes: int = 64 * MIB) -> LargeBodies:
    return LargeBodies(lambda: a_second, max_bytes)


@pytest.mark.fault(
    "A team sends many 8 MiB bodies at once",
    "they are read in turn: another team's body waits for at most the one that is being read",
)
async def test_teams_take_turns(autojump_clock: MockClock) -> None:
    bodies, done, started = make_bodies(), list[tuple[str, float]](), trio.current_time()

    async def read(team: str, size: int) -> None:
        with bodies.room(request(size), key_of(team)) as run_in_thread:
            await run_in_thread(lambda: done.append((team, trio.current_time() - started)))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(read, "noisy", 8 * MIB)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(read, "large", 4 * MIB)
        nursery.start_soon(read, "small", 100 * 1024)
    assert dict(done)["small"] == 1  # no turn of the large ones
    assert dict(done)["large"] <= 3
    assert dict(done)["noisy"] == 5


async def test_one_that_goes_away_while_it_waits_gives_its_turn_to_the_next(autojump_clock: MockClock) -> None:
    bodies, done = make_bodies(), list[str]()

    async def read(name: str) -> None:
        with bodies.room(request(2 * MIB), key_of(name)) as run_in_thread:
            await run_in_thread(lambda: done.append(name))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, "first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            await read("gone")
        nursery.start_soon(read, "last")
    assert done == ["first", "last"]


@pytest.mark.parametrize("size", [8 * MIB, None], ids=["length", "chunked"])
async def test_a_team_takes_at_most_half_of_what_the_others_leave_and_the_rest_is_refused_unread(
    size: int | None, autojump_clock: MockClock
) -> None:
    bodies: LargeBodies = make_bodies()
    rooms: list[Any] = [bodies.room(request(size), key_of("noisy")) for _ in range(5)]
    for room in rooms[:4]:
        room.__enter__()
    with pytest.raises(Overloaded):
        rooms[4].__enter__()
    with bodies.room(request(8 * MIB), key_of("other")), bodies.room(request(100), key_of("noisy")):
        pass
    with bodies.room(request(8 * MIB), OPERATOR), bodies.room(request(8 * MIB), OPERATOR):
        pass
    rooms[0].__exit__(None, None, None)
    with bodies.room(request(8 * MIB), key_of("noisy")):
        pass
