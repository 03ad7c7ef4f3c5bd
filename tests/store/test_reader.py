"""Reads in one batch: each caller gets its own answer or error, and costs the others nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import trio
import trio.testing
from sqlalchemy import Connection, text

from daemon.domain.errors import StoreUnavailable
from daemon.store.reads.reader import Reader
from tests.store.filling import AnyDatabase

Result = TypeVar("Result")


@dataclass(slots=True)
class Gate:
    """A thread that waits to begin until it is opened."""

    opened: trio.Event = field(default_factory=trio.Event)
    calls: int = 0
    crash: Exception | None = None

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        self.calls += 1
        await self.opened.wait()
        if self.crash is not None:
            crash, self.crash = self.crash, None
            raise crash
        return work()


def double(connection: Connection, number: int) -> int:
    return int(connection.execute(text("SELECT 2 * :number"), {"number": number}).scalar_one())


def unknown_table(connection: Connection) -> None:
    connection.execute(text("SELECT * FROM nowhere"))


def mistaken(_connection: Connection) -> None:
    raise ValueError("a mistake")


async def test_waiting_reads_share_a_batch_and_each_gets_its_own_answer(database: AnyDatabase) -> None:
    gate, answers = Gate(), dict[int, int]()
    reader = Reader(database, gate)

    async def ask(number: int) -> None:
        answers[number] = await reader.fetch_together(double, number)

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(ask, number)
        await trio.testing.wait_all_tasks_blocked()
        gate.opened.set()
    assert answers == {number: 2 * number for number in range(40)}
    assert gate.calls <= 4


async def test_a_read_that_fails_fails_alone(database: AnyDatabase) -> None:
    gate = Gate()
    reader = Reader(database, gate)

    async def ask_what_fails() -> None:
        with pytest.raises(StoreUnavailable):
            await reader.fetch_together(unknown_table)

    async def ask_by_mistake() -> None:
        with pytest.raises(ValueError, match="a mistake"):
            await reader.fetch_together(mistaken)

    async def ask_well(number: int) -> None:
        assert await reader.fetch_together(double, number) == 2 * number

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_what_fails)
        nursery.start_soon(ask_by_mistake)
        for number in range(5):
            nursery.start_soon(ask_well, number)
        await trio.testing.wait_all_tasks_blocked()
        gate.opened.set()


async def test_callers_that_leave_do_not_cost_the_others_their_answers(database: AnyDatabase) -> None:
    gate, answers = Gate(), list[int]()
    reader = Reader(database, gate)

    async def ask(number: int) -> None:
        answers.append(await reader.fetch_together(double, number))

    async with trio.open_nursery() as staying:
        async with trio.open_nursery() as leaving:
            for _ in range(3):
                leaving.start_soon(ask, -1)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(3):
                staying.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        gate.opened.set()
    assert sorted(answers) == [0, 2, 4]


async def test_a_batch_that_fails_before_it_reads_does_not_cost_the_others_their_turn(database: AnyDatabase) -> None:
    gate, answers = Gate(crash=RuntimeError("no more threads")), list[int]()
    reader = Reader(database, gate)

    async def ask(number: int) -> None:
        try:
            answers.append(await reader.fetch_together(double, number))
        except RuntimeError:
            answers.append(-1)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask, number)
        await trio.testing.wait_all_tasks_blocked()
        gate.opened.set()
    assert answers.count(-1) == 1
    assert len(answers) == 5


async def test_reads_in_one_batch_see_what_was_written_before_they_asked(database: AnyDatabase) -> None:
    async def run_now(work: Callable[[], Result], /) -> Result:
        await trio.lowlevel.checkpoint()
        return work()

    def revision(connection: Connection) -> str:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())

    reader = Reader(database, run_now)
    before = await reader.fetch_together(revision)
    with database.writer.begin():
        database.writer.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    assert before != "newer"
    assert await reader.fetch_together(revision) == "newer"


async def test_those_who_ask_the_same_are_answered_by_one_query_and_one_that_fails_fails_alone(
    database: AnyDatabase,
) -> None:
    gate, answers, asked = Gate(), dict[int, int](), list[list[int]]()
    reader = Reader(database, gate)

    def double_all(connection: Connection, numbers: Sequence[int]) -> list[int]:
        asked.append(list(numbers))
        if -1 in numbers:
            unknown_table(connection)
        return [double(connection, number) for number in numbers]

    async def ask(number: int) -> None:
        answers[number] = await reader.fetch_for_all(double_all, number)

    async def ask_what_fails() -> None:
        with pytest.raises(StoreUnavailable):
            await reader.fetch_for_all(double_all, -1)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(ask, number)
        nursery.start_soon(ask_what_fails)
        await trio.testing.wait_all_tasks_blocked()
        gate.opened.set()
    assert answers == {number: 2 * number for number in range(20)}
    assert sum(map(len, asked)) <= 20 + 1 + 16
    assert len([numbers for numbers in asked if len(numbers) > 1]) <= 3
