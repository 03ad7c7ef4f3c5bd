"""The gate of a cluster: who waits for credits, for how long, and how seldom the database is asked."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from daemon.actors.threads import run_inline
from daemon.cluster.held_credits import HeldCredits
from daemon.domain.errors import StoreUnavailable
from daemon.store.hold_commands import ChangeHolds
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.store.writes.writer import Writer
from daemon.telemetry.metrics import make_metrics
from tests.cluster.bank import PRICE, balance_of, charge, end, grant, holds_of, new_node, new_team
from tests.support.daemon import FakeThread


@dataclass(frozen=True, slots=True)
class Owner:
    node: int

    def owns(self, _webhook_id: str) -> bool:
        return True


@dataclass(slots=True)
class Teller:
    """One node: its gate, and what its deliveries do."""

    number: int
    gate: HeldCredits
    database: PostgresqlDatabase
    run_write: FakeThread
    scope: trio.CancelScope
    commits: int = 0

    async def deliver(self, team_id: str, *, charged: bool = True) -> None:
        await self.gate.reserve(team_id, lambda: None)
        self.end(team_id, charged=charged)

    def end(self, team_id: str, *, charged: bool) -> None:
        if charged:
            charge(self.database, self.number, team_id)
        self.gate.settle(team_id, charged=charged)


MakeTeller = Callable[[], Teller]


@pytest.fixture
async def make_teller(database: PostgresqlDatabase, nursery: trio.Nursery) -> AsyncIterator[MakeTeller]:
    def make() -> Teller:
        run_write, number = FakeThread(), new_node(database)
        store = Store(Reader(database, run_inline), Writer(database, run_write, make_metrics()))
        gate = HeldCredits(PRICE, True, store=store, ownership=Owner(number))
        nursery.start_soon(store.writer.run)
        teller = Teller(number, gate, database, run_write, trio.CancelScope())
        nursery.start_soon(_run, teller)
        return teller

    yield make
    nursery.cancel_scope.cancel()


async def _run(teller: Teller) -> None:
    with teller.scope:
        await teller.gate.run()


def nobody() -> None:
    raise AssertionError("there are credits")


async def test_without_enforcement_nothing_is_held_back(database: PostgresqlDatabase) -> None:
    store = Store(Reader(database, run_inline), Writer(database, run_inline, make_metrics()))
    for gate in (
        HeldCredits(2, False, store=store, ownership=Owner(1)),
        HeldCredits(0, True, store=store, ownership=Owner(1)),
    ):
        assert not gate.enforced
        await gate.reserve("t", nobody)
        gate.settle("t", charged=True)


async def test_a_busy_team_needs_few_transactions_for_its_credits(
    database: PostgresqlDatabase, make_teller: MakeTeller, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database, 10_000), make_teller()
    before = database.transactions
    for _ in range(1000):
        await teller.gate.reserve(team_id, nobody)
        teller.gate.settle(team_id, charged=True)  # the charges themselves are not counted here
    assert database.transactions - before <= 15


async def test_what_is_not_used_goes_back_within_two_turns(
    database: PostgresqlDatabase, make_teller: MakeTeller, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database, 100), make_teller()
    await teller.deliver(team_id)
    assert holds_of(database, team_id)
    await trio.sleep(2.5)
    assert (holds_of(database, team_id), balance_of(database, team_id)) == ({}, 98)


async def test_what_one_node_does_not_use_another_one_gets_though_the_first_is_busy(
    database: PostgresqlDatabase, make_teller: MakeTeller, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    team_id, first, second = new_team(database, 8), make_teller(), make_teller()
    for _ in range(4):
        await first.gate.reserve(team_id, lambda: None)
    assert sum(holds_of(database, team_id).values()) == 8
    for _ in range(3):
        first.gate.settle(team_id, charged=False)

    async def keep_trying() -> None:
        while True:
            await trio.sleep(0.7)
            first.gate.settle(team_id, charged=False)
            await first.gate.reserve(team_id, lambda: None)

    nursery.start_soon(keep_trying)
    with trio.fail_after(4):
        await second.gate.reserve(team_id, lambda: None)


async def test_a_team_without_credits_is_told_of_once_and_counted_once(
    database: PostgresqlDatabase, make_teller: MakeTeller, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    team_id, teller, told = new_team(database, 1), make_teller(), list[str]()
    for name in ("a", "b"):
        nursery.start_soon(teller.gate.reserve, team_id, lambda name=name: told.append(name))
    await trio.sleep(30)
    assert (sorted(told), teller.gate.waiting_teams) == (["a", "b"], 1)


async def test_a_grant_on_another_node_lets_through_who_waits_when_it_is_told(
    database: PostgresqlDatabase, make_teller: MakeTeller, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    team_id, teller, through = new_team(database), make_teller(), trio.Event()

    async def deliver() -> None:
        await teller.deliver(team_id)
        through.set()

    nursery.start_soon(deliver)
    await trio.sleep(30.5)
    grant(database, team_id, 2)
    teller.gate.granted(team_id, 2)
    before = trio.current_time()
    await through.wait()
    assert trio.current_time() == before


async def test_a_grant_that_nobody_told_of_is_found_in_the_next_turn(
    database: PostgresqlDatabase, make_teller: MakeTeller, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database), make_teller()
    with trio.move_on_after(5):
        await teller.deliver(team_id)
    grant(database, team_id, 2)
    with trio.fail_after(1.1):
        await teller.deliver(team_id)


async def test_the_credits_of_a_node_that_ended_are_found_by_another_one(
    database: PostgresqlDatabase, make_teller: MakeTeller, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    team_id, first, second = new_team(database, 2), make_teller(), make_teller()
    await first.gate.reserve(team_id, nobody)
    first.scope.cancel()
    with trio.move_on_after(5):
        await second.gate.reserve(team_id, lambda: None)
    end(database, first.number)
    with trio.fail_after(1.1):
        await second.gate.reserve(team_id, lambda: None)


async def test_a_correction_takes_back_what_is_not_reserved(
    database: PostgresqlDatabase, make_teller: MakeTeller, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database, 100), make_teller()
    await teller.gate.reserve(team_id, nobody)
    grant(database, team_id, -100)
    teller.gate.granted(team_id, -100)
    with trio.move_on_after(5) as waiting:
        await teller.gate.reserve(team_id, lambda: None)
    assert waiting.cancelled_caught
    assert holds_of(database, team_id) == {teller.number: PRICE}


async def test_a_crash_of_the_actor_loses_no_credits(
    database: PostgresqlDatabase, make_teller: MakeTeller, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database, 8), make_teller()
    teller.run_write.answer_s = 1
    with trio.move_on_after(0.5):  # the commit is done, and its answer comes later
        await teller.gate.reserve(team_id, nobody)
    teller.scope.cancel()
    await trio.sleep(5)
    teller.run_write.answer_s, teller.scope = 0, trio.CancelScope()
    nursery.start_soon(_run, teller)
    for _ in range(4):
        with trio.fail_after(3):
            await teller.gate.reserve(team_id, nobody)
    assert holds_of(database, team_id) == {teller.number: 8}


async def test_while_the_database_fails_deliveries_wait_and_go_on_when_it_works_again(
    database: PostgresqlDatabase, make_teller: MakeTeller, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database, 8), make_teller()

    async def fail(*_args: object) -> None:
        raise StoreUnavailable("the database failed")

    with monkeypatch.context() as failing, trio.move_on_after(5) as waiting:
        failing.setattr(teller.gate._writer, "execute", fail)
        await teller.gate.reserve(team_id, nobody)
    assert waiting.cancelled_caught
    with trio.fail_after(1.1):
        await teller.gate.reserve(team_id, nobody)


async def test_who_waited_already_goes_on_when_the_database_works_again(
    database: PostgresqlDatabase, make_teller: MakeTeller, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    team_id, teller, execute = new_team(database, 8), make_teller(), Writer.execute
    works_at = trio.current_time() + 5

    async def fail(self: Writer, *args: Any) -> Any:
        if trio.current_time() < works_at:
            raise StoreUnavailable("the database failed")
        return await execute(self, *args)

    monkeypatch.setattr(Writer, "execute", fail)
    with trio.fail_after(6.1):
        await teller.gate.reserve(team_id, nobody)


async def test_what_was_granted_to_a_node_that_did_not_hear_of_it_goes_back(
    database: PostgresqlDatabase, make_teller: MakeTeller, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    team_id, deaf, other = new_team(database, 2), make_teller(), make_teller()
    execute = deaf.gate._writer.execute

    async def lose_the_answer(command: ChangeHolds, _then: object) -> None:
        await execute(command)
        raise StoreUnavailable("it may be committed, or not")

    with monkeypatch.context() as losing, trio.move_on_after(0.5):
        losing.setattr(deaf.gate._writer, "execute", lose_the_answer)
        await deaf.gate.reserve(team_id, nobody)
    assert holds_of(database, team_id) == {deaf.number: 2}
    with trio.fail_after(3):
        await other.gate.reserve(team_id, lambda: None)


async def test_who_stops_waiting_leaves_nothing_behind(
    database: PostgresqlDatabase, make_teller: MakeTeller, autojump_clock: MockClock
) -> None:
    team_id, teller = new_team(database), make_teller()
    with trio.move_on_after(5):
        await teller.gate.reserve(team_id, lambda: None)
    assert teller.gate.waiting_teams == 0
    grant(database, team_id, 2)
    await trio.sleep(5)
    assert holds_of(database, team_id) == {}
