"""Reservations never cost more than the balance, and nothing is left behind (contract "Credits", `credits.enforce`)."""

from dataclasses import dataclass, field

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from daemon.delivery.credit_gate import CreditGate


@dataclass(slots=True)
class Bank:
    """The balances; `reading` holds a reading up after it looked."""

    balances: dict[str, int] = field(default_factory=dict)
    reading: trio.Event | None = None

    async def balance_of(self, team_id: str) -> int:
        balance = self.balances.get(team_id, 0)
        if self.reading is not None:
            await self.reading.wait()
        return balance


def nobody() -> None:
    raise AssertionError("this reservation must not wait")


async def test_without_enforcement_nothing_is_held_back() -> None:
    for gate in (CreditGate(2, False, Bank().balance_of), CreditGate(0, True, Bank().balance_of)):
        assert not gate.enforced
        with trio.fail_after(1):
            await gate.reserve("t", nobody)
        gate.settle("t", charged=True)


async def test_as_many_reservations_as_the_balance_can_pay_go_at_once_and_the_next_one_waits() -> None:
    bank, waiting, let_through = Bank({"t": 5}), list[str](), list[str]()
    gate = CreditGate(2, True, bank.balance_of)
    await gate.reserve("t", nobody)
    await gate.reserve("t", nobody)

    async def reserve() -> None:
        await gate.reserve("t", lambda: waiting.append("t"))
        let_through.append("t")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reserve)
        await trio.testing.wait_all_tasks_blocked()
        assert (waiting, let_through) == (["t"], [])
        gate.granted("t", 1)
    assert (waiting, let_through) == (["t"], ["t"])


async def test_a_team_waits_while_one_of_its_reservations_does_and_is_counted_once() -> None:
    gate = CreditGate(2, True, Bank({"poor": 2, "rich": 9}).balance_of)
    for team in ("poor", "rich"):
        await gate.reserve(team, nobody)
    assert gate.waiting_teams == 0
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(gate.reserve, "poor", lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        assert gate.waiting_teams == 1
        gate.granted("poor", 2)
        await trio.testing.wait_all_tasks_blocked()
        assert gate.waiting_teams == 1
        nursery.cancel_scope.cancel()
    assert gate.waiting_teams == 0  # though the team has reserved still


async def test_what_was_not_charged_lets_the_next_one_through_and_what_was_does_not() -> None:
    bank, let_through = Bank({"t": 2}), list[int]()
    gate = CreditGate(2, True, bank.balance_of)
    await gate.reserve("t", nobody)

    async def reserve() -> None:
        await gate.reserve("t", lambda: None)
        let_through.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reserve)
        nursery.start_soon(reserve)
        await trio.testing.wait_all_tasks_blocked()
        gate.settle("t", charged=False)
        await trio.testing.wait_all_tasks_blocked()
        assert len(let_through) == 1
        gate.settle("t", charged=True)
        await trio.testing.wait_all_tasks_blocked()
        assert len(let_through) == 1
        gate.granted("t", 2)


async def test_after_an_unknown_end_the_balance_tells_though_others_are_in_flight_still() -> None:
    bank, let_through = Bank({"t": 6}), list[int]()
    gate = CreditGate(2, True, bank.balance_of)
    for _ in range(3):
        await gate.reserve("t", nobody)

    async def reserve() -> None:
        await gate.reserve("t", lambda: None)
        let_through.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reserve)
        nursery.start_soon(reserve)
        bank.balances["t"] = 2  # two were charged; one of these does not know it, and the other has not said it yet
        gate.settle("t", charged=None)
        await trio.testing.wait_all_tasks_blocked()
        assert let_through == []
        gate.settle("t", charged=True)
        await trio.testing.wait_all_tasks_blocked()
        assert let_through == []
        gate.settle("t", charged=False)
        await trio.testing.wait_all_tasks_blocked()
        assert let_through == [1]
        gate.settle("t", charged=None)  # it was not charged
        await trio.testing.wait_all_tasks_blocked()
        assert let_through == [1, 1]


async def test_a_grant_during_a_reading_makes_it_read_again() -> None:
    bank = Bank({"t": 0}, trio.Event())
    gate = CreditGate(2, True, bank.balance_of)
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gate.reserve, "t", nobody)
            await trio.testing.wait_all_tasks_blocked()
            bank.balances["t"] = 2
            gate.granted("t", 2)
            assert bank.reading is not None
            bank.reading.set()


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    bank = Bank({"t": 0})
    gate = CreditGate(2, True, bank.balance_of)
    with trio.move_on_after(0.01):
        await gate.reserve("t", lambda: None)
    bank.balances["t"] = 2  # read anew: the account was closed
    with trio.fail_after(1):
        await gate.reserve("t", nobody)
    gate.settle("t", charged=True)
    with pytest.raises(KeyError):
        gate.settle("t", charged=True)


@given(st.integers(0, 20), st.lists(st.integers(1, 5), max_size=5), st.lists(st.booleans(), min_size=1, max_size=30))
def test_any_number_of_reservations_together_never_overdraw(
    balance: int, grants: list[int], charged: list[bool]
) -> None:
    trio.run(_never_overdraw, balance, grants, charged)


async def _never_overdraw(balance: int, grants: list[int], charged: list[bool]) -> None:
    bank = Bank({"t": balance})
    gate = CreditGate(2, True, bank.balance_of)
    in_flight = over = 0

    async def deliver(succeeds: bool) -> None:
        nonlocal in_flight, over
        await gate.reserve("t", lambda: None)
        in_flight += 1
        assert in_flight * 2 <= bank.balances["t"]
        await trio.lowlevel.checkpoint()
        in_flight -= 1
        bank.balances["t"] -= 2 * succeeds
        gate.settle("t", charged=succeeds)
        over += 1

    async with trio.open_nursery() as nursery:
        for succeeds in charged:
            nursery.start_soon(deliver, succeeds)
        for grant in grants:
            await trio.testing.wait_all_tasks_blocked()
            bank.balances["t"] += grant
            gate.granted("t", grant)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert bank.balances["t"] >= 0
    assert over == len(charged) or bank.balances["t"] < 2
