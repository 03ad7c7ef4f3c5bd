"""Fair places for lookups (contract "An attempt"), in virtual time."""

import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
import trio
from trio.testing import MockClock

from daemon.egress.addresses import Address
from daemon.egress.lookups import Lookup, Lookups

ADDRESS = ip_address("192.0.2.1")


@dataclass(slots=True)
class Names:
    """Names below `dead` hang for ever, those below `missing` do not exist; the others take 0.1 s."""

    asked: list[str] = field(default_factory=list)
    asking: int = 0

    async def known_addresses(self, host: str) -> Sequence[Address] | None:
        await trio.lowlevel.checkpoint()
        return (ADDRESS,) if host == "known" else None

    async def ask(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        self.asking += 1
        try:
            await trio.sleep(math.inf if host.endswith(".dead") else 0.1)
        finally:
            self.asking -= 1
        if host.endswith(".missing"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return (ADDRESS,)


@pytest.fixture
def names() -> Names:
    return Names()


async def look_up(lookups: Lookups, host: str, team: str, seconds: float = 10) -> float:
    """Look the name up as an attempt does, which gives up after `seconds`; return how long it waited for its place."""
    started = trio.current_time()
    lookup = await lookups.admit(host, team)
    waited = trio.current_time() - started
    try:
        with trio.move_on_after(seconds):
            await lookup.resolve(host, 443)
    finally:
        lookup.release()
    return waited


async def test_a_name_is_asked_for_once_for_all_who_want_it_at_the_same_time(
    names: Names, autojump_clock: MockClock
) -> None:
    lookups = Lookups(names, 4)
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(look_up, lookups, "a.example", f"team_{number % 3}")
    assert names.asked == ["a.example"]
    await look_up(lookups, "a.example", "team_1")
    assert names.asked == ["a.example"] * 2, "answers are not kept"


async def test_one_who_goes_leaves_the_lookup_to_the_others_and_the_last_one_ends_it(
    names: Names, autojump_clock: MockClock
) -> None:
    lookups = Lookups(names, 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_up, lookups, "a.dead", "team_1", 1)
        nursery.start_soon(look_up, lookups, "a.dead", "team_2", 5)
        await trio.sleep(2)
        assert (names.asking, lookups.in_progress) == (1, 1)
        await trio.sleep(4)
        assert (names.asking, lookups.in_progress) == (0, 0)


async def test_whoever_takes_over_a_lookup_hands_its_answer_to_the_others(
    names: Names, autojump_clock: MockClock
) -> None:
    lookups, found = Lookups(names, 4), list[Sequence[Address]]()

    async def keep(lookup: Lookup) -> None:
        found.append(await lookup.resolve("a.example", 443))

    admitted = [await lookups.admit("a.example", "team_1") for _ in range(3)]
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.05):
            await admitted[0].resolve("a.example", 443)
        for lookup in admitted[1:]:
            nursery.start_soon(keep, lookup)
    assert found == [(ADDRESS,)] * 2
    for lookup in admitted:
        lookup.release()
    assert lookups.in_progress == 0


async def test_a_team_whose_names_hang_leaves_room_for_the_next_ones(names: Names, autojump_clock: MockClock) -> None:
    lookups = Lookups(names, 60)
    async with trio.open_nursery() as nursery:
        for team in range(3):
            for number in range(500):
                nursery.start_soon(look_up, lookups, f"{number}.team{team}.dead", f"team_{team}")
        await trio.sleep(1)
        assert 40 <= lookups.in_progress < 60
        assert await look_up(lookups, "hooks.example", "team_healthy") == 0
        nursery.cancel_scope.cancel()
    assert (names.asking, lookups.in_progress, lookups.waiting) == (0, 0, 0)


async def test_a_teams_own_names_that_hung_do_not_take_all_of_its_places_again(
    names: Names, autojump_clock: MockClock
) -> None:
    lookups = Lookups(names, 40)

    async def look_up_again_and_again(host: str) -> None:
        while True:
            await look_up(lookups, host, "team_1")

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(look_up_again_and_again, f"{number}.dead")
        await trio.sleep(75)  # each has hung by now
        assert await look_up(lookups, "hooks.example", "team_1") < 1
        nursery.cancel_scope.cancel()


async def test_who_waits_gets_a_place_in_turn_team_by_team(names: Names, autojump_clock: MockClock) -> None:
    lookups, order = Lookups(names, 2), list[str]()

    async def note(host: str, team: str) -> None:
        await look_up(lookups, host, team)
        order.append(host)

    async with trio.open_nursery() as nursery:
        for host, team in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("a4", "a"), ("b2", "b")):
            nursery.start_soon(note, host, team)
            await trio.sleep(0.001)
    assert order.index("b2") < order.index("a4")


async def test_a_failed_lookup_is_remembered_for_a_second(names: Names, autojump_clock: MockClock) -> None:
    lookups = Lookups(names, 4)
    resolve = lookups.resolver_for("team_1")
    for _ in range(3):
        with pytest.raises(socket.gaierror):
            await resolve("a.missing", 443)
    assert names.asked == ["a.missing"]
    await trio.sleep(1)
    with pytest.raises(socket.gaierror):
        await resolve("a.missing", 443)
    assert len(names.asked) == 2


async def test_what_needs_no_name_server_waits_for_no_place(names: Names, autojump_clock: MockClock) -> None:
    lookups = Lookups(names, 1)
    held = await lookups.admit("a.dead", "team_1")
    assert await look_up(lookups, "known", "team_1") == 0
    assert await lookups.admit_now("b.dead", "team_1") is None
    held.release()
    assert await lookups.admit_now("b.dead", "team_1") is not None


async def test_a_cancelled_wait_gives_up_its_place_in_the_queue(names: Names, autojump_clock: MockClock) -> None:
    lookups = Lookups(names, 1)
    held = await lookups.admit("a.dead", "team_1")
    with trio.move_on_after(1):
        await lookups.admit("b.example", "team_1")
    assert lookups.waiting == 0
    held.release()
    assert await look_up(lookups, "c.example", "team_2") == 0
