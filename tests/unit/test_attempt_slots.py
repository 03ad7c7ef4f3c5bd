"""Whose turn it is when descriptors are scarce (contract "An attempt")."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.delivery.attempt_slots import AttemptSlots, Slot


class Connection:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def make_slots(limit: int, warnings: list[int] | None = None) -> AttemptSlots:
    return AttemptSlots(limit, lambda slots: (warnings if warnings is not None else []).append(slots.waiting))


def take_all(slots: AttemptSlots, team_id: str, *, failing: bool = False) -> list[Slot]:
    """Take slots for a team until it must wait."""
    taken: list[Slot] = []
    while (slot := slots.slot(Connection().close)).try_take(team_id, failing):
        taken.append(slot)
    return taken


async def take(slot: Slot, team_id: str, order: list[str]) -> None:
    await slot.take(team_id, failing=False)
    order.append(team_id)


def test_one_team_leaves_a_quarter_and_two_a_seventh_of_all_slots() -> None:
    slots = make_slots(140)
    assert len(take_all(slots, "a")) == 105
    assert slots.limit - slots.in_flight == 35
    take_all(slots, "b")
    assert slots.limit - slots.in_flight >= 8


def test_webhooks_that_fail_leave_slots_to_the_sound_ones_of_their_team() -> None:
    slots = make_slots(40)
    assert len(take_all(slots, "a", failing=True)) == 30
    assert len(take_all(slots, "a")) > 5


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_small_limit_can_be_used(limit: int) -> None:
    assert 1 <= len(take_all(make_slots(limit), "a")) <= limit


async def test_teams_that_wait_are_served_in_turn_and_each_in_order() -> None:
    slots, order = make_slots(4), list[str]()
    held = [slot for team in "vwxy" for slot in take_all(slots, team)]
    async with trio.open_nursery() as nursery:
        for team_id in ("a", "a", "a", "b", "c"):
            nursery.start_soon(take, slots.slot(Connection().close), team_id, order)
            await wait_all_tasks_blocked()
        assert (order, slots.waiting) == ([], 5)
        for slot in held[:3]:
            slot.give_back()
            await wait_all_tasks_blocked()
        assert order == ["a", "b", "c"]
        nursery.cancel_scope.cancel()


async def test_a_cancelled_wait_takes_nothing() -> None:
    slots = make_slots(1)
    [held] = take_all(slots, "a")
    with trio.move_on_after(0.01):
        await slots.slot(Connection().close).take("b", failing=False)
    assert (slots.in_flight, slots.waiting) == (1, 0)
    held.give_back()
    assert slots.in_flight == 0


async def test_a_turn_that_comes_with_the_cancel_is_given_on() -> None:
    slots, order = make_slots(1), list[str]()
    [held] = take_all(slots, "a")
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await take(slots.slot(Connection().close), "b", order)

        nursery.start_soon(cancelled)
        await wait_all_tasks_blocked()
        nursery.start_soon(take, slots.slot(Connection().close), "c", order)
        await wait_all_tasks_blocked()
        scope.cancel()
        held.give_back()
        await wait_all_tasks_blocked()
    assert order == ["c"]
    assert (slots.in_flight, slots.waiting) == (1, 0)


def test_idle_connections_are_closed_first_the_oldest_before_the_others() -> None:
    slots, connections = make_slots(4), [Connection() for _ in range(4)]
    for number, connection in enumerate(connections):
        slot = slots.slot(connection.close)
        assert slot.try_take(f"team {number}", failing=False)
        slot.give_back(keeps_connection=True)
    assert not any(connection.closed for connection in connections)
    assert slots.slot(Connection().close).try_take("another", failing=False)
    assert [connection.closed for connection in connections] == [True, False, False, False]


def test_a_webhook_takes_its_own_connection_up_again() -> None:
    slots, mine, other = make_slots(2), Connection(), Connection()
    slot, another = slots.slot(mine.close), slots.slot(other.close)
    for one in (slot, another):
        assert one.try_take("a", failing=False)
        one.give_back(keeps_connection=True)
    assert slot.try_take("a", failing=False)
    assert not mine.closed
    assert not other.closed


def test_a_closed_slot_is_counted_no_longer() -> None:
    slots, other = make_slots(1), Connection()
    slot = slots.slot(other.close)
    assert slot.try_take("a", failing=False)
    slot.give_back(keeps_connection=True)
    slot.close()
    slot.close()
    assert slots.slot(Connection().close).try_take("a", failing=False)
    assert not other.closed


async def test_it_is_warned_of_once_in_a_minute(autojump_clock: MockClock) -> None:
    warnings: list[int] = []
    slots = make_slots(1, warnings)
    take_all(slots, "a")
    for _ in range(130):
        with trio.move_on_after(1):
            await slots.slot(Connection().close).take("b", failing=False)
    assert warnings == [1, 1, 1]
